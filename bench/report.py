"""Writes the results as pages: tables, intervals, targets."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from bench import accuracy, experiments, freshness, lists, personalize_metrics, spark, training
from bench.results import Row
from bench.targets import targets

# two-sided 95 % quantiles of Student's t, by degrees of freedom
_T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365}
_BUSY = 0.15  # cores that other work may use before a timing counts as measured under load
_PUBLISHED = {"SAR": 0.3938, "BPR": 0.4450, "LightGCN (GPU)": 0.4198, "BiVAE (GPU)": 0.4751}
_LISTS = ("ndcg", "precision", "recall", "mrr", "map", "coverage", "novelty")

FIGURE = Path("figures") / "freshness.svg"

Found = Mapping[str, Sequence[Row]]


def write(results: Path, pages: Path) -> None:
    """Write benchmarks.md, and personalize-metrics.md if that section was measured."""
    found = {
        name: [row for row in json.loads(file.read_text("utf-8")) if "skipped" not in row]
        for name in _SECTIONS
        if (file := results / f"{name}.json").exists()
    }
    pages.mkdir(parents=True, exist_ok=True)
    (pages / "benchmarks.md").write_text(_page(found, _skipped(results)), "utf-8")
    if found.get("freshness"):
        small = [row for row in found["freshness"] if row["size"] == freshness.SMALL]
        freshness.draw(small, pages / FIGURE)
    if found.get("personalize"):
        text = personalize_metrics.page(list(found["personalize"]))
        (pages / "personalize-metrics.md").write_text(text, "utf-8")
    print(pages / "benchmarks.md")


def _skipped(results: Path) -> list[str]:
    rows = [row for file in results.glob("*.json") for row in json.loads(file.read_text("utf-8"))]
    told = {row["engine"]: row["skipped"] for row in rows if "skipped" in row}
    return [f"{engine} ({reason})" for engine, reason in told.items()]


def _page(found: Found, skipped: Sequence[str]) -> str:
    parts = [
        "<!-- Written by `python -m bench`; changes here are lost. -->\n# Benchmarks",
        "Measured by `make bench` (`python -m bench SECTION` repeats one section). Nothing was "
        "tuned on a reported part, except where a section says so. ± is half of the 95 % interval "
        "of the mean over seeds (not over other data). The seeds are 0, 1, 2 …; the raw results "
        "are in `bench/results`.",
        "## Targets",
        "Targets are published results or earlier measurements of other implementations; where "
        "there are none, the project's own goals.",
        _table(("measure", "target", "result", ""), (each.line() for each in targets(found))),
    ]
    for name, section in _SECTIONS.items():
        if found.get(name):
            parts += section(found[name])
    if skipped:
        parts.append(f"Not run: {'; '.join(skipped)}.")
    return "\n\n".join(parts) + "\n"


# Accuracy -----------------------------------------------------------------------------------------


def _rating(rows: Sequence[Row]) -> list[str]:
    on_ua = [row for row in rows if row["split"] == "ua"]
    folds = [row for row in rows if row["split"] in accuracy.FOLDS]
    return [
        f"## Ratings\n{_origin(rows)}",
        "MovieLens 100k with the splits that it ships; in stars, predictions clipped to 1 … 5. A "
        "“taught” engine learns from a teacher's predictions (a Bayesian factorization machine "
        "fitted on the training part) instead of the ratings. Published for u1: 0.8833, and 0.8808 "
        "as ordered probit (myFM with side information and the date); for ua: MSE about 0.91 (the "
        "workshop's Object2Vec).",
        _table(
            ("engine", "MSE on ua", "RMSE", "MAE", "seeds"),
            (
                (name, *(_spread(of, figure) for figure in ("mse", "rmse", "mae")), len(of))
                for name, of in _by_engine(on_ua)
            ),
        ),
        "RMSE on the five folds, one seed each:",
        _table(
            ("engine", *accuracy.FOLDS, "mean", "MAE"),
            (
                (
                    name,
                    *(_figure(by[n]["rmse"]) if n in by else "" for n in accuracy.FOLDS),
                    *(
                        _figure(mean(row[figure] for row in of))
                        if len(by) == len(accuracy.FOLDS)
                        else ""
                        for figure in ("rmse", "mae")
                    ),
                )
                for name, of in _by_engine(folds)
                for by in ({row["split"]: row for row in of},)
            ),
        ),
    ]


def _recommendation(rows: Sequence[Row]) -> list[str]:
    return [
        f"## Recommendation\n{_origin(rows)}",
        "MovieLens 100k, ua: binary classification of ratings above 3. The workshop reports an "
        "accuracy of about 0.704.",
        _table(
            ("engine", "accuracy", "AUC", "seeds"),
            (
                (name, _spread(of, "accuracy"), _spread(of, "auc"), len(of))
                for name, of in _by_engine(rows)
            ),
        ),
    ]


def _ranking(rows: Sequence[Row]) -> list[str]:
    engines = list(_by_engine(rows))
    return [
        f"## Lists\n{_origin(rows)}",
        "MovieLens 100k with the protocol of Microsoft's Recommenders: item-stratified 75/25, "
        "every test rating is a hit, items rated in training are not recommended. Seed 42 is "
        "theirs; the means are over 42, 43, …. SAR in its published configuration reproduces their "
        "0.3938, which confirms the split. Published, on their machines: "
        + ", ".join(f"{name} {figure:.4f}" for name, figure in _PUBLISHED.items())
        + ". Rating models produce poor lists, because people do not watch what they would rate "
        "best. “Object2Vec by who watched what” is the third deployed model, ranked by its odds "
        "times the number of ratings squared, as on the page.",
        _table(
            ("engine", "nDCG@10, seed 42", "MAP@10, seed 42", "nDCG@10, mean", "splits"),
            (
                (
                    name,
                    *(
                        next((_figure(row[key]) for row in of if row["seed"] == 42), "")
                        for key in ("ndcg@10", "map@10")
                    ),
                    _spread(of, "ndcg@10"),
                    len(of),
                )
                for name, of in engines
            ),
        ),
        *(
            "\n\n".join(
                (
                    f"Lists of {k}, means over the splits:",
                    _table(
                        ("engine", *(f"{name}@{k}" for name in _LISTS)),
                        (
                            (engine, *(_mean(of, f"{name}@{k}") for name in _LISTS))
                            for engine, of in engines
                        ),
                    ),
                )
            )
            for k in (5, 10, 25)
        ),
    ]


def _personalize(rows: Sequence[Row]) -> list[str]:
    return [
        f"## Amazon Personalize's metrics\n{_origin(rows)}",
        "A [separate page](personalize-metrics.md) compares the local recipes, measured by "
        "Personalize's protocol, with what AWS's workshop published.",
    ]


# Timing -------------------------------------------------------------------------------------------


def _training(rows: Sequence[Row]) -> list[str]:
    jobs = [row for row in rows if row["what"] == "job"]
    epochs = [row for row in rows if row["what"] == "epochs"]
    draws = [row for row in rows if row["what"] == "draws"]
    return [
        f"## Training on MovieLens 100k\n{_origin(rows)}",
        "A training job, from the start of its process to model.tar.gz (median of the runs; with "
        "cold caches everything is compiled first):",
        _table(
            ("job", "caches", "s", "CPU s", "peak GB", "validation"),
            (
                (
                    name,
                    caches,
                    _median(of, "wall") + _loaded(of),
                    _median(of, "cpu"),
                    _median(of, "peak_gb", 2),
                    f"MSE {of[0]['mse']:.4f}" if of[0].get("mse") else f"{of[0]['accuracy']:.4f}",
                )
                for name, some in _by_engine(jobs)
                for caches in ("cold", "warm")
                if (of := [row for row in some if row["caches"] == caches])
            ),
        ),
        f"Training alone; the seconds until MSE {training.ERROR} on ua.test are counted from the "
        "first minibatch (including compilation, from warm caches):",
        _table(
            ("network", "ratings/s", f"s to MSE {training.ERROR}", "runs"),
            (
                (
                    name,
                    f"{median(row['ratings_a_second'] for row in of):,.0f}" + _loaded(of),
                    _median([row for row in of if row["seconds_to_error"]], "seconds_to_error", 2)
                    if any(row["seconds_to_error"] for row in of)
                    else _to_error(of[0]),
                    len(of),
                )
                for name, of in _by_engine(epochs)
            ),
        ),
        "Closed-form lists (the fit and the scores of all users, median of the runs):",
        _table(
            ("engine", "s", "CPU s"),
            (
                (name, _median(of, "fit_seconds", 2) + _loaded(of), _median(of, "cpu", 2))
                for name, of in _by_engine([row for row in rows if row["what"] == "lists"])
            ),
        ),
        "Samplers of factorization machines with SVD++'s sets, 10 factors (ours runs eight chains "
        "with the given number of draws each, and has no products within a block):",
        _table(
            ("sampler", "draws", "MSE on ua", "s", "CPU s", "seeds"),
            (
                (
                    name,
                    count,
                    _spread(of, "mse"),
                    _median(of, "seconds") + _loaded(of),
                    _median(of, "cpu"),
                    len(of),
                )
                for name, some in _by_engine(draws)
                for count in sorted({row["draws"] for row in some})
                if (of := [row for row in some if row["draws"] == count])
            ),
        ),
    ]


def _serving(rows: Sequence[Row]) -> list[str]:
    return [
        f"## Serving\n{_origin(rows)}",
        "Object2Vec's container as the local AWS starts it, called over HTTP by one client; and "
        "the warm function that finds a movie's neighbours, compared with the workshop's design, "
        "which reads the ratings, embeds all movies and compares them one by one in each call "
        "(both without AWS's network).",
        _table(
            ("part", "", "p50 ms", "p99 ms", "calls", "MB"),
            (
                (
                    row["engine"],
                    row["what"],
                    f"{row['p50']:.3g}" + _loaded([row]),
                    f"{row['p99']:.3g}",
                    row["calls"],
                    f"{row['mb']:.0f}" if "mb" in row else "",
                )
                for row in rows
            ),
        ),
    ]


_LISTS_SPEED = {
    "p50_inside": "in the function, p50 ms",
    "p50": "client, p50 ms",
    "p95": "p95 ms",
    "p99": "p99 ms",
    "p50_http": "HTTP API, p50 ms",
    "p95_http": "p95 ms",
}


def _lists(rows: Sequence[Row]) -> list[str]:
    (judged,) = (row for row in rows if "ndcg@10" in row)
    rows = [row for row in rows if "what" in row]
    speed = [row for row in rows if "cold_seconds" in row]
    lines = [
        f"## Lists, as deployed\n{_origin(rows)}",
        "The stacks of `profile=lists` on the local AWS. With MovieLens 100k by the protocol of "
        f"Microsoft's Recommenders, seed 42, the function `Lists` reaches an nDCG@10 of "
        f"{judged['ndcg@10']:.4f} and a MAP@10 of {judged['map@10']:.4f}. Its speed, for a user of "
        "145 items: in the function as Lambda reports it, and as a client of the local AWS sees "
        "a call, and a request to the HTTP API, `GET /users/{id}/recommendations`. A "
        "cold start ends with the first answer. The larger model is of random ratings.",
        _table(
            ("items", *_LISTS_SPEED.values(), "cold start s", "MB"),
            (
                (
                    row["what"],
                    *(
                        f"{row[figure]:.3g}" + (_loaded([row]) if figure == "p50_inside" else "")
                        if figure in row
                        else ""
                        for figure in _LISTS_SPEED
                    ),
                    f"{row['cold_seconds']:.2f}",
                    f"{row['mb']:.0f}",
                )
                for row in speed
            ),
        ),
    ]
    if by_protocol := [row for row in rows if row["what"] == lists.PERSONALIZE]:
        (row,) = by_protocol
        lines += [
            "MovieLens latest-small by [Amazon Personalize's protocol](personalize-metrics.md), in "
            f"the same ten folds of its {row['users']} users: each fold's model is trained on the "
            "others, and each of its users sends the input as events and asks for a list. Settings "
            "are chosen within each fold's training part; but where their search begins, and how "
            "much of a list's variety pruning keeps, were chosen after these figures had been seen "
            "for a few variants, so they are somewhat too high.",
            _table(
                list(personalize_metrics.FIGURES),
                [[f"{row[f][0]:.4f} ± {row[f][1]:.4f}" for f in personalize_metrics.FIGURES]],
            ),
        ]
    return lines + [
        f"{row['what']}, for {row['wall']:.0f} s, each telling an event and asking for the list "
        f"that it changes: {row['calls']:,} calls, {row['failed']} failed, {row['stale']} lists "
        "without the last acknowledged event."
        for row in rows
        if "stale" in row
    ]


def _growth(rows: Sequence[Row]) -> list[str]:
    return [
        f"## Growth\n{_origin(rows)}",
        "Random ratings in the shapes of MovieLens 100k, 1M, 10M and 20M: speed only. Memory is "
        "the peak of the process, including the ratings.",
        _table(
            ("engine", "shape", "ratings", "s", "µs per rating", "peak GB"),
            (
                (
                    row["engine"],
                    row["shape"],
                    f"{row['ratings']:,}",
                    f"{row['seconds']:.2f}" + _loaded([row]),
                    f"{row['seconds'] / row['ratings'] * 1e6:.2f}",
                    f"{row['peak_gb']:.1f}",
                )
                for row in rows
            ),
        ),
    ]


def _spark(rows: Sequence[Row]) -> list[str]:
    lists = [row for row in rows if row["engine"] == spark.ALS]
    return [
        f"## Beyond one machine\n{_origin(rows)}",
        "The Spark job on `local[2]`, on random ratings: reading, judging and numbering the rows, "
        "the split and all outputs (*prepared*), and two trainings of ALS, of which one is judged. "
        "Memory is that of its Java process: driver and executors together.",
        _table(
            ("shape", "ratings", "prepared, s", "whole, s", "CPU, µs per rating", "peak GB"),
            (
                (
                    row["shape"],
                    f"{row['ratings']:,}",
                    f"{row['prepared_seconds']:.0f}",
                    f"{row['seconds']:.0f}" + _loaded([row]),
                    f"{row['cpu'] / row['ratings'] * 1e6:.1f}",
                    f"{row['peak_gb']:.1f}",
                )
                for row in rows
                if row["engine"] == spark.JOB
            ),
        ),
        *(
            f"{row['engine']}, by the protocol of the lists above: nDCG@10 {row['ndcg@10']:.4f}, "
            f"MAP@10 {row['map@10']:.4f}, coverage@10 {row['coverage@10']:.4f}."
            for row in lists
        ),
    ]


def _accelerator(rows: Sequence[Row]) -> list[str]:
    first, second = (
        [row for row in rows if row["device"] == device] for device in ("processor", "GPU")
    )
    return [
        f"## On a GPU\n{_origin(rows)}, {rows[0]['gpu']}",
        "The same trainings on the CPU and on the GPU of one machine. In MovieLens 20M's shape the "
        "ratings are random; the others are MovieLens 100k, ua.",
        _table(
            ("network", "ratings", "device", "ratings/s", f"s to MSE {training.ERROR}"),
            (
                (
                    row["engine"],
                    "20M" if "seconds" in row else "100k",
                    row["device"],
                    f"{row['ratings_a_second']:,.0f}" + _loaded([row]),
                    _to_error(row),
                )
                for pair in zip(first, second, strict=True)
                for row in pair
            ),
        ),
    ]


def _to_error(row: Row) -> str:
    """Seconds until the error; if it was not reached, for how long training ran."""
    if "curve" not in row:
        return ""
    if row["seconds_to_error"] is None:
        return f"not within {row['curve'][-1]['seconds']:.1f}"
    return f"{row['seconds_to_error']:.2f}"


def _experiments(rows: Sequence[Row]) -> list[str]:
    def of(name: str) -> list[Row]:
        return [row for row in rows if row["engine"] == name]

    (assigned,) = of(experiments.ASSIGNED)
    right, *broken = of(experiments.BROKEN)
    return [
        f"## Experiments\n{_origin(rows)}",
        "The statistics of [experiments](experiments.md), by simulation. **Equal arms**, looked at "
        "after every 100 users: how many experiments are ever significant. At most 5 % may be; in "
        "brackets, the upper end of the 95 % interval of the share. A fixed 95 % interval is not "
        "made for repeated looks.",
        _table(
            ("metric", "experiments", "users each", "ever significant", "with fixed intervals"),
            (
                (
                    row["what"],
                    f"{row['experiments']:,}",
                    f"{row['users']:,}",
                    f"{row['ever']:.1%} ({row['upper']:.1%})",
                    f"{row['naive']:.1%}",
                )
                for row in of(experiments.EQUAL)
            ),
        ),
        "**Planted lifts** of a rate of 10 %: how many experiments find them, and the power that "
        "`python -m recsys power` calculates.",
        _table(
            ("lift", "users", "calculated", "found", "experiments"),
            (
                (
                    f"{row['lift']:.0%}",
                    f"{row['users']:,}",
                    f"{row['calculated']:.1%}",
                    f"{row['found']:.1%}",
                    f"{row['experiments']:,}",
                )
                for row in of(experiments.PLANTED)
            ),
        ),
        "**Interleaving** of two engines, one of which gives its users more clicks, against A/B: "
        "after how many users they are decided (median), and how many decisions were wrong. Users "
        "who come more than once differ in how often they come: A/B has to average that out, "
        "interleaving compares within each user. Where all come once, it saves little.",
        _table(
            ("users come", "more clicks", "A/B", "interleaving", "share", "wrong", "experiments"),
            (
                (
                    row["comes"],
                    f"{row['lift']:.1%}",
                    f"{row['ab']:,.0f}",
                    f"{row['interleaving']:,.0f}",
                    f"{row['share']:.1%}",
                    sum(row["wrong"].values()),
                    f"2 × {row['experiments']}",
                )
                for row in of(experiments.MIXED)
            ),
        ),
        "Not decided after four times the users that were calculated for A/B, or twice as many for "
        "interleaving: "
        + " and ".join(str(sum(row["undecided"].values())) for row in of(experiments.MIXED))
        + ".",
        "**CUPED**: what is left of the variance of the difference between two arms.",
        _table(
            ("correlation with activity before", "1 − ρ²", "found", "experiments"),
            (
                (
                    f"{row['correlation']:g}",
                    f"{row['theory']:.3f}",
                    f"{row['found']:.3f}",
                    f"{row['experiments']:,}",
                )
                for row in of(experiments.CUPED)
            ),
        ),
        "**Broken assignments**: a part of one arm's users is lost. The mismatch test, looked at "
        f"after every 100 of {right['users']:,} users, rejects "
        + ", ".join(
            f"{row['rejected']:.1%} where {row['lost']:.0%} are lost (after {row['median']:,.0f} "
            "users, median)"
            for row in broken
        )
        + f"; of {right['experiments']:,} right assignments it rejects {right['rejected']:.2%}.",
        f"**Assignment** of {assigned['users']:,} users to arms of 50, 30 and 20 %: the shares are "
        f"within {assigned['apart']:.1f} standard errors; two experiments are independent "
        f"(χ², p = {assigned['independence']:.2f}). Changed shares move, in percent of the users:",
        _table(
            ("from", "to", "moved", "fewest by any hash", "fewest with a list of users"),
            (
                (
                    _shares(move["from"]),
                    _shares(move["to"]),
                    f"{move['moved']:.2%}",
                    f"{move['optimum']:.2%}",
                    f"{move['least']:.2%}",
                )
                for move in assigned["moves"]
            ),
        ),
        f"{assigned['against']} users moved to an arm whose share had not grown relative to that "
        "of theirs.",
    ]


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{share:g}" for share in shares.values())


def _freshness(rows: Sequence[Row]) -> list[str]:
    small, large = (
        [row for row in rows if row["size"] == size] for size in (freshness.SMALL, freshness.LARGE)
    )
    lines = [
        f"## Four simulated months\n{_origin(rows)}",
        "Users with known tastes ask for lists and click by a model of attention, while their "
        "tastes wander, the fame of films moves, and a third of the films is released. What they "
        "click, and what they find elsewhere, are the events from which the lists are "
        "[retrained](retraining.md), behind the gate. The classes are those of the functions "
        "(`recsys.experiments.drift`, whose defaults are this world); nothing is deployed. 240 "
        f"generated users and 400 films; means of {len({row['seed'] for row in small})} seeds. "
        "True satisfaction is the expected number of clicks on a list; in brackets, the share of "
        "what the best possible lists would get. It falls as users run out of known films that "
        "they like.",
        f"![True satisfaction by week, with 95 % intervals over the seeds]({FIGURE.as_posix()})",
        _months(small),
    ]
    if large:
        lines += [
            "The same with 943 users, 1,682 films and 100,000 ratings, one seed: here the events "
            "of a month add little to what the ratings tell; the gate refuses most retrainings.",
            _months(large),
        ]
    return lines


def _months(rows: Sequence[Row]) -> str:
    return _table(
        (
            "deployment",
            *(f"month {month}" for month in range(1, freshness.MONTHS + 1)),
            "gain in the last month",
            "released films in its lists",
            "refused",
        ),
        (
            (
                name,
                *(
                    f"{value:.3f} ({value / most:.0%})"
                    for value, most in zip(
                        freshness.months(of, "satisfaction"),
                        freshness.months(of, "possible"),
                        strict=True,
                    )
                ),
                "" if name == freshness.NEVER else _gain(*freshness.gain(rows, name)),
                f"{freshness.months(of, 'fresh')[-1]:.0%}",
                f"{sum(len(row['refused']) for row in of)} of "
                f"{sum(row['generations'] for row in of)}",
            )
            for name, of in _by_engine(rows)
        ),
    )


def _gain(middle: float, half: float | None) -> str:
    return f"{middle:+.0%}" + ("" if half is None else f" ± {half:.0%}")


_SECTIONS = {
    "rating": _rating,
    "recommendation": _recommendation,
    "ranking": _ranking,
    "personalize": _personalize,
    "training": _training,
    "serving": _serving,
    "lists": _lists,
    "growth": _growth,
    "spark": _spark,
    "accelerator": _accelerator,
    "experiments": _experiments,
    "freshness": _freshness,
}


# Figures ------------------------------------------------------------------------------------------


def _origin(rows: Sequence[Row]) -> str:
    """The days and machines of the measurements."""
    days = sorted({row["day"] for row in rows})
    machines = sorted({row["machine"] for row in rows})
    return f"*{' … '.join(dict.fromkeys((days[0], days[-1])))}, {'; '.join(machines)}*"


def _loaded(rows: Sequence[Row]) -> str:
    """A warning if other work kept the machine busy meanwhile."""
    busy = max(row["others"] for row in rows)
    return f" (under load: other work kept {busy:.1f} cores busy)" if busy > _BUSY else ""


def _by_engine(rows: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    for name in dict.fromkeys(row["engine"] for row in rows):
        yield name, [row for row in rows if row["engine"] == name]


def _spread(rows: Sequence[Row], figure: str) -> str:
    values = [row[figure] for row in rows]
    if len(values) < 2:
        return _figure(values[0])
    half = _T[len(values) - 1] * stdev(values) / len(values) ** 0.5
    return f"{mean(values):.4f} ± {half:.4f}"


def _mean(rows: Sequence[Row], figure: str) -> str:
    return f"{mean(row[figure] for row in rows):.4f}"


def _median(rows: Sequence[Row], figure: str, digits: int = 1) -> str:
    return f"{median(row[figure] for row in rows):.{digits}f}"


def _figure(value: float) -> str:
    return f"{value:.4f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
