"""The offline metrics of Amazon Personalize, by its documented protocol.

The model learns from 90 % of the users. Of each other user the oldest 90 % of the interactions are
what the model is shown and the newest 10 % are what it has to find.
https://docs.aws.amazon.com/personalize/latest/dg/working-with-training-metrics.html
"""

import numpy as np
from numpy.typing import NDArray

from recsys.recipes.dataset import Dataset
from recsys.recipes.recipe import Config, Query, Recipe
from recsys.recipes.serve import top

_CUTS = (5, 10, 25)


def evaluate(recipe: Recipe, data: Dataset, config: Config) -> dict[str, float]:
    """Metrics of `recipe` on `data`: coverage, MRR@25, NDCG and precision @5, 10 and 25."""
    rng = np.random.default_rng(config.seed)
    active = np.flatnonzero(np.diff(data.indptr) >= 2)
    judged = rng.permutation(active)[: max(1, len(active) // 10)]
    held = np.zeros(len(data.users), dtype=bool)
    held[judged] = True
    model = recipe.fit(data.rows(~held[data.user]), config)
    recommended = np.zeros(len(data.items), dtype=bool)
    rows = []
    for user in judged:
        first, last = int(data.indptr[user]), int(data.indptr[user + 1])
        cut = last - max(1, round((last - first) * 0.1))
        shown = slice(first, cut)
        hidden = np.unique(data.item[cut:last])
        query = Query(
            user=-1,
            items=data.item[shown],
            timestamps=data.timestamp[shown],
            event_types=data.event_type[shown],
            event_values=data.event_value[shown],
            item=int(data.item[cut - 1]) if "similar" in config.recipe else -1,
            now=float(data.timestamp[cut - 1]),
        )
        scores = np.array(model.score(query), dtype=np.float64)
        scores[np.setdiff1d(query.items, hidden)] = -np.inf
        best = top(scores, 25)
        recommended[best] = True
        rows.append(_judge(np.isin(best, hidden), len(hidden)))
    means = np.mean(rows, axis=0)
    names = ["mean_reciprocal_rank_at_25"]
    names += [f"normalized_discounted_cumulative_gain_at_{k}" for k in _CUTS]
    names += [f"precision_at_{k}" for k in _CUTS]
    return {
        "coverage": float(recommended.mean()),
        **{name: round(float(mean), 4) for name, mean in zip(names, means, strict=True)},
    }


def _judge(hits: NDArray[np.bool_], wanted: int) -> list[float]:
    """MRR@25, then NDCG and precision at each cut, of one list of hits and misses."""
    found = np.flatnonzero(hits)
    gains = 1.0 / np.log2(np.arange(2, 27))
    row = [1.0 / (1 + found[0]) if len(found) else 0.0]
    row += [float(gains[found[found < k]].sum() / gains[: min(wanted, k)].sum()) for k in _CUTS]
    row += [float((found < k).sum() / k) for k in _CUTS]
    return row
