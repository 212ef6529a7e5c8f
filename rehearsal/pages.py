"""The rehearsal's report as one HTML file that needs no other, and no network."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2

from rehearsal.personalize import METRICS, Catalogue
from rehearsal.report import answer_lines, counted, speeds
from rehearsal.run import Rehearsal
from rehearsal.suggestions import COUNT
from rehearsal.verdicts import verdicts

_WIDTH: Final = 320
_HEIGHT: Final = 150
_LEFT: Final = 44
_BOTTOM: Final = 22
_TITLES: Final = {
    "rating": "Object2Vec, rating",
    "recommendation": "Object2Vec, recommendation",
    "retrieval": "Object2Vec, who has what",
    "deepmf": "Deep matrix factorization",
    "factorizationmachines": "Factorization machines",
}


def page(run: Rehearsal, catalogue: Catalogue, when: str) -> str:
    """The report as HTML.

    Args:
        run: the results.
        catalogue: titles and genres of the data's items.
        when: the run's time, as text.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.j2").render(
        run=run,
        data=run.data,
        nouns=run.data["nouns"],
        catalogue=catalogue,
        counted=counted,
        when=when,
        verdicts=list(verdicts(run)),
        figures=list(_figures(run.training)),
        personalize_metrics=METRICS,
        answers=[
            (call, json.dumps(call.event, ensure_ascii=False), list(answer_lines(call, catalogue)))
            for call in run.calls
        ],
        speeds=speeds(run),
        count=COUNT,
    )


@dataclass(frozen=True)
class Line:
    """One channel's losses, as an SVG polyline's points."""

    channel: str
    points: str
    last: float


@dataclass(frozen=True)
class Figure:
    """A job's learning curves in a box of `width` by `height`.

    Attributes:
        title: the model's name.
        seconds: how long it was trained.
        lines: the curves.
        ticks: heights and labels of the vertical axis.
        epochs: the last one.
    """

    title: str
    seconds: float
    lines: Sequence[Line]
    ticks: Sequence[tuple[float, str]]
    epochs: int
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    bottom: int = _BOTTOM


def _figures(training: Mapping[str, Mapping[str, Any]]) -> Iterator[Figure]:
    for task, job in training.items():
        curves: Mapping[str, Sequence[Sequence[float]]] = job.get("curves") or {}
        values = [value for points in curves.values() for _, value in points]
        if len(values) < 2:
            continue
        low, high = min(values), max(values)
        last = max(epoch for points in curves.values() for epoch, _ in points)
        first = min(epoch for points in curves.values() for epoch, _ in points)

        def across(epoch: float, first: float = first, last: float = last) -> float:
            share = (epoch - first) / (last - first) if last > first else 0.5
            return round(_LEFT + share * (_WIDTH - _LEFT - 8), 1)

        def down(value: float, low: float = low, high: float = high) -> float:
            share = (high - value) / (high - low) if high > low else 0.5
            return round(8 + share * (_HEIGHT - _BOTTOM - 16), 1)

        yield Figure(
            _TITLES.get(task, task),
            job["seconds"] or 0,
            [
                Line(
                    channel,
                    " ".join(f"{across(epoch)},{down(value)}" for epoch, value in points),
                    points[-1][1],
                )
                for channel, points in curves.items()
            ],
            [(down(value), f"{value:.3g}") for value in (low, (low + high) / 2, high)],
            int(last),
        )
