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
        features: (rows, features), in columns, because the sampler iterates over features.
        group: (features,) index of each feature's hierarchical prior.
    """

    features: csc_array
    group: Ints

    @property
    def rows(self) -> int:
        """The number of distinct rows."""
        return int(self.features.shape[0])

    @cached_property
    def columns(self) -> tuple[Ints, Numbers, Floats]:
        """The features in compressed columns: start of each column, row indices, values."""
        features = self.features
        return features.indptr.astype(np.int64), features.indices.astype(np.uint32), features.data

    @classmethod
    def of(cls, parts: Sequence[csr_array]) -> "Block":
        """Concatenate feature matrices of the same rows; each matrix has its own prior."""
        group = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
        columns = csc_array(hstack([csr_array(part) for part in parts]), dtype=np.float64)
        columns.sort_indices()
        return cls(columns, group.astype(np.int64))


@dataclass(frozen=True)
class Rows:
    """The rows that each rating refers to, numbered consecutively over all blocks.

    Attributes:
        numbers: (ratings, blocks).
        by_row: for each block, the ratings sorted by row: the start of each row, the ratings, and
            the row numbers of the other blocks in that order, (ratings, blocks − 1).
    """

    numbers: Numbers
    by_row: list[tuple[Ints, Numbers, Numbers]]

    @classmethod
    def of(cls, rows: Sequence[NDArray[np.integer]], sizes: Sequence[int]) -> "Rows":
        """Build from each block's row numbers, (ratings,), and its number of rows."""
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
    """SVD++'s feature: the set of columns of a row, each with the weight 1/sqrt(set size)."""
    met = csr_array((np.ones(len(rows)), (rows, columns)), shape=shape, dtype=np.float64)
    met.sum_duplicates()
    met.data[:] = 1.0
    size = np.maximum(np.diff(met.indptr), 1)
    met.data /= np.repeat(np.sqrt(size), np.diff(met.indptr))
    return met
