"""Items whose names and descriptions are like a given item's: the cosine of tf-idf vectors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.recipes.dataset import Dataset
from recsys.recipes.hyperparameters import Given
from recsys.recipes.interest import Interest
from recsys.recipes.recipe import Config, Model, Query
from recsys.recipes.sparse import Sparse
from recsys.recipes.words import tf_idf

_INFLUENCES = ("POPULARITY", "FRESHNESS")


@dataclass(frozen=True)
class SemanticModel:
    """A trained model of similar texts.

    Attributes:
        words: the weight of each word in each item's text, items × words, rows of unit length;
            empty rows for items without words.
        items: the same by word, words × items.
        factors: float64[2, items], the popularity and the freshness of each item, 0 … 1.
    """

    words: Sparse
    items: Sparse
    factors: NDArray[np.float64]

    def score(self, query: Query) -> NDArray[np.float32]:
        """Score the likeness of each item's text to that of `query.item`.

        A score is the cosine, times 1 + the factors by the weights of `query.influence`. Items
        without text are excluded. If the item is unknown or has no text, the most popular items.
        """
        length = np.diff(self.words.indptr)
        popular = self.factors[0]
        if query.item < 0 or not length[query.item]:
            return np.where(popular > 0, popular, -np.inf).astype(np.float32)
        start, end = self.words.indptr[query.item : query.item + 2]
        known, weights = self.words.indices[start:end], self.words.data[start:end]
        scores = self.items.sum_rows(known, weights, len(length))
        influence = np.array([query.influence.get(name, 0.0) for name in _INFLUENCES])
        scores *= 1.0 + influence @ self.factors
        scores[length == 0] = -np.inf
        scores[query.item] = -np.inf
        return scores.astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write a file for each array."""
        self.words.save(folder, "words")
        self.items.save(folder, "items")
        np.save(folder / "factors.npy", self.factors)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote, memory-mapped."""
        return cls(
            words=Sparse.load(folder, "words"),
            items=Sparse.load(folder, "items"),
            factors=np.load(folder / "factors.npy"),
        )


class Semantic:
    """Semantic-Similarity.

    Popularity is an item's number of interactions (weighted by event type, if the solution weighs
    them) over that of the most popular item. Freshness is the position of its CREATION_TIMESTAMP
    between the oldest, 0, and the newest, 1; 0 without one.
    """

    model: type[Model] = SemanticModel
    related = True

    def fit(self, data: Dataset, config: Config) -> SemanticModel:
        """Weigh the words of the items' names and texts.

        Raises:
            InputError: no item has any word, or a hyperparameter is given.
        """
        Given(config.hyperparameters).close()
        columns = [c.values for c in data.item_columns.values() if c.kind in ("name", "text")]
        texts = [" ".join(parts) for parts in zip(*columns, strict=True)]
        words, _ = tf_idf(texts)
        if not words.nnz:
            raise InputError("no item has a name or a description: there is nothing to compare")
        length = np.sqrt((words**2).sum(axis=1))
        words.data /= np.repeat(length, np.diff(words.indptr))
        return SemanticModel(
            words=Sparse.of(words),
            items=Sparse.of(words.T.tocsr()),
            factors=np.stack([_popularity(data, config), _freshness(data)]),
        )


def _popularity(data: Dataset, config: Config) -> NDArray[np.float64]:
    weights = np.array([*Interest.of(data, config).weights, 1.0])[data.event_type]
    counts = np.bincount(data.item, weights, len(data.items))
    return counts / (counts.max() or 1.0)


def _freshness(data: Dataset) -> NDArray[np.float64]:
    column = data.item_columns.get("CREATION_TIMESTAMP")
    created = column.numbers if column is not None else None
    if created is None or np.isnan(created).all():
        return np.zeros(len(data.items))
    oldest, newest = np.nanmin(created), np.nanmax(created)
    return np.nan_to_num((created - oldest) / ((newest - oldest) or 1.0))
