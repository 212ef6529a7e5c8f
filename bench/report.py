"""The bench's figures as a page: tables, intervals, targets."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

# two-sided 95 % quantiles of Student's t, by degrees of freedom
_T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365}

Row = Mapping[str, Any]


def markdown(found: Mapping[str, Any]) -> str:
    """The whole page."""
    rating, liking = found["rating"], found["liking"]
    parts = [
        "# Benchmarks",
        "Made by `make bench`; nothing here is typed by hand. "
        + ("**A quick run: fewer engines, splits and seeds.** " if found["quick"] else "")
        + "Nothing was tuned on a part that is reported. ± is the 95 % interval of the mean over "
        "seeds (not over other data); seconds are medians, of the wall clock and of all CPUs.",
        f"{found['made']}, {_machine()}, load {found['load']:.1f} at the start, "
        f"{found['minutes']:.0f} minutes in all. Seconds on a busy machine are too many: "
        "the CPU's are the ones to trust.",
        "## Targets",
        _table(("what", "mark", "found", ""), _targets(found)),
        "## Ratings",
        "MovieLens 100k, the parts that it ships; stars, clipped to 1 to 5. Engines marked “taught”"
        " learn from a teacher's opinions (a Bayesian factorization machine fitted on the training "
        "part), not from the ratings; their seconds include the teacher's.",
        _rating_table(rating),
        *_folds(rating),
        "## Liking",
        "ua; a rating above 3 is to be told from the others.",
        _table(
            ("engine", "accuracy", "AUC", "wall s", "CPU s"),
            (
                (name, _spread(rows, "accuracy"), _spread(rows, "auc"), *_seconds(rows))
                for name, rows in _by_engine(liking)
            ),
        ),
        "## Top 10",
        "The protocol of Microsoft's Recommenders (item-stratified 75/25, seed 42; the mean is over"
        " that seed and five more). Published figures are theirs, on their machines.",
        _table(
            ("engine", "nDCG@10", "MAP@10", "mean nDCG@10", "published", "CPU s"),
            (
                (
                    row["engine"],
                    _figure(row.get("ndcg@10")),
                    _figure(row.get("map@10")),
                    f"{row['ndcg@10 mean']:.4f} (sd {row['ndcg@10 spread']:.4f})"
                    if "ndcg@10 mean" in row
                    else "",
                    _figure(row.get("published ndcg@10")),
                    row.get("cpu_seconds", ""),
                )
                for row in found["top_n"]
            ),
        ),
        "## Growth",
        "Random ratings in the shape of MovieLens 20M (138,493 users, 26,744 films): speed only.",
        _table(
            ("engine", "ratings", "s an epoch", "CPU s", "ratings/s", "peak GB", "load"),
            (
                (
                    row["engine"],
                    f"{row['ratings']:,}",
                    f"{row['wall']:.1f}",
                    f"{row['cpu']:.1f}",
                    f"{row['ratings'] / row['wall']:,.0f}",
                    f"{row['peak_gb']:.1f}",
                    f"{row['load']:.1f}",
                )
                for row in found["scale"]
            ),
        ),
    ]
    if found["skipped"]:
        parts.append(
            f"Not installed, so not run: {', '.join(found['skipped'])} "
            "(`pip install -r bench/peers.txt`)."
        )
    return "\n\n".join(parts) + "\n"


def _targets(found: Mapping[str, Any]) -> Iterable[Sequence[Any]]:
    def of(kind: str, engine: str, split: str, figure: str) -> float | None:
        values = [
            row[figure]
            for row in found[kind]
            if row["engine"] == engine and row.get("split", split) == split and figure in row
        ]
        return mean(values) if values else None

    bayesian = "Bayesian factorization machine"
    everything = f"{bayesian}, side information, date, ordered"
    ours = [
        (row["ndcg@10"], row["ndcg@10 mean"])
        for row in found["top_n"]
        if row["engine"] == "rating-weighted EDLAE"
    ]
    largest = max(found["scale"], key=lambda row: row["ratings"])
    full = largest["ratings"] >= 19_000_000
    for words, mark, value, below in (
        ("Object2Vec, ua MSE", 0.878, of("rating", "Object2Vec, default", "ua", "mse"), True),
        (
            "Object2Vec, taught, ua MSE",
            0.820,
            of("rating", "Object2Vec, taught", "ua", "mse"),
            True,
        ),
        ("Object2Vec, liking", 0.715, of("liking", "Object2Vec, default", "ua", "accuracy"), False),
        (
            "Object2Vec, taught, liking",
            0.715,
            of("liking", "Object2Vec, taught", "ua", "accuracy"),
            False,
        ),
        ("Bayesian machine, ua MSE", 0.816, of("rating", bayesian, "ua", "mse"), True),
        ("Bayesian machine, u1 RMSE", 0.880, of("rating", everything, "u1", "rmse"), True),
        ("top 10, nDCG@10 at seed 42", 0.485, ours[0][0] if ours else None, False),
        ("top 10, mean nDCG@10", 0.480, ours[0][1] if ours else None, False),
        (
            "deep MF, s an epoch of 19 M ratings",
            15.0,
            largest["wall"] if full else None,
            True,
        ),
    ):
        sign = "≤" if below else "≥"
        if value is None:
            verdict = "not measured in this run"
        else:
            verdict = (
                "reached" if (value <= mark if below else value >= mark) else "**not reached**"
            )
        yield words, f"{sign} {mark:g}", "" if value is None else f"{value:.4g}", verdict


def _rating_table(rows: Sequence[Row]) -> str:
    some = [row for row in rows if row["split"] == "ua"]
    return _table(
        ("engine", "MSE on ua", "RMSE", "MAE", "seeds", "wall s", "CPU s"),
        (
            (
                name,
                _spread(of, "mse"),
                _spread(of, "rmse"),
                _spread(of, "mae"),
                len(of),
                *_seconds(of),
            )
            for name, of in _by_engine(some)
        ),
    )


def _folds(rows: Sequence[Row]) -> Iterable[str]:
    names = sorted({row["split"] for row in rows} - {"ua"})
    if not names:
        return
    yield "RMSE on the five folds, one seed each:"
    yield _table(
        ("engine", *names, "mean", "CPU s"),
        (
            (
                name,
                *(_figure(by[n]["rmse"]) if n in by else "" for n in names),
                _figure(mean(row["rmse"] for row in by.values())) if len(by) == len(names) else "",
                _seconds(list(by.values()))[1],
            )
            for name, of in _by_engine([row for row in rows if row["split"] != "ua"])
            for by in ({row["split"]: row for row in of},)
        ),
    )


def _by_engine(rows: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    for name in dict.fromkeys(row["engine"] for row in rows):
        yield name, [row for row in rows if row["engine"] == name]


def _spread(rows: Sequence[Row], figure: str) -> str:
    values = [row[figure] for row in rows]
    if len(values) < 2:
        return _figure(values[0])
    half = _T[len(values) - 1] * stdev(values) / len(values) ** 0.5
    return f"{mean(values):.4f} ± {half:.4f}"


def _seconds(rows: Sequence[Row]) -> tuple[str, str]:
    middle = len(rows) // 2
    wall, cpu = (f"{sorted(row[kind] for row in rows)[middle]:.1f}" for kind in ("wall", "cpu"))
    return wall, cpu


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}"
