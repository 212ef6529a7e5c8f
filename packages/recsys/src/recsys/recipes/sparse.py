"""A minimal sparse matrix for serving: three arrays, without scipy."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sparse(NamedTuple):
    """A matrix in compressed rows: row r has `data[a:b]` in the columns `indices[a:b]`, where
    a, b = indptr[r], indptr[r + 1]."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]

    @classmethod
    def of(cls, matrix: Any) -> "Sparse":
        """Convert a scipy matrix in compressed rows."""
        return cls(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float32),
        )

    def sum_rows(
        self, rows: NDArray[Any], weights: NDArray[Any], columns: int
    ) -> NDArray[np.float64]:
        """The weighted sum of some rows, float64[columns]."""
        first, counts = self.indptr[rows], np.diff(self.indptr)[rows]
        starts = np.cumsum(counts) - counts
        entries = np.arange(int(counts.sum())) + np.repeat(first - starts, counts)
        values = self.data[entries] * np.repeat(weights, counts)
        return np.bincount(self.indices[entries], values, columns).astype(np.float64)

    def times(self, vector: NDArray[Any]) -> NDArray[np.float64]:
        """The product with a vector, float64[rows]."""
        rows = len(self.indptr) - 1
        row = np.repeat(np.arange(rows), np.diff(self.indptr))
        return np.bincount(row, self.data * vector[self.indices], rows).astype(np.float64)

    def save(self, folder: Path, name: str) -> None:
        """Write `name`.indptr.npy, .indices.npy and .data.npy."""
        for part, array in self._asdict().items():
            np.save(folder / f"{name}.{part}.npy", array)

    @classmethod
    def load(cls, folder: Path, name: str) -> "Sparse":
        """Load what `save` wrote, memory-mapped."""
        return cls(*(np.load(folder / f"{name}.{part}.npy", mmap_mode="r") for part in cls._fields))
