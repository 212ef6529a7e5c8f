"""A retrained model against the one in service: trained, judged, reported, and refused if worse."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from common.errors import FunctionError
from numpy.typing import NDArray

from recsys.lists import gate, report
from recsys.lists.gate import Events, Limits
from recsys.lists.model import ListModel
from recsys.lists.training import Interactions, Lists


class Rivals(NamedTuple):
    """What a retraining begins with.

    Attributes:
        generation, before: of the data, the new one and the one in service.
        place: the prefix of the report.
        last, now: the events of both.
        current: the model in service.
        limits: when the new one is refused.
    """

    generation: int
    before: int
    place: str
    last: Events
    now: Events
    current: ListModel
    limits: Limits


def is_retraining(event: Mapping[str, Any]) -> bool:
    """Whether a request of CloudFormation replaces a generation of the data by a later one."""
    new, old = event["ResourceProperties"], event.get("OldResourceProperties") or {}
    return (
        event["RequestType"] == "Update"
        and "Gate" in new
        and int(new["Generation"]) > int(old.get("Generation", new["Generation"]))
    )


def train(rivals: Rivals, new: Callable[[], Lists], put: Callable[[str, bytes], None]) -> Lists:
    """Train the new model, unless the gate refuses it.

    Args:
        rivals: what is compared.
        new: makes the estimator.
        put: writes a file of the report.

    Raises:
        FunctionError: it is refused; the message says why.
        InputError: there is nothing to learn from.
    """
    last, now, limits = rivals.last, rivals.now, rivals.limits
    distributions = {
        "ratings": gate.ratings(last, now),
        "popularity": gate.popularity(last, now),
    }
    findings = gate.of_data(last, now, limits, distributions)
    comparison = lists = None
    if not any(one.refused for one in findings):  # else a training would be in vain
        since = int(last.timestamp.max(initial=0))
        begin = gate.cut(now, since)
        users = gate.judges(now, begin)
        earlier = new().fit(interactions(now, gate.learned(now, since, begin, users)))
        comparison = gate.compare(earlier.model_, rivals.current, now, begin, users)
        lists = new()
        lists.settings = earlier.settings_
        lists.fit(interactions(now))
        shown = gate.coverage(lists.model_, now)
        findings += gate.of_models(comparison, shown, limits)
    told = report.document(rivals.generation, rivals.before, findings, distributions, comparison)
    put(f"{rivals.place}report.json", json.dumps(told, indent=1).encode())
    put(f"{rivals.place}report.html", report.page(told).encode())
    if told["refused"] or lists is None:
        raise FunctionError(
            f"Generation {rivals.generation} is refused, and generation {rivals.before} goes on "
            f"answering: {'; '.join(told['refused'])}. Report: {rivals.place}report.html"
        )
    lists.metrics_["generation"] = rivals.generation
    return lists


def interactions(events: Events, chosen: NDArray[np.bool_] | None = None) -> Interactions:
    """The events, or those of a mask."""
    part = slice(None) if chosen is None else chosen
    return Interactions(
        events.user[part],
        events.item[part],
        events.value[part].astype(np.float32),
        events.timestamp[part],
        events.catalogue,
    )
