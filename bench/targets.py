"""Benchmark targets, and whether they are met."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median

from bench import (
    accuracy,
    experiments,
    freshness,
    growth,
    lists,
    personalize_metrics,
    serving,
    spark,
    training,
)
from bench.results import Row

Found = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Target:
    """A target and the measured figure, None if it was not measured."""

    words: str
    mark: float
    value: float | None
    below: bool = True  # whether lower is better
    bound: bool = False  # whether the figure is only a lower bound

    def line(self) -> tuple[str, str, str, str]:
        """The row of the table."""
        sign = "≤" if self.below else "≥"
        if self.value is None:
            return self.words, f"{sign} {self.mark:g}", "", "not measured"
        good = self.value <= self.mark if self.below else self.value >= self.mark
        verdict = "reached" if good else "**not reached**"
        more = "more than " if self.bound else ""
        return self.words, f"{sign} {self.mark:g}", f"{more}{self.value:.4g}", verdict


def targets(found: Found) -> Iterator[Target]:
    """All targets."""
    yield from _accuracy(found)
    yield from _personalize(found.get("personalize", ()))
    yield from _lists(found)
    yield from _timing(found)
    yield from _experiments(found)
    yield from _freshness(found)


def _figures(found: Found, section: str, figure: str, **key: object) -> list[float]:
    """A figure's values in the rows of a section that match the key."""
    return [
        row[figure]
        for row in found.get(section, ())
        if all(row.get(name) == value for name, value in key.items())
        and row.get(figure) is not None
    ]


def _of(values: Sequence[float], one: Callable[[Sequence[float]], float] = mean) -> float | None:
    return one(values) if values else None


def _accuracy(found: Found) -> Iterator[Target]:
    def ua(section: str, engine: str, figure: str) -> float | None:
        return _of(_figures(found, section, figure, engine=engine, split="ua"))

    yield Target("Object2Vec, MSE on ua", 0.878, ua("rating", "Object2Vec, default", "mse"))
    yield Target("Object2Vec, taught, MSE on ua", 0.820, ua("rating", "Object2Vec, taught", "mse"))
    for name in ("default", "taught"):
        value = ua("recommendation", f"Object2Vec, {name}", "accuracy")
        yield Target(f"Object2Vec, {name}, accuracy on ua", 0.715, value, below=False)
    yield Target("Bayesian machine, MSE on ua", 0.816, ua("rating", accuracy.BAYESIAN, "mse"))
    u1 = _figures(found, "rating", "rmse", engine=accuracy.EVERYTHING, split="u1")
    yield Target("Bayesian machine with all features, RMSE on u1", 0.880, _of(u1))
    best = _figures(found, "ranking", "ndcg@10", engine=accuracy.BEST_LISTS)
    first = _figures(found, "ranking", "ndcg@10", engine=accuracy.BEST_LISTS, seed=42)
    yield Target(f"{accuracy.BEST_LISTS}, nDCG@10 at seed 42", 0.485, _of(first), below=False)
    deployed = _figures(found, "ranking", "ndcg@10", engine=accuracy.DEPLOYED_LISTS, seed=42)
    name = f"{accuracy.DEPLOYED_LISTS}, nDCG@10 at seed 42"
    yield Target(name, 0.485, _of(deployed), below=False)
    yield Target(
        f"{accuracy.BEST_LISTS}, nDCG@10, mean of six seeds", 0.480, _of(best), below=False
    )


def _personalize(rows: Sequence[Row]) -> Iterator[Target]:
    by = {row["engine"]: row for row in rows}
    names = list(personalize_metrics.FIGURES)[:-1]

    def value(engine: str, figure: str) -> float | None:
        return by[engine][figure][0] if engine in by else None

    published = personalize_metrics.PUBLISHED
    for figure, mark in zip(names, published["Top picks for you (Media_03, 2024)"], strict=True):
        found = value("aws-vod-top-picks", figure)
        yield Target(f"top picks, {figure} (AWS's: {mark:g})", mark, found, below=False)
    similar = value("aws-vod-more-like-x", "NDCG@10")
    yield Target("more like x, NDCG@10 (twice AWS's)", 2 * 0.083, similar, below=False)
    ranking = published["Personalized-Ranking (October 2022)"]
    for figure in ("MRR@25", "NDCG@25"):
        mark = ranking[names.index(figure)]
        row = by.get("aws-vod-top-picks")
        upper = row[figure][0] + row[figure][1] if row else None
        yield Target(
            f"ranking, {figure}, the interval's upper end (AWS's: {mark:g})",
            mark,
            upper,
            below=False,
        )


def _lists(found: Found) -> Iterator[Target]:
    """The deployed lists, through their function."""
    rows = found.get("lists", ())

    def value(figure: str, **key: object) -> float | None:
        return _of(_figures(found, "lists", figure, **key))

    yield Target("deployed lists, nDCG@10 at seed 42", 0.485, value("ndcg@10"), below=False)
    recipe = "aws-user-personalization-v2"
    for local in found.get("personalize", ()):
        if recipe in local["same model"]:
            for figure in personalize_metrics.FIGURES:
                mine = next((row[figure][0] for row in rows if figure in row), None)
                words = f"deployed lists, {figure} (local {recipe}'s)"
                yield Target(words, local[figure][0], mine, below=False)
    for what, inside in ((lists.SMALL, 5), (lists.LARGE, 10)):
        words = f"deployed lists, {what}: in the function, warm p50 ms"
        yield Target(words, inside, value("p50_inside", what=what))
    words = f"deployed lists, {lists.SMALL}: through the local AWS, warm p50 ms"
    yield Target(words, 20, value("p50", what=lists.SMALL))
    for figure, mark, words in (
        ("cold_seconds", 2, "cold start to the first answer, s"),
        ("mb", 512, "MB"),
    ):
        yield Target(
            f"deployed lists, {lists.LARGE}: {words}", mark, value(figure, what=lists.LARGE)
        )
    yield Target("deployed lists, 50 callers at once: failed calls", 0, value("failed"))
    yield Target("deployed lists, 50 callers at once: stale lists", 0, value("stale"))


