"""When a schedule is due: `rate(…)` and `cron(…)`.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from local_aws.api import AwsError, NotImplementedByLocalAws

_RATE: Final = re.compile(r"rate\(([1-9]\d{0,8}) (minute|hour|day)s?\)")
_CRON: Final = re.compile(r"cron\(([^()]+)\)")
_MONTHS: Final = (
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# of a field: its lowest and highest value, and names of the values
_FIELDS: Final[tuple[tuple[int, int, tuple[str, ...]], ...]] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, _MONTHS),
    (1, 7, _DAYS),
    (1970, 2199, ()),
)
_PART: Final = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?")


@dataclass(frozen=True)
class Rate:
    """At regular intervals.

    Attributes:
        interval: the time between two invocations.
    """

    interval: timedelta


@dataclass(frozen=True)
class Cron:
    """At some minutes.

    Attributes:
        allowed: of minute, hour, day of the month, month, day of the week (1 is Sunday) and year
            the values, None for any.
    """

    allowed: tuple[frozenset[int] | None, ...]

    def matches(self, moment: datetime) -> bool:
        """Whether a minute is one of them; an hour that daylight saving time repeats is not."""
        day = moment.isoweekday() % 7 + 1
        values = (moment.minute, moment.hour, moment.day, moment.month, day, moment.year)
        fields = zip(self.allowed, values, strict=True)
        return not moment.fold and all(one is None or value in one for one, value in fields)


def parse(expression: str) -> Rate | Cron:
    """Read an expression.

    Raises:
        AwsError: it is invalid.
        NotImplementedByLocalAws: it has what is not implemented: `at(…)`, and L, W and # in cron.
    """
    if rate := _RATE.fullmatch(expression):
        return Rate(timedelta(**{f"{rate[2]}s": int(rate[1])}))
    if expression.startswith("at("):
        raise NotImplementedByLocalAws(f"one-time schedules: {expression}")
    cron = _CRON.fullmatch(expression)
    fields = cron[1].split() if cron else []
    if len(fields) != len(_FIELDS) or [fields[2], fields[4]].count("?") != 1:
        raise _invalid(expression)
    return Cron(
        tuple(
            _values(text, *field, expression) for text, field in zip(fields, _FIELDS, strict=True)
        )
    )


def _values(
    text: str, low: int, high: int, names: tuple[str, ...], expression: str
) -> frozenset[int] | None:
    if text == "?":
        return None
    if re.fullmatch(r"L|LW|\d+[LW]|\d+#\d", text):
        raise NotImplementedByLocalAws(f"L, W and # in schedules: {expression}")
    found: set[int] = set()
    for part in text.upper().split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise _invalid(expression)
        every, first, last, step = match.groups()
        start = low if every else _number(first, low, names, expression)
        end = start if not (every or last or step) else high
        end = _number(last, low, names, expression) if last else end
        if not low <= start <= end <= high or step == "0":
            raise _invalid(expression)
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, low: int, names: tuple[str, ...], expression: str) -> int:
    if text in names:
        return names.index(text) + low
    if not re.fullmatch(r"\d{1,4}", text):
        raise _invalid(expression)
    return int(text)


def _invalid(expression: str) -> AwsError:
    return AwsError("ValidationException", f"Invalid Schedule Expression {expression}.")
