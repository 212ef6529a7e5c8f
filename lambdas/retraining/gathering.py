"""Histories as arrays, in the form of interactions.npz."""

import hashlib
import io
from array import array
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

ATTRIBUTES: Final = ("user", "event", "item", "value", "live")
"""What is read of a row of the table of histories."""


class Gathered:
    """What users did, as far as the catalogue knows the items.

    Args:
        rows: items of the table of histories.
        numbers: the catalogue's integer of each item, by its id.
        until: seconds since 1970. Events that were sent with a later time are left for the next
            generation, whose gate judges by what is newer than all of this one.

    Attributes:
        users: the number of users.
        live: whether there is any event that was sent to the function `Events`.
    """

    def __init__(
        self,
        rows: Iterator[Mapping[str, Mapping[str, Any]]],
        numbers: Mapping[str, int],
        until: float,
    ) -> None:
        users: dict[str, int] = {}
        user, item, time, unknown = array("q"), array("q"), array("q"), array("q")
        value = array("f")
        self.live = False
        for row in rows:
            second = int(row["event"]["S"].partition("#")[0])
            if "live" in row and second > until:
                continue
            number = numbers.get(row["item"]["S"])
            self.live = self.live or "live" in row
            if number is None:
                unknown.append(second)
                continue
            user.append(users.setdefault(row["user"]["S"], len(users)))
            item.append(number)
            time.append(second)
            value.append(float(row["value"]["N"]) if "value" in row else np.nan)
        self.users = len(users)
        self._unknown = np.sort(np.frombuffer(unknown, np.int64))
        columns = [np.frombuffer(each, np.int64) for each in (user, item, time)]
        values = np.frombuffer(value, np.float32)
        order = np.lexsort((values, columns[1], columns[2], columns[0]))
        self._user, self._item, self._time = (each[order] for each in columns)
        self._value = values[order]

    @property
    def events(self) -> int:
        """The number of events of known items."""
        return len(self._user)

    @property
    def unknown(self) -> int:
        """The number of events of unknown items."""
        return len(self._unknown)

    @property
    def digest(self) -> str:
        """The same for the same events, in whatever order DynamoDB returned them."""
        order = np.lexsort((self._user, self._value, self._item, self._time))
        columns = (self._item, self._value, self._time)
        parts = [self._unknown, *(each[order] for each in columns)]
        return hashlib.sha256(b"|".join(each.tobytes() for each in parts)).hexdigest()

    def to_bytes(self) -> bytes:
        """The file: `user`, `item`, `value`, `timestamp`, and `unknown`, times of unknown items."""
        written = io.BytesIO()
        np.savez_compressed(
            written,
            allow_pickle=False,
            user=self._user,
            item=self._item,
            value=self._value,
            timestamp=self._time,
            unknown=self._unknown,
        )
        return written.getvalue()
