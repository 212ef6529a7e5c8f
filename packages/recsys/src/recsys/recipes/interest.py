"""Computes users' interest in items from their events.

An event's weight is that of its type in the configuration (1 by default), times (v / V)^0.2 if it
has a positive value v, where V is the largest value in the data. The interest in an item is the
square root of the sum over the user's events with it: a Click and a Watch count more than a Click,
but not twice as much.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.recipes.dataset import Dataset
from recsys.recipes.recipe import Config, Query

_VALUE_POWER = 0.2  # as for EDLAE in bench/engines.py


class Taken(NamedTuple):
    """Taken items, once per user, sorted by user and then by the latest event.

    Attributes:
        user, item: int64[n].
        interest: float64[n], positive.
        timestamp: int64[n], time of the latest event.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    interest: NDArray[np.float64]
    timestamp: NDArray[np.int64]


@dataclass(frozen=True)
class Interest:
    """The weights of events, from the training data, also applied to queries.

    Attributes:
        weights: weight of each event type, by code.
        largest: the largest event value, 0 where there are none.
    """

    weights: tuple[float, ...]
    largest: float

    @classmethod
    def of(cls, data: Dataset, config: Config) -> "Interest":
        """Build from the data's event types and the configuration's weights."""
        given = {name.lower(): weight for name, weight in config.event_weights.items()}
        weights = tuple(given.get(name.lower(), 1.0) for name in data.event_types)
        values = data.event_value[np.isfinite(data.event_value)]
        return cls(weights, float(values.max()) if len(values) else 0.0)

    def in_data(self, data: Dataset) -> Taken:
        """The items that the users of `data` took."""
        return self._take(data.user, data.item, data.timestamp, data.event_type, data.event_value)

    def in_query(self, query: Query) -> Taken:
        """The items that the querying user took, oldest first."""
        nobody = np.zeros(len(query.items), np.int32)
        return self._take(
            nobody, query.items, query.timestamps, query.event_types, query.event_values
        )

    def _take(
        self,
        user: NDArray[np.int32],
        item: NDArray[np.int32],
        timestamp: NDArray[np.int64],
        event_type: NDArray[np.int16],
        event_value: NDArray[np.float32],
    ) -> Taken:
        known = item >= 0
        if not known.all():
            user, item, timestamp = user[known], item[known], timestamp[known]
            event_type, event_value = event_type[known], event_value[known]
        weight = np.array([*self.weights, 1.0])[event_type]  # −1, no type, is the last
        if self.largest > 0:
            valued = np.isfinite(event_value) & (event_value > 0)
            weight = weight * np.where(valued, event_value / self.largest, 1.0) ** _VALUE_POWER
        pair = (user.astype(np.int64) << 32) | item
        distinct, place = np.unique(pair, return_inverse=True)
        interest = np.sqrt(np.bincount(place, weight, len(distinct)))
        last = np.zeros(len(distinct), np.int64)
        last[place] = np.arange(len(pair))  # the latest row of a pair overwrites earlier ones
        order = np.argsort(last)
        order = order[interest[order] > 0]
        row = last[order]
        return Taken(
            user[row].astype(np.int64), item[row].astype(np.int64), interest[order], timestamp[row]
        )


def returning(data: Dataset) -> float:
    """The share of events with an item that the user had taken earlier, 0 … 1.

    Below `RARELY`, users do not return to items, so recommending them again is pointless.
    """
    if not len(data.user):
        return 0.0
    pair = (data.user.astype(np.int64) << 32) | data.item
    order = np.lexsort((data.timestamp, pair))
    again = np.diff(pair[order]) == 0
    later = np.diff(data.timestamp[order]) > 0
    return float((again & later).sum() / len(pair))


RARELY = 0.05
