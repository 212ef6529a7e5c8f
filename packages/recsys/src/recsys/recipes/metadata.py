"""Models of metadata: similarity of items by attributes, and preferences of users or contexts.

Categorical columns are used (GENRES, GENDER, a context such as DEVICE), and the words of textual
columns of the items, weighted by tf-idf.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.recipes.dataset import Column, Dataset
from recsys.recipes.words import tf_idf

_PRIOR = 100.0  # events at which a value's own preferences outweigh the average
_MOST_VALUES = 200  # the most frequent values are kept; each needs a row as long as the catalogue
_MOST_WORDS = 200  # the same of words, of which those of more than half of the items say nothing


class Attributes:
    """Attributes of items: rows of unit length, or 0 for items without attributes.

    Args:
        values: float32[items, attribute values and words]; rare ones have more weight (inverse
            document frequency).
    """

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.values = values

    @classmethod
    def of(cls, data: Dataset) -> Self:
        """Build from the items' categorical and textual columns, limited to the most frequent."""
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
        texts = [column.values for column in data.item_columns.values() if column.kind == "text"]
        if texts:
            words = _frequent_words(" ".join(parts) for parts in zip(*texts, strict=True))
            values = np.hstack([values, words.astype(np.float32)])
        length = np.sqrt(np.square(values).sum(axis=1, keepdims=True))
        return cls(np.divide(values, length, out=values, where=length > 0))

    def like(self, items: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
        """The summed cosine similarity of every item with the given ones, float64[items]."""
        wanted = weights.astype(np.float32) @ self.values[items]
        return np.asarray(self.values @ wanted, np.float64)

    def carried_over(
        self, scores: NDArray[np.float64], known: NDArray[Any], unknown: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Score items as the average of known items with the same attributes.

        Args:
            scores: the scores of the known items.
            known, unknown: codes of the known items and of the items to score.

        Returns:
            float64, one per unknown item; the mean of `scores` for items without attributes.
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
        """Load what `save` wrote."""
        return cls(np.load(folder / "attributes.npy"))


def _frequent_words(texts: Iterable[str]) -> NDArray[np.float64]:
    """The weight of each of the most frequent words in each text, float64[texts, words]."""
    weights, having = tf_idf(texts)
    known = np.flatnonzero((having >= 2) & (having <= weights.shape[0] / 2))
    kept = known[np.argsort(-having[known], kind="stable")[:_MOST_WORDS]]
    return np.asarray(weights[:, kept].toarray(), np.float64)


class Preferences:
    """Preferences of users and contexts with an attribute, relative to the average.

    Args:
        names: the row of `lifts` for each "FIELD=value".
        lifts: float32[values, items], logarithms.
    """

    def __init__(self, names: dict[str, int], lifts: NDArray[np.float32]) -> None:
        self.names = names
        self.lifts = lifts

    @classmethod
    def of(cls, data: Dataset, place: NDArray[np.int64], items: int) -> Self:
        """Count the events of every value of the users' and the interactions' columns.

        Args:
            data: the training data.
            place: index of each item code among the scored `items`, −1 for others.
            items: the number of scored items.
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
        """The sum that the attributes add to each item's logit, None if they are unknown."""
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
        """Load what `save` wrote."""
        names = json.loads((folder / "preferences.json").read_text(encoding="utf-8"))
        return cls(names, np.load(folder / "preferences.npy", mmap_mode="r"))


def _counted(
    column: Column, row: NDArray[Any], item: NDArray[Any], items: int
) -> list[tuple[str, NDArray[np.float64]]]:
    """Count each value of a column for each item; `row` is the row of each event."""
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
