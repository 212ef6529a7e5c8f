"""Events of the function `Lists`: what they may ask, and everything that is wrong with one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from common.errors import FunctionError
from common.text import id_of, listed, names, plain_of, shown

MOST: Final = 500  # items of an answer
MOST_USERS: Final = 100
MOST_ITEMS: Final = 1000  # that are ranked, or of a session
MOST_ATTRIBUTES: Final = 10  # in a filter
_FIELDS: Final = (
    "user",
    "users",
    "item",
    "items",
    "session",
    "session_id",
    "count",
    "filters",
    "exclude_watched",
    "explain",
)
_EXAMPLE: Final = '{"user": "789", "count": 10}'


class ListsError(FunctionError):
    """The event cannot be answered; the message says why, to a person."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """An event that has been understood: one of `users`, `item` and `session` is given.

    Attributes:
        users: whose lists are wanted.
        batch: whether they were asked for as `users`.
        item: whose relatives are wanted.
        session: items of a visitor who has no history, oldest first.
        session_id: the session's id, for experiments on sessions; empty where it does not say.
        items: what is to be ranked; None where all items are.
        count: the length of the lists; None for all of what is to be ranked.
        genres: an item must have one of them, if any.
        years: the first and the last year, either may be None.
        attributes: of each of these, an item must have one of the values.
        exclude_watched: leave out what the user has had.
        explain: say why.
    """

    users: tuple[str, ...] = ()
    batch: bool = False
    item: str | None = None
    session: tuple[str, ...] | None = None
    session_id: str = ""
    items: tuple[str, ...] | None = None
    count: int | None = 10
    genres: tuple[str, ...] = ()
    years: tuple[int | None, int | None] = (None, None)
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude_watched: bool = True
    explain: bool = True


def parse(event: object) -> Request:
    """Understand an event.

    Raises:
        ListsError: it is malformed; every problem is named.
    """
    if not isinstance(event, Mapping):
        raise ListsError(f"Bad event: it must be an object such as {_EXAMPLE}, not {shown(event)}.")
    problems: list[str] = []
    unknown = [name for name in event if name not in _FIELDS]
    if unknown:
        problems.append(f"unknown field {names(unknown)} (the fields are {', '.join(_FIELDS)})")
    who = [name for name in ("user", "users", "item", "session") if name in event]
    if len(who) != 1:
        problems.append(
            "give one of `user`, `users`, `item` and `session`"
            + (f", not {' and '.join(f'`{name}`' for name in who)}" if who else f": {_EXAMPLE}")
        )
    found: dict[str, Any] = {}
    if "user" in event:
        found["users"] = (id_of(event["user"], "`user`", problems),)
    if "users" in event:
        found |= {"users": _ids(event["users"], "`users`", MOST_USERS, problems), "batch": True}
    if "item" in event:
        found["item"] = id_of(event["item"], "`item`", problems)
    if "session" in event:
        found["session"] = _ids(event["session"], "`session`", MOST_ITEMS, problems)
    if "session_id" in event:
        found["session_id"] = plain_of(event["session_id"], "`session_id`", problems)
        if "user" not in event and "session" not in event:
            problems.append("`session_id` goes with a `user` or a `session`")
    if "items" in event:
        found |= {"items": _ids(event["items"], "`items`", MOST_ITEMS, problems), "count": None}
        found["exclude_watched"] = False
        if "user" not in event and "session" not in event:
            problems.append("`items` are ranked for a `user` or a `session`")
    count = event.get("count")
    if "count" in event:
        if isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= MOST:
            found["count"] = count
        else:
            problems.append(f"`count` must be a whole number from 1 to {MOST}, not {shown(count)}")
    for name in ("exclude_watched", "explain"):
        if name in event:
            if not isinstance(event[name], bool):
                problems.append(f"`{name}` must be true or false, not {shown(event[name])}")
            found[name] = event[name]
    if "filters" in event:
        found |= _filters(event["filters"], problems)
    if problems:
        raise ListsError(f"Bad event: {listed(problems)}.")
    return Request(**found)


def _filters(filters: object, problems: list[str]) -> dict[str, Any]:
    if not isinstance(filters, Mapping):
        problems.append(
            "`filters` must be an object such as "
            f'{{"genres": ["Comedy"], "years": [1990, 1999]}}, not {shown(filters)}'
        )
        return {}
    if unknown := [name for name in filters if name not in ("genres", "years", "attributes")]:
        problems.append(
            f"unknown filter {names(unknown)} (the filters are genres, years and attributes)"
        )
    found: dict[str, Any] = {}
    if "genres" in filters:
        found["genres"] = _texts(filters["genres"], "`filters.genres`", problems)
    if "attributes" in filters:
        attributes = filters["attributes"]
        if isinstance(attributes, Mapping) and len(attributes) <= MOST_ATTRIBUTES:
            found["attributes"] = {
                str(name): _texts(values, f"`filters.attributes`, {shown(name)}", problems)
                for name, values in attributes.items()
            }
        else:
            problems.append(
                f"`filters.attributes` must be an object of up to {MOST_ATTRIBUTES} lists such as "
                f'{{"author": ["Tolstoy"]}}, not {shown(attributes)}'
            )
    if "years" in filters:
        years = filters["years"]
        if (
            isinstance(years, list)
            and len(years) == 2
            and all(year is None or _year(year) for year in years)
        ):
            low, high = years
            if low is not None and high is not None and low > high:
                problems.append(f"`filters.years` begin after they end: {shown(years)}")
            found["years"] = (low, high)
        else:
            problems.append(
                "`filters.years` must be the first and the last year, either may be null, such as "
                f"[1990, null], not {shown(years)}"
            )
    return found


def _texts(value: object, where: str, problems: list[str]) -> tuple[str, ...]:
    if not _list(value, where, 64, problems):
        return ()
    if all(isinstance(one, str) for one in value):
        return tuple(value)
    problems.append(f"{where} must be a list of texts, not {shown(value)}")
    return ()


def _year(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 9999


def _ids(value: object, where: str, most: int, problems: list[str]) -> tuple[str, ...]:
    if not _list(value, where, most, problems):
        return ()
    found = [id_of(one, f"{where}, number {number}", problems) for number, one in enumerate(value)]
    return tuple(dict.fromkeys(found))  # what is listed twice counts once


def _list(value: object, where: str, most: int, problems: list[str]) -> TypeGuard[list[Any]]:
    if not isinstance(value, list):
        problems.append(f"{where} must be a list, not {shown(value)}")
    elif not value:
        problems.append(f"{where} is empty")
    elif len(value) > most:
        problems.append(f"{where} holds {len(value):,}; one event may hold {most:,}: split it")
    else:
        return True
    return False
