"""What metadata says: items alike by their attributes, and what kinds of users or contexts prefer.

Only categorical columns are used (GENRES, GENDER, a context such as DEVICE).
"""

import json
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.recipes.dataset import Column, Dataset

_PRIOR = 100.0  # events that a value must have before its own taste outweighs everybody's
_MOST_VALUES = 200  # kept, the most frequent: each is as long as the catalogue


class Attributes:
    """Attributes of items, each row of unit length, or 0 for an item with none.

    Args:
        values: float32[items, attribute values]; a rare value weighs more (inverse document
            frequency).
    """

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.values = values

    @classmethod
    def of(cls, data: Dataset) -> Self:
        """From the categorical columns of the data's items; of many values the most frequent."""
        items = len(data.items)
        rows, indices, columns = [np.zeros(0, int)], [np.zeros(0, int)], 0
        for column in data.item_columns.values():
            if column.indptr is not None and column.indices is not None:
                rows.append(np.repeat(np.arange(items), np.diff(column.indptr)))
                indices.append(columns + column.indices.astype(int))
                columns += len(column.values)
        row, index = np.concatenate(rows), np.concatenate(indices)
        frequency = np.bincount(index, minlength=columns)
        frequent = np.sort(np.argsort(-frequency, kind="stable")[:_MOST_VALUES])
        place = np.full(columns, -1)
        place[frequent] = np.arange(len(frequent))
        kept = place[index] >= 0
        values = np.zeros((items, len(frequent)), np.float32)
        values[row[kept], place[index[kept]]] = np.log1p(items / frequency[index[kept]])
        length = np.sqrt(np.square(values).sum(axis=1, keepdims=True))
        return cls(np.divide(values, length, out=values, where=length > 0))

    def like(self, items: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
        """Summed cosine of every item with the given ones, float64[items]."""
        wanted = weights.astype(np.float32) @ self.values[items]
        return np.asarray(self.values @ wanted, np.float64)

    def carried_over(
        self, scores: NDArray[np.float64], known: NDArray[Any], unknown: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Scores of items, as what known items with the same attributes score on average.

        Args:
            scores: of the known items.
            known, unknown: codes of the known items, and of those to score.

        Returns:
            float64, one for each unknown item; the mean of `scores` where it has no attributes.
        """
        middle = float(scores.mean())
        theirs = self.values[known]
        total = (scores - middle).astype(np.float32) @ theirs
        count = theirs.sum(axis=0)
        return np.asarray(middle + self.values[unknown] @ (total / (count + 1.0)), np.float64)

    def save(self, folder: Path) -> None:
        """Write `attributes.npy`."""
        np.save(folder / "attributes.npy", self.values)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls(np.load(folder / "attributes.npy"))


class Preferences:
    """How much more users, or contexts, with some attribute take an item than everybody does.

    Args:
        names: a row of `lifts` for each "FIELD=value".
        lifts: float32[values, items], logarithms.
    """

    def __init__(self, names: dict[str, int], lifts: NDArray[np.float32]) -> None:
        self.names = names
        self.lifts = lifts

    @classmethod
    def of(cls, data: Dataset, place: NDArray[np.int64], items: int) -> Self:
        """Count the events of every value of the users' and the interactions' columns.

        Args:
            data: the training's.
            place: of each item code among the `items` that are scored, −1 for the others.
            items: how many are scored.
        """
        item = place[data.item]
        event = np.flatnonzero(item >= 0)
        everybody = np.bincount(item[event], minlength=items) + 1.0
        share = everybody / everybody.sum()
        found: list[tuple[float, str, NDArray[np.float32]]] = []
        sources: list[tuple[str, Column, NDArray[Any]]]
        sources = [(name, column, data.user[event]) for name, column in data.user_columns.items()]
        sources += [(name, column, event) for name, column in data.context_columns.items()]
        for field, column, row in sources:
            for value, counts in _counted(column, row, item[event], items):
                total = float(counts.sum())
                lift = np.log((counts + _PRIOR * share) / (total + _PRIOR) / share)
                found.append((total, f"{field.upper()}={value}", lift.astype(np.float32)))
        found = sorted(found, key=lambda each: (-each[0], each[1]))[:_MOST_VALUES]
        lifts = np.array([lift for _, _, lift in found], np.float32).reshape(len(found), items)
        return cls({name: row for row, (_, name, _) in enumerate(found)}, lifts)

    def lift(self, *attributes: dict[str, Any]) -> NDArray[np.float64] | None:
        """Sum of what the attributes add to an item's logit, None where they say nothing."""
        rows = [
            self.names[name]
            for each in attributes
            for field, value in each.items()
            for name in (f"{field.upper()}={part}" for part in str(value).split("|"))
            if name in self.names
        ]
        return self.lifts[rows].sum(axis=0, dtype=np.float64) if rows else None

    def save(self, folder: Path) -> None:
        """Write `preferences.json` and `preferences.npy`."""
        (folder / "preferences.json").write_text(json.dumps(self.names), encoding="utf-8")
        np.save(folder / "preferences.npy", self.lifts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        names = json.loads((folder / "preferences.json").read_text(encoding="utf-8"))
        return cls(names, np.load(folder / "preferences.npy", mmap_mode="r"))


def _counted(
    column: Column, row: NDArray[Any], item: NDArray[Any], items: int
) -> list[tuple[str, NDArray[np.float64]]]:
    """How often each of a column's values went with each item, `row` being each event's row."""
    if column.indptr is None or column.indices is None:
        return []
    starts, counts = column.indptr[row], np.diff(column.indptr)[row]
    offsets = np.cumsum(counts) - counts
    entry = np.arange(int(counts.sum())) + np.repeat(starts - offsets, counts)
    value, taken = column.indices[entry], np.repeat(item, counts)
    frequent = np.argsort(-np.bincount(value, minlength=len(column.values)))[:_MOST_VALUES]
    return [
        (column.values[code], np.bincount(taken[value == code], minlength=items).astype(float))
        for code in frequent
    ]
