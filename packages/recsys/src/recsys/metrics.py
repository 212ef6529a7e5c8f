"""Metrics of predictions and recommendations: one definition for all engines."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Scores = NDArray[np.floating]


def rating_metrics(actual: Scores, predicted: Scores) -> dict[str, float]:
    """Compute errors of predicted ratings: `rmse`, `mae` (rating units), `mse` (squared units)."""
    error = np.asarray(predicted, np.float64) - np.asarray(actual, np.float64)
    mse = float(np.mean(error**2))
    return {"rmse": mse**0.5, "mse": mse, "mae": float(np.mean(np.abs(error)))}


def binary_metrics(
    actual: NDArray[np.bool_], score: Scores, threshold: float = 0.5
) -> dict[str, float]:
    """Compute `accuracy` (scores above `threshold` mean yes) and `auc` (ties count half)."""
    positive = np.asarray(actual, bool)
    accuracy = float(np.mean((score > threshold) == positive))
    return {"accuracy": accuracy, "auc": _auc(positive, score)}


def _auc(positive: NDArray[np.bool_], score: Scores) -> float:
    """The Mann-Whitney statistic: the probability that a positive outscores a negative."""
    yes, no = int(positive.sum()), int((~positive).sum())
    if yes == 0 or no == 0:
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(count)
    rank = (last_rank - (count - 1) / 2)[place]
    return float((rank[positive].sum() - yes * (yes + 1) / 2) / (yes * no))


def ranking_metrics(
    recommended: NDArray[np.integer],
    relevant: csr_array,
    cutoffs: Sequence[int] = (5, 10, 25),
    popularity: NDArray[np.integer] | None = None,
) -> dict[str, float]:
    """Compute metrics of recommended lists, as means over users.

    Users without relevant items are ignored.

    Args:
        recommended: (users, places) item indices, best first; -1 pads shorter lists.
        relevant: (users, items); a stored value marks a relevant item.
        cutoffs: the list lengths k.
        popularity: (items,) number of users of each item in training, for novelty.

    Returns:
        For each k: `ndcg@k` (binary gains, normalised by the best list of k), `personalize_ndcg@k`
        (the same discounts, normalised by the best order of the hits in the list, as Amazon
        Personalize's developer guide defines it), `precision@k` (over k), `recall@k`,
        `map@k` (average precision over all relevant items, as in Microsoft's Recommenders),
        `mrr@k`, `hit_rate@k`, `coverage@k` (share of all items that appear in at least one list),
        and with `popularity` also `novelty@k` (mean -log2 of an item's share of training events).
    """
    items = relevant.shape[1]
    counts = np.diff(relevant.indptr)
    judged = counts > 0
    hits = _hits(recommended, relevant)[judged]
    counts = counts[judged].astype(np.float64)
    found: dict[str, float] = {}
    for k in cutoffs:
        lists = recommended[:, :k]
        hit = hits[:, :k].astype(np.float64)
        place = np.arange(1, hit.shape[1] + 1)
        discount = 1 / np.log2(place + 1)
        dcg = hit @ discount
        best = _ideal(k)
        seen = hit.cumsum(axis=1)
        total = seen[:, -1]
        first = np.where(total > 0, 1 / (hit.argmax(axis=1) + 1), 0.0)
        found[f"ndcg@{k}"] = _mean(ndcg(hit, counts, k))
        found[f"personalize_ndcg@{k}"] = _mean(
            np.divide(dcg, best[total.astype(int)], out=np.zeros_like(dcg), where=total > 0)
        )
        found[f"precision@{k}"] = _mean(total / k)
        found[f"recall@{k}"] = _mean(total / counts)
        found[f"map@{k}"] = _mean((hit * seen / place).sum(axis=1) / counts)
        found[f"mrr@{k}"] = _mean(first)
        found[f"hit_rate@{k}"] = _mean((total > 0).astype(np.float64))
        shown = lists[judged][lists[judged] >= 0]
        found[f"coverage@{k}"] = len(np.unique(shown)) / items
        if popularity is not None and len(shown):
            share = np.maximum(popularity, 1) / max(int(popularity.sum()), 1)
            found[f"novelty@{k}"] = _mean(-np.log2(share[shown]))
    return found


def ndcg(hit: NDArray[Any], counts: NDArray[Any], k: int | None = None) -> Floats:
    """Each user's nDCG with binary gains, normalized by the best list of k, float64[users].

    Args:
        hit: (users, places) whether the item at a place is relevant.
        counts: (users,) the number of relevant items, at least 1.
        k: the length of the best list; None for the number of places.
    """
    k = hit.shape[1] if k is None else k
    gains = hit @ (1 / np.log2(np.arange(2, hit.shape[1] + 2)))
    return np.asarray(gains / _ideal(k)[np.minimum(counts, k).astype(int)], np.float64)


def _ideal(k: int) -> Floats:
    """The discounted gain of the best list with 0 … k relevant items."""
    return np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])


def top_k(scores: Scores, k: int) -> NDArray[np.int64]:
    """Return the indices of each row's `k` largest scores, best first; ties by lower index.

    Args:
        scores: (rows, items); -inf excludes an item.

    Returns:
        (rows, min(k, items)), padded with -1 where only excluded items are left.
    """
    k = min(k, scores.shape[1])
    part = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    part.sort(axis=1)  # so that the stable sort below breaks ties by index
    value = np.take_along_axis(scores, part, axis=1)
    order = np.argsort(-value, axis=1, kind="stable")
    best = np.take_along_axis(part, order, axis=1)
    return np.where(np.isneginf(np.take_along_axis(value, order, axis=1)), -1, best)


def _hits(recommended: NDArray[np.integer], relevant: csr_array) -> NDArray[np.bool_]:
    """(users, places): whether the item at each place is relevant to the user."""
    users, items = relevant.shape
    owner = np.repeat(np.arange(users, dtype=np.int64), np.diff(relevant.indptr))
    wanted = np.sort(owner * items + relevant.indices)
    asked = np.arange(users, dtype=np.int64)[:, None] * items + recommended
    place = np.searchsorted(wanted, asked)
    place[place == len(wanted)] = 0
    hit: NDArray[np.bool_] = (recommended >= 0) & (len(wanted) > 0)
    if len(wanted):
        hit &= wanted[place] == asked
    return hit


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
