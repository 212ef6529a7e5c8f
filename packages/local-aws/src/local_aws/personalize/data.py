"""The data of a dataset group: interactions and metadata, in columns.

Users, items and event types have codes that never change while the group exists; the arrays contain
codes. Reading and writing require the group's lock.
"""

import bisect
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from local_aws.personalize.schemas import Schema

_HISTORY = 2000  # number of newest interactions of a user for a model


class Vocabulary:
    """Strings and their codes, in order of appearance."""

    def __init__(self, fold: bool = False) -> None:
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        self._fold = fold

    def __len__(self) -> int:
        return len(self.names)

    def add(self, name: str) -> int:
        """The code of `name`; a new name gets a new code."""
        key = name.lower() if self._fold else name
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = len(self.names)
            self.names.append(name)
        return code

    def find(self, name: str) -> int:
        """The code of `name`, −1 for an unknown one."""
        return self._codes.get(name.lower() if self._fold else name, -1)


@dataclass(frozen=True)
class Events:
    """Interactions, one per row.

    Attributes:
        user, item: int32 codes.
        timestamp: int64, seconds.
        event_type: int16 code, −1 where there is none.
        event_value: float32, NaN where there is none.
        context: further columns by name, a list of values or None each.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    timestamp: NDArray[np.int64]
    event_type: NDArray[np.int16]
    event_value: NDArray[np.float32]
    context: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, rows: list[tuple[int, int, int, int, float]], context: dict[str, list[Any]]
    ) -> "Events":
        """Build from rows of (user, item, timestamp, event type, event value)."""
        columns = list(zip(*rows, strict=True)) if rows else [()] * 5
        return cls(
            np.array(columns[0], np.int32),
            np.array(columns[1], np.int32),
            np.array(columns[2], np.int64),
            np.array(columns[3], np.int16),
            np.array(columns[4], np.float32),
            context,
        )

    def __len__(self) -> int:
        return len(self.user)

    def joined(self, other: "Events") -> "Events":
        """Concatenate with `other`."""
        names = list(self.context) + [n for n in other.context if n not in self.context]
        return Events(
            np.concatenate([self.user, other.user]),
            np.concatenate([self.item, other.item]),
            np.concatenate([self.timestamp, other.timestamp]),
            np.concatenate([self.event_type, other.event_type]),
            np.concatenate([self.event_value, other.event_value]),
            {
                name: self.context.get(name, [None] * len(self))
                + other.context.get(name, [None] * len(other))
                for name in names
            },
        )

    def sorted(self) -> "Events":
        """Sort by user, then by time; equal times keep their order."""
        return self.take(np.lexsort((self.timestamp, self.user)))

    def take(self, rows: NDArray[Any]) -> "Events":
        """The rows at these positions."""
        return Events(
            self.user[rows],
            self.item[rows],
            self.timestamp[rows],
            self.event_type[rows],
            self.event_value[rows],
            {name: [values[r] for r in rows] for name, values in self.context.items()},
        )


class _Streamed(NamedTuple):
    """An event from PutEvents; repeated ones are excluded from trainings."""

    timestamp: int
    item: int
    event_type: int
    value: float
    context: dict[str, Any]
    again: bool


class Interactions:
    """Imported interactions, and later ones from PutEvents."""

    def __init__(self) -> None:
        self.bulk = Events.of([], {})
        self._starts: NDArray[np.int64] = np.zeros(1, np.int64)
        self._streamed: dict[int, list[_Streamed]] = {}
        self.streamed_count = 0

    def replace(self, events: Events) -> None:
        """Replace the imported interactions by `events`."""
        self.bulk = events.sorted()
        users = int(self.bulk.user.max()) + 1 if len(events) else 0
        counts = np.bincount(self.bulk.user, minlength=users)
        self._starts = np.concatenate([[0], np.cumsum(counts)])

    def append(self, events: Events) -> None:
        """Add `events`."""
        self.replace(self.bulk.joined(events))

    def put(
        self,
        user: int,
        item: int,
        timestamp: int,
        event_type: int,
        value: float,
        context: dict[str, Any],
        again: bool = False,
    ) -> None:
        """Add a streamed event, which is kept when imports replace the rest."""
        rows = self._streamed.setdefault(user, [])
        event = _Streamed(timestamp, item, event_type, value, context, again)
        bisect.insort(rows, event, key=lambda row: row.timestamp)
        self.streamed_count += 1

    def move(self, user: int, to: int) -> None:
        """Move the streamed events of `user` to another id of the same person."""
        for event in self._streamed.pop(user, []):
            self.streamed_count -= 1
            self.put(
                to,
                event.item,
                event.timestamp,
                event.event_type,
                event.value,
                event.context,
                event.again,
            )

    def history(self, user: int) -> Events:
        """The newest interactions of one user, oldest first, without context."""
        bulk = slice(0, 0)
        if 0 <= user < len(self._starts) - 1:
            first, last = int(self._starts[user]), int(self._starts[user + 1])
            bulk = slice(max(first, last - _HISTORY), last)
        item, timestamp = self.bulk.item[bulk], self.bulk.timestamp[bulk]
        kind, value = self.bulk.event_type[bulk], self.bulk.event_value[bulk]
        streamed = self._streamed.get(user)
        if streamed:
            new = streamed[-_HISTORY:]
            moments = np.array([row.timestamp for row in new], np.int64)
            item = np.concatenate([item, np.array([row.item for row in new], np.int32)])
            timestamp = np.concatenate([timestamp, moments])
            kind = np.concatenate([kind, np.array([row.event_type for row in new], np.int16)])
            value = np.concatenate([value, np.array([row.value for row in new], np.float32)])
            order = np.argsort(timestamp, kind="stable")[-_HISTORY:]
            item, timestamp, kind, value = item[order], timestamp[order], kind[order], value[order]
        return Events(np.full(len(item), user, np.int32), item, timestamp, kind, value)

    def forget(self, users: set[int]) -> int:
        """Delete all interactions of users; returns their number."""
        before = len(self.bulk) + self.streamed_count
        self.replace(self.bulk.take(np.flatnonzero(~np.isin(self.bulk.user, list(users)))))
        for user in users:
            self.streamed_count -= len(self._streamed.pop(user, []))
        return before - len(self.bulk) - self.streamed_count

    def all(self) -> Events:
        """All interactions for a training, sorted by user and time."""
        new = self.streamed()
        return self.bulk.joined(new).sorted() if len(new) else self.bulk

    def streamed(self) -> Events:
        """Interactions from PutEvents, without repeated ones."""
        rows, contexts = [], []
        for user, streamed in self._streamed.items():
            for event in streamed:
                if not event.again:
                    rows.append((user, event.item, event.timestamp, event.event_type, event.value))
                    contexts.append(event.context)
        names = {name for context in contexts for name in context}
        return Events.of(rows, {name: [c.get(name) for c in contexts] for name in names})


class Metadata:
    """The rows of an Items or a Users dataset, by id, with columns for filters.

    Args:
        schema: its columns.
        ids: the codes of its ids.

    Attributes:
        rows: by code.
        streamed: codes of the rows that came by PutItems and PutUsers.
    """

    def __init__(self, schema: Schema, ids: Vocabulary) -> None:
        self.schema = schema
        self.rows: dict[int, dict[str, Any]] = {}
        self.streamed: set[int] = set()
        self._ids = ids
        self._numbers: dict[str, NDArray[np.float64]] = {}
        self._values: dict[str, dict[str, NDArray[np.int64]]] = {}

    def put(self, rows: Iterable[tuple[int, dict[str, Any]]], streamed: bool = False) -> None:
        """Add rows; existing ids are replaced."""
        new = dict(rows)
        self.rows.update(new)
        if streamed:
            self.streamed.update(new)
        else:
            self.streamed.difference_update(new)
        self._numbers.clear()
        self._values.clear()

    def remove(self, codes: set[int] | None = None) -> int:
        """Remove the rows with these codes, or all; returns their number."""
        gone = set(self.rows) if codes is None else codes & self.rows.keys()
        for code in gone:
            del self.rows[code]
        self.streamed -= gone
        self.put(())
        return len(gone)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A numeric column by code, NaN where missing."""
        column = self._numbers.get(name)
        if column is None or len(column) < len(self._ids):
            column = np.full(len(self._ids), np.nan)
            for code, row in self.rows.items():
                if row.get(name) is not None:
                    column[code] = row[name]
            self._numbers[name] = column
        return column

    def having(self, name: str, value: str) -> NDArray[np.int64]:
        """The codes of the rows whose column `name` contains `value`."""
        if name not in self._values:
            field = self.schema.field(name)
            found: dict[str, list[int]] = {}
            for code, row in self.rows.items():
                for each in split(row.get(name), field is not None and field.categorical):
                    found.setdefault(each, []).append(code)
            self._values[name] = {v: np.array(codes, np.int64) for v, codes in found.items()}
        return self._values[name].get(value, np.zeros(0, np.int64))

    def present(self, name: str) -> NDArray[np.int64]:
        """The codes of the rows with any value in column `name`."""
        return np.array([c for c, row in self.rows.items() if row.get(name) is not None], np.int64)


