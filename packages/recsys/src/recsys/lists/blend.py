"""Combines item-to-item weights and next-item transitions into one score.

The score of an item is the sum of two parts, each standardized over the items: an item-to-item
model (EASE or EDLAE) of the history, in which older items count less, and what others took right
after the last items of the history (`recsys.item_models.Transitions`).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

NEXT_HALF_LIFE = 3.0  # half-life of the items that predict the next one, in items
_FELT = 1e-3  # weights below this are ignored


class Rows(Protocol):
    """The part of an items × items matrix that scoring needs."""

    def sum_rows(
        self, rows: NDArray[Any], weights: NDArray[Any], columns: int
    ) -> NDArray[np.float64]:
        """The weighted sum of some rows, float64[columns]."""
        ...


@dataclass(frozen=True)
class Dense:
    """A dense matrix, float32[items, items]."""

    matrix: NDArray[np.float32]

    def sum_rows(self, rows: NDArray[Any], weights: NDArray[Any], columns: int) -> Floats:
        """The weighted sum of some rows, float64[columns]."""
        return np.asarray(weights.astype(np.float32) @ self.matrix[rows], np.float64)


@dataclass(frozen=True)
class Blend:
    """Settings that can be changed without retraining.

    Attributes:
        half_life: half-life of a history's items, in items; infinity gives equal weights.
        next_item: weight of the next-item part.
    """

    half_life: float = 10.0
    next_item: float = 0.75

    def weights(self, interest: NDArray[Any], age: NDArray[Any]) -> Floats:
        """Weights of a history's items in the item-to-item model.

        Args:
            interest: (n,) interest in each item.
            age: (n,) number of later items.
        """
        weight = np.asarray(interest * 0.5 ** (age / self.half_life), np.float64)
        weight[weight <= _FELT] = 0.0
        return weight

    def next_weights(self, age: NDArray[Any]) -> Floats:
        """Weights of a history's items in the next-item model, by the number of later items."""
        near = age < 10 * NEXT_HALF_LIFE
        return np.where(near, 0.5 ** (age / NEXT_HALF_LIFE), 0.0) if self.next_item else age * 0.0

    def combined(self, together: Floats, follows: Floats | None) -> Floats:
        """Combine both parts' sums, (..., items); `follows` is None if it does not count."""
        scores = standardized(together)
        if follows is not None and self.next_item:
            scores += self.next_item * standardized(follows)
        return scores

    def score(
        self,
        together: Rows,
        follows: Rows,
        rows: Places,
        interest: NDArray[Any],
        age: NDArray[Any],
        columns: int,
    ) -> Floats:
        """Score every item for one history, float64[columns].

        Args:
            together: the item-to-item model.
            follows: the next-item model.
            rows: (n,) the history's items.
            interest: (n,) interest in each item.
            age: (n,) number of later items.
            columns: the number of items.
        """
        weight, near = self.weights(interest, age), self.next_weights(age)
        felt, last = weight > 0, near > 0
        sums = together.sum_rows(rows[felt], weight[felt], columns)
        if not last.any():
            return self.combined(sums, None)
        return self.combined(sums, follows.sum_rows(rows[last], near[last], columns))


def standardized(scores: Floats) -> Floats:
    """Standardize scores over the last axis; all 0 if they are equal."""
    mean, spread = moments(scores)
    return np.asarray((scores - mean) / spread)


def moments(scores: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation over the last axis, kept; the latter is ∞ for equal scores."""
    spread = scores.std(axis=-1, keepdims=True)
    level = spread <= 1e-9 * np.abs(scores).max(axis=-1, keepdims=True)  # equal except for rounding
    return scores.mean(axis=-1, keepdims=True), np.where(level, np.inf, spread)