def _timing(found: Found) -> Iterator[Target]:
    for task in ("rating", "recommendation"):
        name = f"{training.OURS}, {task}"
        walls = _figures(found, "training", "wall", engine=name, caches="warm")
        yield Target(f"Object2Vec, {task}: job to model.tar.gz, s", 10, _of(walls, median))
    ours = _figures(found, "training", "seconds_to_error", engine=training.OURS)
    plain = _figures(found, "training", "seconds_to_error", engine=training.PLAIN)
    # Where plain PyTorch never reaches the error, the time of its attempt is a lower bound.
    curves = [row["curve"] for row in found.get("training", ()) if row["engine"] == training.PLAIN]
    tried = [curve[-1]["seconds"] for curve in curves]
    slow = plain or tried
    yield Target(
        f"Object2Vec: times faster to MSE {training.ERROR} than plain PyTorch",
        20,
        median(slow) / median(ours) if slow and ours else None,
        below=False,
        bound=not plain,
    )
    yield Target(
        "Bayesian machine: times faster than myfm at its accuracy",
        3,
        _samplers(found),
        below=False,
    )
    fits = _figures(found, "training", "fit_seconds", engine=accuracy.BEST_LISTS)
    yield Target(f"{accuracy.BEST_LISTS}: the fit, s", 0.5, _of(fits, median))
    for name, mark in (
        (growth.DEEP_MF, 15),
        (growth.OBJECT2VEC, 25),
        (growth.EASE, 60),
        (growth.LISTS, 120),
    ):
        yield Target(
            f"20M shape: {name}, s",
            mark,
            _of(_figures(found, "growth", "seconds", engine=name, shape="20M")),
        )
    peak = _figures(found, "growth", "peak_gb", engine=growth.EASE, shape="20M")
    yield Target(f"20M shape: {growth.EASE}, peak GB", 6, _of(peak))
    peaks = _figures(found, "growth", "peak_gb", shape="20M")
    yield Target("20M shape: peak GB of all", 8, max(peaks, default=None))
    jobs = _figures(found, "spark", "peak_gb", engine=spark.JOB)
    yield Target(f"{spark.JOB}: peak GB of driver and executors", 4, max(jobs, default=None))
    als = _figures(found, "spark", "ndcg@10", engine=spark.ALS)
    yield Target(
        f"{spark.ALS}, nDCG@10 at seed 42 (implicit's, less 0.01)", 0.4335, _of(als), below=False
    )
    small = _figures(found, "serving", "p50", engine=serving.OURS, what=serving.SMALL)
    plain = _figures(found, "serving", "p50", engine=serving.WORKSHOP, what=serving.SMALL)
    yield Target(
        "neighbours: times faster than the workshop's design",
        100,
        plain[0] / small[0] if small and plain else None,
        below=False,
    )
    large = _figures(found, "serving", "p50", engine=serving.OURS, what=serving.LARGE)
    yield Target(f"neighbours among {serving.LARGE}, ms", 20, _of(large))


def _experiments(found: Found) -> Iterator[Target]:
    def most(name: str, one: Callable[[Row], float], **key: object) -> float | None:
        rows = [
            row
            for row in found.get("experiments", ())
            if row["engine"] == name and all(row.get(part) == key[part] for part in key)
        ]
        return max(map(one, rows), default=None)

    yield Target(
        "experiments: equal arms that are ever significant, %",
        5,
        most(experiments.EQUAL, lambda row: 100 * float(row["ever"])),
    )
    yield Target(
        "experiments: power found and calculated, points apart",
        3,
        most(experiments.PLANTED, lambda row: 100 * abs(row["found"] - row["calculated"])),
    )
    yield Target(
        "experiments: users of interleaving, of those of A/B, %",
        10,
        most(experiments.MIXED, lambda row: 100 * float(row["share"]), comes=experiments.VARIED),
    )
    yield Target(
        "experiments: variance with CUPED, from 1 − ρ², points",
        2,
        most(experiments.CUPED, lambda row: 100 * abs(row["found"] - row["theory"])),
    )
    yield Target(
        "experiments: assignments without a tenth of an arm that are found, %",
        99,
        most(experiments.BROKEN, lambda row: 100 * float(row["rejected"])),
        below=False,
    )


def _freshness(found: Found) -> Iterator[Target]:
    rows = [row for row in found.get("freshness", ()) if row["size"] == freshness.SMALL]
    gain, half = freshness.gain(rows, freshness.MONTHLY) if rows else (0.0, None)
    yield Target(
        "four simulated months: gain by retraining, lower end of the interval, %",
        0,
        None if half is None else 100 * (gain - half),
        below=False,
    )


def _samplers(found: Found) -> float | None:
    """The time of myfm's longest run, divided by that of our shortest run of equal accuracy."""

    def runs(engine: str) -> list[tuple[int, float, float]]:
        rows = [row for row in found.get("training", ()) if row["engine"] == engine]
        return [
            (draws, mean(row["mse"] for row in of), median(row["seconds"] for row in of))
            for draws in sorted({row["draws"] for row in rows})
            if (of := [row for row in rows if row["draws"] == draws])
        ]

    theirs, ours = runs("myfm"), runs(accuracy.BAYESIAN)
    if not theirs or not ours:
        return None
    _, error, seconds = theirs[-1]
    good = [mine for _, mse, mine in ours if mse <= error]
    return seconds / min(good) if good else 0.0
