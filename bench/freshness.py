"""The section `freshness`: four simulated months of a deployment, retrained or not.

It runs the classes with which the functions make, train and judge lists, not a deployment.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import t as student

from bench.results import Row, Rows
from recsys.experiments.drift import simulate

DAYS: Final = 119  # seventeen weeks
WEEK: Final = 7
MONTHS: Final = 4
NEVER: Final = "never retrained"
MONTHLY: Final = "retrained every four weeks"
KINDS: Final = {NEVER: None, MONTHLY: 28, "retrained every week": 7}
"""Days between retrainings, by the name of the deployment."""
SMALL, LARGE = "small", "100k"
"""Sizes of generated data: 240 users and 16,000 ratings, 943 users and 100,000."""

_SEEDS: Final = 5
_COLOURS: Final = ("#7b8088", "#e08a2e", "#4c8bc4")


def run(rows: Rows, quick: bool) -> None:
    """Simulate what has not been simulated yet."""
    cases = [(SMALL, seed, kind) for seed in range(1 if quick else _SEEDS) for kind in KINDS]
    cases += [] if quick else [(LARGE, 0, kind) for kind in (NEVER, MONTHLY)]
    for size, seed, engine in cases:
        if not rows.has(engine=engine, seed=seed, size=size):
            course = simulate(size, every=KINDS[engine], days=DAYS, seed=seed)
            rows.add(
                engine=engine,
                size=size,
                seed=seed,
                **{
                    name: [round(float(one.mean()), 4) for one in np.split(values, DAYS // WEEK)]
                    for name, values in (
                        ("satisfaction", course.satisfaction),
                        ("possible", course.possible),
                        ("fresh", course.fresh),
                    )
                },
                refused={one["day"]: one["refused"] for one in course.reports if one["refused"]},
                generations=len(course.reports),
            )


def months(rows: Sequence[Row], name: str) -> list[float]:
    """The means of a figure in each month, of all seeds."""
    weeks = np.mean([row[name] for row in rows], axis=0)
    return [float(one.mean()) for one in np.array_split(weeks, MONTHS)]


def gain(rows: Sequence[Row], engine: str) -> tuple[float, float | None]:
    """What a deployment's lists get more than those of the never retrained one, in the last month.

    Returns:
        The mean over the seeds, and half of its 95 % interval, paired by seed; None of one seed.
    """
    last = {
        (row["engine"], row["seed"]): np.array_split(row["satisfaction"], MONTHS)[-1].mean()
        for row in rows
    }
    seeds = sorted(seed for kind, seed in last if kind == engine)
    gains = [last[engine, seed] / last[NEVER, seed] - 1 for seed in seeds]
    return float(np.mean(gains)), float(_half(gains)) if len(gains) > 1 else None


def _half(values: Sequence[Any]) -> Any:
    """Half of the 95 % interval of the mean of independent values, by Student's t."""
    count = len(values)
    return student.ppf(0.975, count - 1) * np.std(values, axis=0, ddof=1) / np.sqrt(count)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the figure as SVG, the same for the same rows."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "freshness"}):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.subplots()
        for engine, colour in zip(KINDS, _COLOURS, strict=True):
            courses = [row["satisfaction"] for row in rows if row["engine"] == engine]
            if courses:
                middle = np.mean(courses, axis=0)
                half = _half(courses) if len(courses) > 1 else 0.0
                weeks = range(1, len(middle) + 1)
                axes.fill_between(weeks, middle - half, middle + half, color=colour, alpha=0.2)
                axes.plot(weeks, middle, color=colour, linewidth=2, label=engine)
        axes.set(xlabel="week after the deployment", ylabel="expected clicks on a list")
        axes.set_ylim(0, None)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower left")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})
