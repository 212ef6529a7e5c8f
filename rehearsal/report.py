"""Formats the rehearsal's report."""

import json
from collections.abc import Iterator
from typing import Any

from rehearsal import lists, personalize
from rehearsal.calls import Call
from rehearsal.run import Rehearsal


def lines(run: Rehearsal, catalogue: personalize.Catalogue) -> Iterator[str]:
    """Format the report as lines of text; the catalogue describes Amazon Personalize's items."""
    data, nouns = run.data, run.data["nouns"]
    yield ""
    yield f"DATA      {data['source']}"
    what = counted(data["ratings"], "pair" if data["scale"]["events"] else "rating")
    items = counted(data["items"], nouns["item"], nouns["items"])
    yield f"          {what} of {items} by {counted(data['users'], nouns['user'], nouns['users'])}"
    yield f"          {data['train']:,} for training, {data['validation']:,} for validation"
    yield ""
    if data["baselines"]:
        yield from _models(run)
    yield "ANSWERS"
    for call in run.calls:
        yield f"  {call.function}  {json.dumps(call.event, ensure_ascii=False)}"
        yield from (f"    {line}" for line in _answer(call, catalogue))
    yield ""
    yield from lists.lines(run.lists, nouns)
    yield from personalize.lines(run.personalize, catalogue)
    yield "SPEED     median of 30 warm calls"
    for name, milliseconds in _speeds(run).items():
        yield f"  {name:<46}{milliseconds:>9.1f} ms"
    yield ""
    yield "TIME"
    for name, seconds in run.seconds.items():
        yield f"  {name:<32}{seconds:>9.1f} s"
    for name, job in run.training.items():
        yield f"  {f'(training, {name})':<32}{job['seconds'] or 0:>9.1f} s"
    yield ""
    if run.leftovers:
        yield "LEFT BEHIND"
        yield from (f"  {entry}" for entry in run.leftovers)
    else:
        yield "LEFT BEHIND   nothing"


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number with its noun: `1 user`, `1,200 users`."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def _models(run: Rehearsal) -> Iterator[str]:
    """Compare the models' metrics with their baselines'."""
    yield "MODELS    " + _columns("this run", "bias only", "baseline")
    baselines = run.data["baselines"]
    rating, recommendation = baselines["rating_mse"], baselines["recommendation_accuracy"]
    mse = _metric(run, "rating", "validation:mean_squared_error")
    accuracy = _metric(run, "recommendation", "validation:accuracy")
    rows = (
        ("rating, mean squared error", mse, rating["bias"], rating["global_mean"]),
        (
            "recommendation, accuracy",
            accuracy,
            recommendation["bias"],
            recommendation["majority"],
        ),
    )
    for name, *figures in rows:
        yield f"  {name:<30}" + _columns(*figures)
    if mse is not None and mse >= min(rating["bias"], rating["global_mean"]):
        yield "  The rating model is no better than biases: it needs more ratings of each user."
    if accuracy is not None and accuracy <= max(recommendation.values()):
        yield (
            "  The recommendation model is no better than its baselines: it needs more ratings, or "
            "another LIKED."
        )
    yield ""


def _speeds(run: "Rehearsal") -> dict[str, float]:
    return run.milliseconds | run.lists.milliseconds | run.personalize.milliseconds


def _columns(*values: str | float | None) -> str:
    return "".join(
        f"{value:>12.4f}" if isinstance(value, float) else f"{value or '–':>12}" for value in values
    )


def _metric(run: Rehearsal, task: str, name: str) -> float | None:
    value = run.training.get(task, {}).get("metrics", {}).get(name)
    return None if value is None else float(value)


def _answer(call: Call, catalogue: personalize.Catalogue) -> Iterator[str]:
    answer = call.answer
    if call.error:
        yield f"FAILED: {answer.get('errorMessage', answer)}"
        return
    if not (isinstance(answer, dict) and "body" in answer):
        yield str(answer)
        return
    body: Any = json.loads(answer["body"])
    yield body["sentence"]
    for place, movie in enumerate(body["neighbours"], 1):
        genres = catalogue.kind(str(movie["movie_id"]))
        yield f"{place:>3}. {movie['title']:<50} {movie['distance']:<9.3f} {genres}".rstrip()