def split(value: str | None, categorical: bool) -> list[str]:
    """The values of a string field; those of a categorical one are separated by `|`."""
    if value is None:
        return []
    return [each for each in value.split("|") if each] if categorical else [value]


class GroupData:
    """All data of one dataset group."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users = Vocabulary()
        self.items = Vocabulary()
        self.event_types = Vocabulary(fold=True)
        self.interactions: Interactions | None = None
        self.interactions_schema: Schema | None = None
        self.metadata: dict[str, Metadata] = {}
        self._sessions: dict[str, str] = {}
        self._event_ids: set[str] = set()
        self.deleted_users: set[int] = set()

    def open(self, schema: Schema) -> None:
        """Create a dataset with `schema`, or change an existing one's schema."""
        with self.lock:
            if schema.dataset_type == "INTERACTIONS":
                self.interactions_schema = schema
                self.interactions = self.interactions or Interactions()
                return
            ids = self.items if schema.dataset_type == "ITEMS" else self.users
            table = Metadata(schema, ids)
            if schema.dataset_type in self.metadata:
                old = self.metadata[schema.dataset_type]
                table.put(old.rows.items())
                table.streamed = old.streamed
            self.metadata[schema.dataset_type] = table

    def drop(self, dataset_type: str) -> None:
        """Delete a dataset."""
        with self.lock:
            if dataset_type == "INTERACTIONS":
                self.interactions = self.interactions_schema = None
            else:
                self.metadata.pop(dataset_type, None)

    def schema(self, dataset_type: str) -> Schema | None:
        """The schema of the dataset of this type; None without one."""
        if dataset_type == "INTERACTIONS":
            return self.interactions_schema
        table = self.metadata.get(dataset_type)
        return table.schema if table else None

    def load(
        self, dataset_type: str, rows: list[dict[str, Any]], full: bool, streamed: bool = False
    ) -> None:
        """Store validated rows of an import, replacing existing rows (`full`) or adding to them.

        Args:
            dataset_type: the dataset's type.
            rows: values by field name.
            full: whether existing rows are replaced.
            streamed: whether they come from PutItems or PutUsers.
        """
        with self.lock:
            if dataset_type == "INTERACTIONS":
                assert self.interactions is not None and self.interactions_schema is not None
                events = self._events(rows)
                self.deleted_users.difference_update(events.user.tolist())
                (self.interactions.replace if full else self.interactions.append)(events)
                return
            table = self.metadata[dataset_type]
            if full:
                table.remove()
            key = "ITEM_ID" if dataset_type == "ITEMS" else "USER_ID"
            table.put(((self._ids(key).add(row[key]), row) for row in rows), streamed)

    def records(self, dataset_type: str, mode: str) -> list[dict[str, Any]]:
        """The rows of a dataset, values by field name.

        Args:
            dataset_type: the dataset's type.
            mode: BULK for imported rows, PUT for streamed rows, or ALL.
        """
        with self.lock:
            if dataset_type == "INTERACTIONS":
                found = self.interactions
                if found is None:
                    return []
                parts = {"BULK": (found.bulk,), "PUT": (found.streamed(),)}
                chosen = parts.get(mode, (found.bulk, found.streamed()))
                return [row for events in chosen for row in self._rows(events)]
            table = self.metadata[dataset_type]
            return [
                row
                for code, row in table.rows.items()
                if mode == "ALL" or (code in table.streamed) == (mode == "PUT")
            ]

    def _rows(self, events: Events) -> list[dict[str, Any]]:
        return [
            {
                "USER_ID": self.users.names[events.user[row]],
                "ITEM_ID": self.items.names[events.item[row]],
                "TIMESTAMP": int(events.timestamp[row]),
                "EVENT_TYPE": self.event_types.names[kind]
                if (kind := events.event_type[row]) >= 0
                else None,
                "EVENT_VALUE": None
                if np.isnan(value := events.event_value[row])
                else float(str(value)),  # as it was written
                **{name: values[row] for name, values in events.context.items()},
            }
            for row in range(len(events))
        ]

    def forget(self, users: Iterable[str]) -> int:
        """Delete all data of users; returns the number of deleted records."""
        with self.lock:
            codes = {code for user in users if (code := self.users.find(user)) >= 0}
            deleted = self.interactions.forget(codes) if self.interactions else 0
            table = self.metadata.get("USERS")
            if table:
                deleted += table.remove(codes)
            self.deleted_users |= codes
            return deleted

    def _ids(self, key: str) -> Vocabulary:
        return self.items if key == "ITEM_ID" else self.users

    def _events(self, rows: list[dict[str, Any]]) -> Events:
        assert self.interactions_schema is not None
        add_user, add_item, add_type = self.users.add, self.items.add, self.event_types.add
        tuples = []
        for row in rows:
            kind, value = row.get("EVENT_TYPE"), row.get("EVENT_VALUE")
            tuples.append(
                (
                    add_user(row["USER_ID"]),
                    add_item(row["ITEM_ID"]),
                    row["TIMESTAMP"],
                    -1 if kind is None else add_type(kind),
                    np.nan if value is None else value,
                )
            )
        context = {
            f.name: [row.get(f.name) for row in rows] for f in self.interactions_schema.metadata
        }
        return Events.of(tuples, context)

    def put_event(
        self,
        user_id: str | None,
        session_id: str,
        item_id: str,
        timestamp: int,
        event_type: str,
        value: float | None,
        context: dict[str, Any],
        event_id: str | None = None,
    ) -> None:
        """Store one streamed event.

        The session's id is used until its user is known; then its events become the user's. Events
        with a repeated id are excluded from trainings.
        """
        with self.lock:
            assert self.interactions is not None
            again = event_id is not None and event_id in self._event_ids
            if event_id is not None:
                self._event_ids.add(event_id)
            if user_id is None:
                user_id = self._sessions.get(session_id, session_id)
            elif self._sessions.get(session_id) != user_id:
                self._sessions[session_id] = user_id
                anonymous = self.users.find(session_id)
                if anonymous >= 0 and session_id != user_id:
                    self.interactions.move(anonymous, self.users.add(user_id))
            user = self.users.add(user_id)
            self.deleted_users.discard(user)
            self.interactions.put(
                user,
                self.items.add(item_id),
                timestamp,
                self.event_types.add(event_type),
                np.nan if value is None else value,
                context,
                again,
            )
