"""The settings `retrain`: when the lists learn from events, and when a new model is refused."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Final

from stacks.settings import Settings

OFF: Final = "off"
MANUAL: Final = "manual"
_RATE: Final = re.compile(
    r"rate\((1 (minute|hour|day)|([2-9]|[1-9]\d{1,4}) (minutes|hours|days))\)"
)
_CRON: Final = re.compile(r"cron\(([^()]+)\)")
_MONTHS: Final = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_DAYS: Final = "SUN|MON|TUE|WED|THU|FRI|SAT"
# of each field of a cron expression its lowest and highest value, and what else a value may be
_FIELDS: Final = (
    (0, 59, ""),
    (0, 23, ""),
    (1, 31, "L|LW|\\d+W"),
    (1, 12, _MONTHS),
    (1, 7, f"{_DAYS}|L|[1-7]L|[1-7]#[1-5]"),
    (1970, 2199, ""),
)


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
    schedule = settings.text("retrain.schedule", OFF, pattern=".+", allowed="a schedule")
    if schedule not in (OFF, MANUAL) and not _is_schedule(schedule):
        settings.refuse(
            "retrain.schedule",
            schedule,
            f"a schedule in UTC such as rate(1 day) or cron(0 3 * * ? *), {MANUAL} or {OFF}; "
            "https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html",
        )
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


def _is_schedule(text: str) -> bool:
    if _RATE.fullmatch(text):
        return True
    cron = _CRON.fullmatch(text)
    fields = cron[1].split(" ") if cron else []
    if len(fields) != len(_FIELDS) or [fields[2], fields[4]].count("?") != 1:
        return False
    return all(
        part == "?" or _is_part(part, *allowed)
        for field, allowed in zip(fields, _FIELDS, strict=True)
        for part in field.split(",")
    )


def _is_part(text: str, low: int, high: int, others: str) -> bool:
    """Whether a part of a field is a value, a range, a step, or one of the others."""
    if others and re.fullmatch(others, text, re.IGNORECASE):
        return True
    match = re.fullmatch(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", text)
    if not match:
        return False
    return all(
        value is None
        or bool(re.fullmatch(others or "-", value, re.IGNORECASE))
        or (value.isdigit() and low <= int(value) <= high)
        for value in (match[1], match[2])
    )
