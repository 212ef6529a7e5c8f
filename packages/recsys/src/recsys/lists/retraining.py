"""A retraining: a new model of lists, judged against the one in service, and refused if worse."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.lists import gate, report
from recsys.lists.gate import Events, Limits
from recsys.lists.model import ListModel
from recsys.lists.training import Interactions, Lists


class Rivals(NamedTuple):
    """What a retraining begins with.

    Attributes:
        generation, before: of the data, the new one and the one in service.
        last, now: the events of both.
        current: the model in service.
        limits: when the new one is refused.
    """

    generation: int
    before: int
    last: Events
    now: Events
    current: ListModel
    limits: Limits


def retrain(rivals: Rivals, new: Callable[[], Lists]) -> tuple[Lists | None, dict[str, Any]]:
    """Train the new model, unless the gate refuses it.

    Args:
        rivals: what is compared.
        new: makes the estimator.

    Returns:
        The trained estimator, or None if it is refused; and the report, as
        `recsys.lists.report.document` makes it, whose `refused` tells why.

    Raises:
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
    return None if told["refused"] else lists, told


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
