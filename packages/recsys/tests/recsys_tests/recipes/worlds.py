"""Small worlds whose answers can be worked out by hand."""

import numpy as np

from recsys.recipes import Dataset, Query
from recsys.recipes.dataset import Column


def small(
    pairs: list[tuple[int, int]], users: int, items: int, kinds: list[int] | None = None
) -> Dataset:
    """Interactions (user, item) in the given order, one second apart; all Watch unless told."""
    kinds = [0] * len(pairs) if kinds is None else kinds
    timed = enumerate(zip(pairs, kinds, strict=True))
    return events([(user, time, item, kind) for time, ((user, item), kind) in timed], users, items)


def events(rows: list[tuple[int, int, int, int]], users: int, items: int) -> Dataset:
    """Interactions (user, time, item, kind), kind 0 Watch and 1 Click; equal times as they come."""
    rows = sorted(rows, key=lambda row: row[:2])
    user, timestamp, item, kind = (np.array(column) for column in zip(*rows, strict=True))
    return Dataset(
        users=[f"u{n}" for n in range(users)],
        items=[f"i{n}" for n in range(items)],
        event_types=["Watch", "Click"],
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        timestamp=timestamp.astype(np.int64),
        event_type=kind.astype(np.int16),
        event_value=np.full(len(rows), np.nan, np.float32),
        indptr=np.concatenate([[0], np.cumsum(np.bincount(user, minlength=users))]),
    )


def category(*rows: str) -> Column:
    """A categorical column, values parted by `|`."""
    split = [[value for value in row.split("|") if value] for row in rows]
    values = sorted({value for row in split for value in row})
    return Column(
        "category",
        values=values,
        indptr=np.cumsum([0, *map(len, split)]).astype(np.int32),
        indices=np.array([values.index(v) for row in split for v in row], np.int32),
    )


def ask(*items: int, item: int = -1, now: float = 1e12, **more: dict[str, str]) -> Query:
    """A query of somebody unknown with this history, oldest first."""
    none = np.zeros(len(items))
    return Query(
        user=-1,
        items=np.array(items, np.int32),
        timestamps=np.arange(len(items)),
        event_types=none.astype(np.int16),
        event_values=np.full(len(items), np.nan, np.float32),
        item=item,
        now=now,
        user_attributes=more.get("user_attributes", {}),
        context=more.get("context", {}),
    )


SIZE = 12


def checkerboard() -> Dataset:
    """Even users take even items, odd users odd ones, in turn; none takes item 11 − its number.

    So the item that fits a user best, and that the user has not had, is 11 − … of the other
    colour's
    mirror: each user u leaves out item (u + 2) mod 12.
    """
    pairs = [
        (user, item)
        for item in range(SIZE)
        for user in range(2 * SIZE)
        if item % 2 == user % 2 and item != (user + 2) % SIZE
    ]
    return small(pairs, 2 * SIZE, SIZE)
