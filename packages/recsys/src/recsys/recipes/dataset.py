"""The training data of a recipe, read from a folder."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Column:
    """One metadata field, with a value or a set of values for each row.

    Attributes:
        kind: `number`, `category`, `text` (of which recipes use the words), `name` (the items'
            names), or `string`.
        numbers: float64[rows], NaN where there is none (`number`).
        values: the distinct values (`category`) or the text of each row (others).
        indptr, indices: row r has the values `indices[indptr[r]:indptr[r + 1]]` (`category`).
    """

    kind: str
    numbers: NDArray[np.float64] | None = None
    values: list[str] = field(default_factory=list)
    indptr: NDArray[np.int32] | None = None
    indices: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Dataset:
    """Interactions and metadata; every id is a code: the position in `users` or `items`.

    The interactions are sorted by user, then by time: user u's are the rows
    `indptr[u]:indptr[u + 1]`, oldest first.

    Attributes:
        users, items, event_types: the original values of the codes.
        user, item: int32[n].
        timestamp: int64[n], seconds since 1970.
        event_type: int16[n], −1 where there is none.
        event_value: float32[n], NaN where there is none.
        indptr: int64[users + 1].
        item_columns, user_columns, context_columns: by field name; a row is an item, a user, an
            interaction.
    """

    users: list[str]
    items: list[str]
    event_types: list[str]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    timestamp: NDArray[np.int64]
    event_type: NDArray[np.int16]
    event_value: NDArray[np.float32]
    indptr: NDArray[np.int64]
    item_columns: dict[str, Column] = field(default_factory=dict)
    user_columns: dict[str, Column] = field(default_factory=dict)
    context_columns: dict[str, Column] = field(default_factory=dict)

    def attributes_of(self, user: int) -> dict[str, str]:
        """A user's categorical metadata by field name, as in a query."""
        found = {}
        for name, column in self.user_columns.items():
            if column.indptr is not None and column.indices is not None:
                codes = column.indices[column.indptr[user] : column.indptr[user + 1]]
                found[name] = "|".join(column.values[code] for code in codes)
        return found

    def rows(self, keep: NDArray[np.bool_]) -> "Dataset":
        """A copy with only the interactions where `keep` (bool[n]) is true."""
        user = self.user[keep]
        return replace(
            self,
            user=user,
            item=self.item[keep],
            timestamp=self.timestamp[keep],
            event_type=self.event_type[keep],
            event_value=self.event_value[keep],
            indptr=_indptr(user, len(self.users)),
            context_columns={name: _pick(c, keep) for name, c in self.context_columns.items()},
        )


def load(folder: Path) -> Dataset:
    """Read `strings.json` and `arrays.npz` in `folder`."""
    strings = json.loads((folder / "strings.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        columns = {
            table: {
                name: _column(f"{table}.{name}", described, arrays)
                for name, described in strings["columns"].get(table, {}).items()
            }
            for table in ("items", "users", "interactions")
        }
        user = arrays["user"]
        return Dataset(
            users=strings["users"],
            items=strings["items"],
            event_types=strings["event_types"],
            user=user,
            item=arrays["item"],
            timestamp=arrays["timestamp"],
            event_type=arrays["event_type"],
            event_value=arrays["event_value"],
            indptr=_indptr(user, len(strings["users"])),
            item_columns=columns["items"],
            user_columns=columns["users"],
            context_columns=columns["interactions"],
        )


def _column(key: str, described: dict[str, Any], arrays: Any) -> Column:
    kind = described["kind"]
    if kind == "number":
        return Column(kind, numbers=arrays[key])
    if kind == "category":
        return Column(
            kind,
            values=described["values"],
            indptr=arrays[f"{key}.indptr"],
            indices=arrays[f"{key}.indices"],
        )
    return Column(kind, values=described["values"])


def _indptr(user: NDArray[np.int32], users: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(user, minlength=users))]).astype(np.int64)


def _pick(column: Column, keep: NDArray[np.bool_]) -> Column:
    if column.numbers is not None:
        return replace(column, numbers=column.numbers[keep])
    if column.indptr is not None and column.indices is not None:
        counts = np.diff(column.indptr)
        return replace(
            column,
            indptr=np.concatenate([[0], np.cumsum(counts[keep])]).astype(np.int32),
            indices=column.indices[np.repeat(keep, counts)],
        )
    return replace(column, values=[v for v, kept in zip(column.values, keep, strict=True) if kept])
