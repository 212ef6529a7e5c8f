"""Nearest-neighbour search in a model's embedding space."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_SPARE = 16  # additional candidates, because the fast distances are rounded


@dataclass(frozen=True)
class Neighbour:
    """A neighbour of a movie: its own id, title, and Euclidean distance."""

    movie: str
    title: str
    distance: float


class Embeddings:
    """The embeddings of a catalogue, ready for exact nearest-neighbour search.

    Args:
        movies: n distinct movie ids, ascending.
        vectors: their embeddings, (n, dimensions) float32. They are modified in place to have mean
            zero, which does not change distances but improves their precision in float32.
    """

    def __init__(self, movies: Sequence[int], vectors: npt.NDArray[np.float32]) -> None:
        self.movies = np.asarray(movies, dtype=np.int64)
        vectors -= vectors.mean(axis=0)
        self._vectors = vectors
        self._squares = np.einsum("ij,ij->i", vectors, vectors)
        self._row = {int(movie): row for row, movie in enumerate(self.movies)}

    def __contains__(self, movie: int) -> bool:
        return movie in self._row

    def nearest(self, movie: int, count: int) -> list[tuple[int, float]]:
        """The `count` nearest movies of `movie`, excluding itself, with distances, nearest first.

        Equal distances are ordered by movie id. The result is shorter if the catalogue is.

        Raises:
            KeyError: `movie` is not in the catalogue.
        """
        row = self._row[movie]
        query = self._vectors[row]
        # |a - q|^2 minus |q|^2, which is the same for every a: one matrix product finds candidates
        quick = self._squares - 2 * (self._vectors @ query)
        last = min(count + 1 + _SPARE, len(quick)) - 1
        rows = np.flatnonzero(quick <= np.partition(quick, last)[last])
        rows = rows[rows != row]
        exact = np.linalg.norm(self._vectors[rows].astype(np.float64) - query, axis=1)
        order = np.lexsort((self.movies[rows], exact))[:count]
        return [(int(self.movies[rows[i]]), float(exact[i])) for i in order]
