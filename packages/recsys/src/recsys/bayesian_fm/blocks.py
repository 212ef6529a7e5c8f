"""Design matrices with repeated rows: every rating of a user shares that user's features.

Rendle, "Scaling factorization machines to relational data" (VLDB 2013): work is done once for a
block's row instead of once for each rating that uses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, hstack

Ints = NDArray[np.int64]
Numbers = NDArray[np.uint32]
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

    @cached_property
    def columns(self) -> tuple[Ints, Numbers, Floats]:
        """The features as the sampler reads them: where each begins, its rows, its values."""
        features = self.features
        return features.indptr.astype(np.int64), features.indices.astype(np.uint32), features.data

    @classmethod
    def of(cls, parts: Sequence[csr_array]) -> "Block":
        """Put feature matrices of the same rows side by side, each under a prior of its own."""
        group = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
        columns = csc_array(hstack([csr_array(part) for part in parts]), dtype=np.float64)
        columns.sort_indices()
        return cls(columns, group.astype(np.int64))


@dataclass(frozen=True)
class Rows:
    """The rows that each rating refers to, all blocks' counted through.

    Attributes:
        numbers: (ratings, blocks).
        by_row: of each block, its ratings row by row: where each row's begin, the ratings, and the
            numbers of the other blocks' rows in that order, (ratings, blocks − 1).
    """

    numbers: Numbers
    by_row: list[tuple[Ints, Numbers, Numbers]]

    @classmethod
    def of(cls, rows: Sequence[NDArray[np.integer]], sizes: Sequence[int]) -> "Rows":
        """From each block's (ratings,) own row numbers, and how many rows it has."""
        ends = np.cumsum(sizes)
        numbers = (np.stack(rows, axis=1) + (ends - sizes)).astype(np.uint32)
        by_row = []
        for b, (row, size) in enumerate(zip(rows, sizes, strict=True)):
            order = np.argsort(row, kind="stable").astype(np.uint32)
            start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=size))])
            by_row.append((start.astype(np.int64), order, np.delete(numbers, b, axis=1)[order]))
        return cls(numbers, by_row)


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
