"""Events of the function `Events`: what users did, and everything that is wrong with it."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from common.errors import FunctionError
from common.histories import Event
from common.text import LONGEST_ID, id_of, listed, names, plain_of, shown

MOST: Final = 100
_PLAIN: Final = ("event_id", "session_id", "recommendation_id", "source")
_FIELDS: Final = ("user", "item", "timestamp", *_PLAIN, "type", "value")
_RECOMMENDATION: Final = 40  # characters, as PutEvents has it
_LAST: Final = 99_999_999_999  # the year 5138
_AHEAD: Final = 86_400  # seconds by which a caller's clock may be ahead
_EXAMPLE: Final = '{"events": [{"user": "789", "item": "50", "timestamp": 1764428400}]}'


class EventsError(FunctionError):
    """The events cannot be taken; the message says why, to a person."""


@dataclass(frozen=True)
class Request:
    """An event that has been understood: either member is given.

    Attributes:
        events: what is written.
        forget: the user of whom every trace is deleted.
    """

    events: tuple[Event, ...] = ()
    forget: str | None = None


def parse(event: object, now: float, days: int = 0) -> Request:
    """Understand an event.

    Args:
        event: what the function was called with.
        now: seconds since 1970.
        days: after which an event may be forgotten; 0 for never.

    Raises:
        EventsError: it is malformed; every problem is named, and nothing is written.
    """
    if not isinstance(event, Mapping) or set(event) not in ({"events"}, {"forget"}):
        raise EventsError(
            f"Bad event: it must be an object such as {_EXAMPLE}, or "
            f'{{"forget": "789"}}, not {shown(event)}.'
        )
    problems: list[str] = []
    if "forget" in event:
        user = id_of(event["forget"], "`forget`", problems)
        found = Request(forget=user)
    else:
        found = Request(events=_events(event["events"], now, days, problems))
    if problems:
        raise EventsError(f"Bad event: {listed(problems)}.")
    return found


def _events(value: object, now: float, days: int, problems: list[str]) -> tuple[Event, ...]:
    if not isinstance(value, list):
        problems.append(f"`events` must be a list, not {shown(value)}")
        return ()
    if not 1 <= len(value) <= MOST:
        problems.append(f"`events` must hold 1 to {MOST} events, not {len(value):,}")
        return ()
    return tuple(
        _event(one, f"event {number}", now, days, problems) for number, one in enumerate(value)
    )


def _event(value: object, where: str, now: float, days: int, problems: list[str]) -> Event:
    if not isinstance(value, Mapping):
        problems.append(f"{where} must be an object, not {shown(value)}")
        return Event("", "", 0, "")
    if unknown := [name for name in value if name not in _FIELDS]:
        problems.append(
            f"{where}: unknown field {names(unknown)} (the fields are {', '.join(_FIELDS)})"
        )
    user = id_of(value.get("user"), f"{where}: `user`", problems)
    item = id_of(value.get("item"), f"{where}: `item`", problems)
    timestamp: Any = value.get("timestamp")
    if not (_number(timestamp) and 0 <= timestamp <= min(_LAST, now + _AHEAD)):
        problems.append(
            f"{where}: `timestamp` must be seconds since 1970, and not in the future, "
            f"not {shown(timestamp)}"
        )
        timestamp = 0
    kind = value.get("type", "")
    if not (isinstance(kind, str) and len(kind) <= LONGEST_ID and kind.isprintable()):
        problems.append(f"{where}: `type` must be a text such as Watch, not {shown(kind)}")
    strength: Any = value.get("value")
    if strength is not None and not (_number(strength) and 0 <= strength <= 1e9):
        problems.append(
            f"{where}: `value` must be a rating or another strength from 0 to 1e9, "
            f"not {shown(strength)}"
        )
        strength = None
    given, session, recommendation, source = (
        plain_of(value[name], f"{where}: `{name}`", problems) if value.get(name) is not None else ""
        for name in _PLAIN
    )
    if len(recommendation) > _RECOMMENDATION:
        problems.append(
            f"{where}: `recommendation_id` is longer than {_RECOMMENDATION} characters, which "
            "those of Amazon Personalize have at most"
        )
    seconds = int(timestamp)
    return Event(
        user=user,
        item=item,
        timestamp=seconds,
        id=given or _default_id(item, str(kind)),
        kind=str(kind),
        value=None if strength is None else float(strength),
        expires=seconds + days * 86_400 if days else 0,
        session=session,
        recommendation=recommendation,
        source=source,
    )


def _default_id(item: str, kind: str) -> str:
    """Of an event without an id: the same item, kind and second are the same event."""
    return hashlib.sha256(f"{item}\0{kind}".encode()).hexdigest()[:24]


def _number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and (isinstance(value, int) or math.isfinite(value))
    )
