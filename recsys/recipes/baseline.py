"""The two plainest recipes: what is popular, and what is watched together."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.recipes.dataset import Dataset
from recsys.recipes.recipe import Config, Model, Query


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
        return PopularityModel(np.bincount(data.item, minlength=len(data.items)).astype(np.float32))


class CosineModel:
    """Items are alike when the same users take them: cosine of their user sets, with shrinkage.

    Args:
        similar: float32[items, items], zero diagonal; the NEIGHBOURS strongest in each row.
        counts: float32[items], users of each item; breaks ties and serves the unknown.
    """

    def __init__(self, similar: sparse.csr_array, counts: NDArray[np.float32]) -> None:
        self.similar = similar
        self.counts = counts

    def score(self, query: Query) -> NDArray[np.float32]:
        """Relatives of the query's item, else of the user's history; popularity breaks ties."""
        ties = self.counts / (self.counts.sum() + 1.0)
        items = np.unique(query.items) if query.item < 0 else np.array([query.item])
        if items.size == 0:
            return np.asarray(ties, dtype=np.float32)
        scores = self.similar[items].sum(axis=0) + 1e-3 * ties
        if query.item >= 0:
            scores[query.item] = -np.inf
        return np.asarray(scores, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write `similar.npz` and `popularity.npy`."""
        sparse.save_npz(folder / "similar.npz", self.similar, compressed=False)
        np.save(folder / "popularity.npy", self.counts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls(sparse.load_npz(folder / "similar.npz"), np.load(folder / "popularity.npy"))


class Cosine:
    """Item-to-item cosine with shrinkage (SIMS and its relatives)."""

    NEIGHBOURS = 200
    SHRINKAGE = 10.0
    model: type[Model] = CosineModel

    def fit(self, data: Dataset, config: Config) -> CosineModel:
        """Compare all pairs of items by the users they share."""
        shape = (len(data.users), len(data.items))
        taken = sparse.csr_array((np.ones(len(data.user)), (data.user, data.item)), shape=shape)
        taken.data[:] = 1.0
        shared = (taken.T @ taken).tocsr()
        counts = shared.diagonal()
        norms = np.sqrt(counts)
        rows = np.repeat(np.arange(shape[1]), np.diff(shared.indptr))
        shared.data /= norms[rows] * norms[shared.indices] + self.SHRINKAGE
        shared.setdiag(0.0)
        return CosineModel(_strongest(shared, self.NEIGHBOURS), counts.astype(np.float32))


class AffinityModel(CosineModel):
    """Finds the users whose histories are nearest to some items.

    Args:
        taken: float32[users, items], 1 where the user took the item.
    """

    def __init__(
        self,
        similar: sparse.csr_array,
        counts: NDArray[np.float32],
        taken: sparse.csr_array,
    ) -> None:
        super().__init__(similar, counts)
        self.taken = taken

    def score_users(self, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """Summed similarity of a user's items to `items`; one that she took counts 1."""
        nearness = np.asarray(self.similar[items].sum(axis=0), dtype=np.float32)
        nearness[items] += 1.0
        return np.asarray(self.taken @ nearness, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write the item model and `taken.npz`."""
        super().save(folder)
        sparse.save_npz(folder / "taken.npz", self.taken, compressed=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        items = CosineModel.load(folder)
        return cls(items.similar, items.counts, sparse.load_npz(folder / "taken.npz"))


class Affinity(Cosine):
    """User segments by item-to-item cosine (Item-Affinity and Item-Attribute-Affinity)."""

    model: type[Model] = AffinityModel

    def fit(self, data: Dataset, config: Config) -> AffinityModel:
        """Compare the items, and keep who took what."""
        items = super().fit(data, config)
        shape = (len(data.users), len(data.items))
        ones = np.ones(len(data.user), np.float32)
        taken = sparse.csr_array((ones, (data.user, data.item)), shape=shape)
        taken.data[:] = 1.0
        return AffinityModel(items.similar, items.counts, taken)


def _strongest(matrix: sparse.csr_array, keep: int) -> sparse.csr_array:
    for row in range(matrix.shape[0]):
        values = matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]]
        if len(values) > keep:
            values[np.argpartition(values, -keep)[:-keep]] = 0.0
    matrix.eliminate_zeros()
    return matrix.astype(np.float32)
