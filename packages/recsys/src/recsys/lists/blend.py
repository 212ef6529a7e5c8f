"""How what goes together and what comes next become one score.

The score of an item is a sum of two parts, each in units of its spread over the items: an
item-to-item model (EASE or EDLAE) of the history, in which an older item counts less, and what
others took right after the items at the history's end (`recsys.item_models.Transitions`).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

NEXT_HALF_LIFE = 3.0  # of the items that lead to the next one, in items
_FELT = 1e-3  # far back in a history a weight is not worth a row


class Rows(Protocol):
    """An items × items matrix, as far as scoring needs one."""

    def sum_rows(
        self, rows: NDArray[Any], weights: NDArray[Any], columns: int
    ) -> NDArray[np.float64]:
        """The weighted sum of some rows, float64[columns]."""
        ...


@dataclass(frozen=True)
class Dense:
    """A matrix that is held whole, float32[items, items]."""

    matrix: NDArray[np.float32]

    def sum_rows(self, rows: NDArray[Any], weights: NDArray[Any], columns: int) -> Floats:
        """The weighted sum of some rows, float64[columns]."""
        return np.asarray(weights.astype(np.float32) @ self.matrix[rows], np.float64)


@dataclass(frozen=True)
class Blend:
    """The settings that can be changed without learning again.

    Attributes:
        half_life: of a history's items, in items; infinity makes all weigh the same.
        next_item: weight of what follows the last items.
    """

    half_life: float = 10.0
    next_item: float = 0.75

    def weights(self, interest: NDArray[Any], age: NDArray[Any]) -> Floats:
        """Weights of a history's items in the item-to-item model.

        Args:
            interest: (n,) in each item.
            age: (n,) items that came after each.
        """
        weight = np.asarray(interest * 0.5 ** (age / self.half_life), np.float64)
        weight[weight <= _FELT] = 0.0
        return weight

    def next_weights(self, age: NDArray[Any]) -> Floats:
        """Weights of a history's items for what comes next, by the items that came after each."""
        near = age < 10 * NEXT_HALF_LIFE
        return np.where(near, 0.5 ** (age / NEXT_HALF_LIFE), 0.0) if self.next_item else age * 0.0

    def combined(self, together: Floats, follows: Floats | None) -> Floats:
        """Scores from both parts' sums, (..., items); `follows` is None where nothing counts."""
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
        """Score of every item for one history, float64[columns].

        Args:
            together: the item-to-item model.
            follows: what is taken next.
            rows: (n,) the history's items.
            interest: (n,) in each.
            age: (n,) items that came after each.
            columns: how many items there are.
        """
        weight, near = self.weights(interest, age), self.next_weights(age)
        felt, last = weight > 0, near > 0
        sums = together.sum_rows(rows[felt], weight[felt], columns)
        if not last.any():
            return self.combined(sums, None)
        return self.combined(sums, follows.sum_rows(rows[last], near[last], columns))


def standardized(scores: Floats) -> Floats:
    """Scores in units of their spread over the last axis, around 0; all 0 where they are equal."""
    mean, spread = moments(scores)
    return np.asarray((scores - mean) / spread)


def moments(scores: Floats) -> tuple[Floats, Floats]:
    """Mean and spread over the last axis, kept; the spread of scores that are all equal is ∞."""
    spread = scores.std(axis=-1, keepdims=True)
    level = spread <= 1e-9 * np.abs(scores).max(axis=-1, keepdims=True)  # equal but for rounding
    return scores.mean(axis=-1, keepdims=True), np.where(level, np.inf, spread)
