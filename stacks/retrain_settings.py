"""The settings `retrain`: when the lists learn from events, and when a new model is refused."""

import json
from dataclasses import asdict, dataclass

from stacks import schedule_settings
from stacks.schedule_settings import MANUAL, OFF
from stacks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Gate:
    """When a new model is refused; in percent.

    Attributes:
        coverage: less than this share of the items, or of what lists could show, is recommended.
        volume: fewer events than this share of those of the last training are there.
        unknown: more than this share of the new events are of unknown items.
        drift: the population stability index of ratings or of popularity exceeds this.
    """

    coverage: int
    volume: int
    unknown: int
    drift: int

    def as_json(self) -> str:
        """The settings as the function that trains reads them."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """How the lists learn from events.

    Attributes:
        schedule: a rate or cron expression, in UTC; None if only by hand.
        gate: when a new model is refused.
    """

    schedule: str | None
    gate: Gate


def read(settings: Settings, lists: bool, source: bool) -> Retrain | None:
    """Read the section `retrain`; errors are recorded in `settings`.

    Args:
        settings: the settings to read from.
        lists: whether the lists are deployed.
        source: whether a Spark job prepares the data.

    Returns:
        None if the lists are not retrained.
    """
    schedule = schedule_settings.read(settings, "retrain.schedule")
    gate = Gate(
        coverage=settings.whole("retrain.coverage", 5, low=0, high=100),
        volume=settings.whole("retrain.volume", 80, low=0, high=100),
        unknown=settings.whole("retrain.unknown", 20, low=0, high=100),
        drift=settings.whole("retrain.drift", 25, low=1, high=1000),
    )
    if schedule == OFF:
        return None
    if not lists:
        settings.errors.append(
            "retrain.schedule: it is for the lists, which are not deployed; add lists to engines"
        )
    if source:
        settings.errors.append(
            "retrain.schedule: a Spark job prepares what the lists learn from; deploy again to let "
            "it read the source again, and set retrain.schedule=off"
        )
    return Retrain(schedule=None if schedule == MANUAL else schedule, gate=gate)
