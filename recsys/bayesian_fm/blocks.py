"""Design matrices with repeated rows: every rating of a user shares that user's features.

Rendle, "Scaling factorization machines to relational data" (VLDB 2013): work is done once for a
block's row instead of once for each rating that uses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, hstack

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Rows of features that ratings refer to.

    Attributes:
        features: (rows, features), by columns, for the sampler goes feature by feature.
        group: (features,) index of the hierarchical prior that each feature falls under.
    """

    features: csc_array
    group: Ints

    @property
    def rows(self) -> int:
        """How many different rows there are."""
        return int(self.features.shape[0])

    @classmethod
    def of(cls, parts: Sequence[csr_array]) -> "Block":
        """Put feature matrices of the same rows side by side, each under a prior of its own."""
        group = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
        columns = csc_array(hstack([csr_array(part) for part in parts]), dtype=np.float64)
        columns.sort_indices()
        return cls(columns, group.astype(np.int64))


def identity(rows: int) -> csr_array:
    """One feature for each row."""
    return csr_array(
        (np.ones(rows), np.arange(rows), np.arange(rows + 1)), shape=(rows, rows), dtype=np.float64
    )


def implicit(
    rows: NDArray[np.integer], columns: NDArray[np.integer], shape: tuple[int, int]
) -> csr_array:
    """SVD++'s feature: the set of what a row met, each member weighing 1/sqrt of its size."""
    met = csr_array((np.ones(len(rows)), (rows, columns)), shape=shape, dtype=np.float64)
    met.sum_duplicates()
    met.data[:] = 1.0
    size = np.maximum(np.diff(met.indptr), 1)
    met.data /= np.repeat(np.sqrt(size), np.diff(met.indptr))
    return met
