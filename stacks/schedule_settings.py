"""Settings that say when something happens: by a schedule, by hand, or not at all."""

import re
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


def read(settings: Settings, name: str) -> str:
    """Read a schedule: `OFF`, `MANUAL`, or a rate or cron expression, in UTC.

    Args:
        settings: the settings to read from; an error is recorded in them.
        name: the setting's name.
    """
    schedule = settings.text(name, OFF, pattern=".+", allowed="a schedule")
    if schedule not in (OFF, MANUAL) and not _is_schedule(schedule):
        settings.refuse(
            name,
            schedule,
            f"a schedule in UTC such as rate(1 day) or cron(0 3 * * ? *), {MANUAL} or {OFF}; "
            "https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html",
        )
    return schedule


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
