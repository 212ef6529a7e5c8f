"""The baselines that a model has to beat."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.datasets.ratings import Ratings
from recsys.datasets.scale import Scale
from recsys.datasets.splits import Split

_ROUNDS = 50
_CHANGE = 1e-4


@dataclass(frozen=True, eq=False)
class Bias:
    """mean + user's bias + item's bias, the biases shrunk towards zero.

    Minimises the squared error plus `shrink` times the squares of the biases (Koren, Bell and
    Volinsky 2009, equation 4, with one constant for both), by turns until they rest.

    Attributes:
        mean: of the targets.
        user, item: biases by id; ids that were not seen have none.
    """

    mean: float
    user: NDArray[np.float64]
    item: NDArray[np.float64]

    @classmethod
    def fit(cls, rows: Ratings, target: NDArray[Any], shrink: float = 5.0) -> "Bias":
        """Learn from the targets, one for each row (ratings, or labels of 0 and 1)."""
        mean = float(target.mean(dtype=np.float64))
        rest = target - np.float64(mean)
        of_user = np.bincount(rows.user, rest)
        of_item = np.bincount(rows.item, rest)
        shape = len(of_user), len(of_item)
        rated = csr_array((np.ones(len(rows)), (rows.user, rows.item)), shape)
        raters = rated.T.tocsr()
        user_count, item_count = rated.sum(axis=1) + shrink, raters.sum(axis=1) + shrink
        user, item = np.zeros(shape[0]), np.zeros(shape[1])
        for _ in range(_ROUNDS):
            before = user
            item = (of_item - raters @ user) / item_count
            user = (of_user - rated @ item) / user_count
            if np.abs(user - before).max() < _CHANGE:
                break
        return cls(mean, user, item)

    def predict(self, rows: Ratings) -> NDArray[np.float64]:
        """The expected target of each row."""
        return self.mean + _at(self.user, rows.user) + _at(self.item, rows.item)


def _at(values: NDArray[np.float64], ids: NDArray[np.int32]) -> NDArray[np.float64]:
    """The values of the ids, 0 for ids beyond them."""
    return np.where(ids < len(values), values[np.minimum(ids, len(values) - 1)], 0.0)


def baselines(parts: Split, scale: Scale) -> dict[str, dict[str, float]]:
    """Each baseline's figures on the validation part, learned from the training part.

    `rating_mse`: mean squared error of the global mean, of the user's mean and of the biases.
    `recommendation_accuracy`: share of right answers to "liked, by the scale?" by always giving the
    more frequent answer, and by biases fitted to those labels, cut at a half.
    """
    train, validation = parts.train, parts.validation
    truth = validation.rating.astype(np.float64)
    mean = float(train.rating.mean(dtype=np.float64))
    counts = np.bincount(train.user)
    sums = np.bincount(train.user, train.rating - np.float64(mean))
    of_user = mean + _at(sums / np.maximum(counts, 1), validation.user)
    ratings = Bias.fit(train, train.rating).predict(validation)

    liked, label = scale.likes(train.rating), scale.likes(validation.rating)
    majority = float(liked.mean()) > 0.5
    labels = Bias.fit(train, liked.astype(np.float32)).predict(validation) > 0.5
    return {
        "rating_mse": {
            "global_mean": float(np.mean((truth - mean) ** 2)),
            "user_mean": float(np.mean((truth - of_user) ** 2)),
            "bias": float(np.mean((truth - ratings) ** 2)),
        },
        "recommendation_accuracy": {
            "majority": float(np.mean(label == majority)),
            "bias": float(np.mean(label == labels)),
        },
    }
