"""Formats the rehearsal's report."""

import json
from collections.abc import Iterator
from typing import Any

from rehearsal import lists, personalize
from rehearsal.calls import Call
from rehearsal.run import Rehearsal
from rehearsal.verdicts import verdicts


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
    yield from _models(run)
    yield from _surveys(run)
    if run.left_out:
        yield "NOT DEPLOYED"
        yield from (f"  {name}: {why}" for name, why in run.left_out.items())
        yield ""
    yield "ANSWERS"
    for call in run.calls:
        yield f"  {call.function}  {json.dumps(call.event, ensure_ascii=False)}"
        yield from (f"    {line}" for line in answer_lines(call, catalogue))
    yield ""
    yield from lists.lines(run.lists, nouns)
    yield from personalize.lines(run.personalize, catalogue)
    yield "SPEED     median of 30 warm calls"
    for name, milliseconds in speeds(run).items():
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
    found = list(verdicts(run))
    if not found:
        return
    yield f"{'MODELS':<30}{'this run':>12}{'95 %':>10}{'best baseline':>16}"
    for one in found:
        yield (
            f"  {one.model:<28}{one.value:>12.4f}{f'± {one.margin:.4f}':>10}{one.best:>16.4f}"
            f"  {one.metric}"
        )
    for one in found:
        if one.state != "better":
            yield f"  {one.model}: {one.words}."
    yield ""


def _surveys(run: Rehearsal) -> Iterator[str]:
    """Describe each engine's lists of many users."""
    if not run.surveys:
        return
    nouns, genres = run.data["nouns"], run.surveys[0].chance is not None
    users = counted(run.surveys[0].users, nouns["user"], nouns["users"])
    heading = f"{f'LISTS OF {users}':<30}{'different':>12}{nouns['event']:>10}"
    yield heading + (f"{'favourite genre':>18}{'by chance':>12}" if genres else "")
    for one in run.surveys:
        line = f"  {one.engine:<28}{one.different:>12}{one.had:>10}"
        if genres:
            line += f"{_percent(one.favourite):>18}{_percent(one.chance):>12}"
        yield line
    yield ""


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def speeds(run: Rehearsal) -> dict[str, float]:
    """All medians of warm calls, in milliseconds."""
    return run.milliseconds | run.lists.milliseconds | run.personalize.milliseconds


def answer_lines(call: Call, catalogue: personalize.Catalogue) -> Iterator[str]:
    """A function's answer as lines of text."""
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
