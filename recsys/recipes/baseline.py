"""The two plainest recipes: what is popular, and what is taken together."""

from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recsys.recipes.dataset import Dataset
from recsys.recipes.recipe import Config, Model, Query


class Sparse(NamedTuple):
    """The three arrays of a matrix in compressed rows; serving needs no more, nor scipy."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]

    def sum_rows(self, rows: NDArray[Any], columns: int) -> NDArray[np.float64]:
        """The sum of some rows, float64[columns]."""
        picked = [np.arange(self.indptr[row], self.indptr[row + 1]) for row in rows]
        entries = np.concatenate(picked) if picked else np.zeros(0, np.int64)
        return np.bincount(self.indices[entries], self.data[entries], columns).astype(np.float64)

    def times(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """The product with a vector, float64[rows]."""
        rows = len(self.indptr) - 1
        row = np.repeat(np.arange(rows), np.diff(self.indptr))
        return np.bincount(row, self.data * vector[self.indices], rows).astype(np.float64)

    def save(self, file: Path) -> None:
        """Write the arrays into an .npz."""
        np.savez(file, **self._asdict())

    @classmethod
    def load(cls, file: Path) -> "Sparse":
        """Read what `save` wrote."""
        with np.load(file) as arrays:
            return cls(arrays["indptr"], arrays["indices"], arrays["data"])


class PopularityModel:
    """Every user gets the items with the most interactions.

    Args:
        counts: float32[items], the number of interactions of each item.
    """

    def __init__(self, counts: NDArray[np.float32]) -> None:
        self.counts = counts

    def score(self, query: Query) -> NDArray[np.float32]:
        """The logarithm of the counts, so that a softmax gives each item its share."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.counts), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write `popularity.npy`."""
        np.save(folder / "popularity.npy", self.counts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `popularity.npy`."""
        return cls(np.load(folder / "popularity.npy"))


class Popularity:
    """Counts interactions (Popularity-Count)."""

    model: type[Model] = PopularityModel

    def fit(self, data: Dataset, config: Config) -> PopularityModel:
        """Count each item's interactions."""
        counts = np.bincount(data.item, minlength=len(data.items))
        return PopularityModel(counts.astype(np.float32))


class CosineModel:
    """Items are alike when the same users take them: cosine of their user sets, with shrinkage.

    Args:
        similar: items × items, zero diagonal; the strongest neighbours in each row.
        counts: float32[items], users of each item; breaks ties and serves the unknown.
    """

    def __init__(self, similar: Sparse, counts: NDArray[np.float32]) -> None:
        self.similar = similar
        self.counts = counts

    def score(self, query: Query) -> NDArray[np.float32]:
        """Relatives of the query's item, else of the user's history; popularity breaks ties."""
        scores = 1e-3 * self.counts / (self.counts.sum() + 1.0)
        items = np.unique(query.items) if query.item < 0 else np.array([query.item])
        scores = scores + self.similar.sum_rows(items, len(self.counts))
        if query.item >= 0:
            scores[query.item] = -np.inf
        return np.asarray(scores, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write `similar.npz` and `popularity.npy`."""
        self.similar.save(folder / "similar.npz")
        np.save(folder / "popularity.npy", self.counts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls(Sparse.load(folder / "similar.npz"), np.load(folder / "popularity.npy"))


class Cosine:
    """Item-to-item cosine with shrinkage (SIMS and its relatives)."""

    NEIGHBOURS = 200
    SHRINKAGE = 10.0
    model: type[Model] = CosineModel

    def fit(self, data: Dataset, config: Config) -> CosineModel:
        """Compare all pairs of items by the users they share."""
        return self._compare(_taken(data))

    def _compare(self, taken: Any) -> CosineModel:
        shared = (taken.T @ taken).tocsr()
        counts = shared.diagonal()
        norms = np.sqrt(counts)
        rows = np.repeat(np.arange(len(counts)), np.diff(shared.indptr))
        shared.data /= norms[rows] * norms[shared.indices] + self.SHRINKAGE
        shared.setdiag(0.0)
        for row in range(len(counts)):
            values = shared.data[shared.indptr[row] : shared.indptr[row + 1]]
            if len(values) > self.NEIGHBOURS:
                values[np.argpartition(values, -self.NEIGHBOURS)[: -self.NEIGHBOURS]] = 0.0
        shared.eliminate_zeros()
        return CosineModel(_sparse(shared), counts.astype(np.float32))


class AffinityModel(CosineModel):
    """Finds the users whose histories are nearest to some items.

    Args:
        taken: users × items, 1 where the user took the item.
    """

    def __init__(self, similar: Sparse, counts: NDArray[np.float32], taken: Sparse) -> None:
        super().__init__(similar, counts)
        self.taken = taken

    def score_users(self, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """Summed similarity of a user's items to `items`; one that she took counts 1."""
        nearness = self.similar.sum_rows(items, len(self.counts))
        nearness[items] += 1.0
        return np.asarray(self.taken.times(nearness), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write the item model and `taken.npz`."""
        super().save(folder)
        self.taken.save(folder / "taken.npz")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        items = CosineModel.load(folder)
        return cls(items.similar, items.counts, Sparse.load(folder / "taken.npz"))


class Affinity(Cosine):
    """User segments by item-to-item cosine (Item-Affinity and Item-Attribute-Affinity)."""

    model: type[Model] = AffinityModel

    def fit(self, data: Dataset, config: Config) -> AffinityModel:
        """Compare the items, and keep who took what."""
        taken = _taken(data)
        items = self._compare(taken)
        return AffinityModel(items.similar, items.counts, _sparse(taken))


def _taken(data: Dataset) -> Any:
    from scipy import sparse  # not at the top: serving starts in half the time without it

    shape = (len(data.users), len(data.items))
    taken = sparse.csr_array((np.ones(len(data.user)), (data.user, data.item)), shape=shape)
    taken.data[:] = 1.0
    return taken


def _sparse(matrix: Any) -> Sparse:
    return Sparse(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data.astype(np.float32),
    )
