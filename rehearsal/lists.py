"""What is asked of the lists in a rehearsal: a list, an event, the list that it changes."""

import json
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

Outputs = Mapping[str, Mapping[str, str]]


@dataclass(kw_only=True)
class Listed:
    """What the lists answered.

    Attributes:
        user: whose they are; empty where there are no lists.
        before, after: the answers before and after an event.
        event: what was written in between.
        metrics: of the training.
        milliseconds: the median of repeated warm calls, as a client sees it.
        error: what went wrong, if anything.
    """

    user: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    event: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    error: str | None = None


def ask(stacks: Outputs, user: str, repeats: int = 30) -> Listed:
    """Ask for a list, say that its first item was watched, and ask again.

    Args:
        stacks: each stack's outputs; without the lists' nothing is asked.
        user: the data's own id of the user to ask for.
        repeats: warm calls that are timed.
    """
    outputs = {name: value for stack in stacks.values() for name, value in stack.items()}
    if "ListsFunctionName" not in outputs:
        return Listed()
    lists, events = outputs["ListsFunctionName"], outputs["EventsFunctionName"]
    found = Listed(user=user, metrics=json.loads(outputs["ListsMetrics"]))
    question = {"user": user, "count": 10}
    try:
        found.before = _invoke(lists, question)
        taken = found.before["items"][0]["item"]
        event = {"user": user, "item": taken, "timestamp": int(time.time()), "type": "Watch"}
        found.event = {"events": [event]}
        written = _invoke(events, found.event)
        found.after = _invoke(lists, question)
        durations = []
        for _ in range(repeats):
            began = time.perf_counter()
            _invoke(lists, question)
            durations.append(1000 * (time.perf_counter() - began))
        found.milliseconds = {"function, a list": round(statistics.median(durations), 1)}
    except _FailedCall as error:
        found.error = str(error)
        return found
    after = [one["item"] for one in found.after["items"]]
    if written != {"written": 1, "unknown_items": []}:
        found.error = f"the event was not taken: {written}"
    elif taken in after:
        found.error = "the event changed nothing"
    elif not any(one.get("because") for one in found.before["items"]):
        found.error = "no item has a reason"
    return found


def lines(found: Listed, nouns: Mapping[str, str]) -> Iterator[str]:
    """The report's lines."""
    if not found.user:
        return
    yield f"LISTS     for {nouns['user']} {found.user}"
    if found.error:
        yield f"  FAILED: {found.error}"
    yield from _items(found.before)
    if found.event:
        title = found.before["items"][0]["title"]
        yield f"  after {title or found.event['events'][0]['item']} is {nouns['event']}"
        yield from _items(found.after)
    reached = {
        name: found.metrics[f"validation_ndcg@10{name}"]
        for name in ("", "_popular")
        if f"validation_ndcg@10{name}" in found.metrics
    }
    if len(reached) == 2:
        yield (
            f"  nDCG@10 on held-out events {reached['']:.4f}, of the most popular "
            f"{reached['_popular']:.4f}; trained in {found.metrics['seconds']:.1f} s"
        )
    yield ""


class _FailedCall(Exception):
    """A function failed; the message is its own."""


def _items(answer: Mapping[str, Any]) -> Iterator[str]:
    for place, one in enumerate(answer.get("items", ()), 1):
        reasons = ", ".join(each["title"] or each["item"] for each in one.get("because", ())[:2])
        because = f"because of {reasons}" if reasons else ""
        yield f"{place:>5}. {one['title'] or one['item']:<48} {because}".rstrip()


def _invoke(function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    answer = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise _FailedCall(f"{function}: {told.get('errorMessage', told)}")
    return told
