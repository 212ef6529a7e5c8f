"""Evaluates any engine in the same way: ratings, recommendations and lists.

from recsys.evaluation import evaluate

bias = Bias.fit(train, train.rating)
evaluate(bias.predict, train, test, "rating")  # {"rmse": …, "mse": …, "mae": …}
evaluate(bias.predict, train, test, "ranking")  # {"ndcg@10": …, …}
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.datasets.ratings import Ratings
from recsys.datasets.scale import Scale
from recsys.metrics import binary_metrics, ranking_metrics, rating_metrics, top_k

Predict = Callable[[Ratings], NDArray[Any]]
"""A trained engine: maps rows, ignoring their ratings, to one score each."""

Task = Literal["rating", "recommendation", "ranking"]

_PAIRS = 1 << 21  # pairs per batch of scoring


def evaluate(
    predict: Predict,
    train: Ratings,
    test: Ratings,
    task: Task = "rating",
    *,
    cutoffs: Sequence[int] = (5, 10, 25),
    scale: Scale | None = None,
) -> dict[str, float]:
    """Evaluate an engine on held-out ratings.

    Args:
        predict: the engine. For rows it returns expected ratings for the task "rating",
            probabilities that the item is liked for "recommendation", and for "ranking" any scores
            that are higher for better items.
        train: the training part.
        test: the test part.
        task: "rating", "recommendation" or "ranking".
        cutoffs: the lengths of lists, for "ranking".
        scale: the rating scale; by default, the scale found in `train`.

    Returns:
        "rating": `rmse`, `mse`, `mae`, of predictions clipped to the scale.
        "recommendation": `accuracy` (a probability above ½ means yes) and `auc`.
        "ranking": all of `recsys.metrics.ranking_metrics`. Every user of `test` gets a list of the
        items of both parts, without those that the user rated in `train`; every item that the user
        rated in `test`, whatever the rating, is a hit (the protocol of Microsoft's Recommenders).

    Raises:
        ValueError: the task is unknown, or `test` is empty.
    """
    if not len(test):
        raise ValueError("test: there are no rows to evaluate the engine on")
    if task == "rating":
        scale = scale or Scale.of(train.rating)
        return rating_metrics(test.rating, np.clip(predict(test), scale.least, scale.most))
    if task == "recommendation":
        scale = scale or Scale.of(train.rating)
        return binary_metrics(scale.likes(test.rating), predict(test))
    if task == "ranking":
        return _ranking(predict, train, test, cutoffs)
    raise ValueError(f"task: must be rating, recommendation or ranking, not {task!r}")


def _ranking(
    predict: Predict, train: Ratings, test: Ratings, cutoffs: Sequence[int]
) -> dict[str, float]:
    users = np.unique(test.user)
    items, places = np.unique(np.concatenate([train.item, test.item]), return_inverse=True)
    taken, wanted = np.split(places, [len(train)])
    relevant = csr_array(
        (np.ones(len(test)), (np.searchsorted(users, test.user), wanted)),
        shape=(len(users), len(items)),
    )
    row = np.searchsorted(users, train.user)
    judged = row < len(users)
    judged[judged] = users[row[judged]] == train.user[judged]
    seen = csr_array(
        (np.ones(int(judged.sum())), (row[judged], taken[judged])),
        shape=(len(users), len(items)),
    )
    now = int(train.timestamp.max())
    lists = []
    step = max(1, _PAIRS // len(items))
    for first in range(0, len(users), step):
        some = users[first : first + step]
        pairs = len(some) * len(items)
        scores = predict(
            Ratings(
                np.repeat(some, len(items)),
                np.tile(items, len(some)),
                np.zeros(pairs, np.float32),
                np.full(pairs, now),
            )
        )
        scores = np.array(scores, np.float64).reshape(len(some), len(items))
        scores[seen[first : first + step].nonzero()] = -np.inf
        lists.append(top_k(scores, max(cutoffs)))
    popularity = np.bincount(taken, minlength=len(items))
    return ranking_metrics(np.concatenate(lists), relevant, cutoffs, popularity)
