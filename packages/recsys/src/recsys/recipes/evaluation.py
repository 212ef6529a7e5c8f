"""The offline metrics of Amazon Personalize, by its documented protocol.

The model learns from 90 % of the users. Of each other user the oldest 90 % of the interactions are
what the model is shown and the newest 10 % are what it has to find.
https://docs.aws.amazon.com/personalize/latest/dg/working-with-training-metrics.html

What the documentation leaves open is settled so:
- The other half of a hidden event, one of the same user with the same item at the same moment (the
  Click that goes with a Watch), is not shown: it would give the answer away.
- What the user has had is not recommended where people do not come back to it (fewer than 5 % of
  all events do), and never what the use case excludes.
- A related-items recipe is asked for the relatives of the last item shown.
- A user of whom nothing is left to show does not count.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.recipes.dataset import Dataset
from recsys.recipes.hyperparameters import grid
from recsys.recipes.interest import RARELY, returning
from recsys.recipes.objective import rewards
from recsys.recipes.recipe import Config, Model, Query, Recipe, top

_LENGTH = 25
_CUTS = (5, 10, 25)
_NAMES = {
    "mean_reciprocal_rank_at_25": "mrr@25",
    **{f"normalized_discounted_cumulative_gain_at_{k}": f"personalize_ndcg@{k}" for k in _CUTS},
    **{f"precision_at_{k}": f"precision@{k}" for k in _CUTS},
}


class Case(NamedTuple):
    """One judged user: what the model is shown, and the items it has to find."""

    query: Query
    hidden: NDArray[np.int32]


class Judged(NamedTuple):
    """What a model recommended to judged users.

    Attributes:
        lists: int64[users, 25], best first, −1 where a list is shorter.
        hidden: the items that each user had to be given.
        items: how many items there are.
    """

    lists: NDArray[np.int64]
    hidden: list[NDArray[np.int32]]
    items: int

    def metrics(self) -> dict[str, float]:
        """All of `recsys.metrics.ranking_metrics` at 5, 10 and 25."""
        from scipy.sparse import csr_array

        from recsys.metrics import ranking_metrics

        indptr = np.cumsum([0, *map(len, self.hidden)])
        indices = np.concatenate(self.hidden)
        shape = (len(self.hidden), self.items)
        relevant = csr_array((np.ones(len(indices)), indices, indptr), shape=shape)
        return ranking_metrics(self.lists, relevant, _CUTS)

    def rewarded(self, reward: NDArray[np.float64]) -> float:
        """The rewards of what users took of their lists, over those of all that was on them.

        Args:
            reward: of each item, float64[items].
        """
        rows = zip(self.lists, self.hidden, strict=True)
        taken = sum(float(reward[np.intersect1d(row, hidden)].sum()) for row, hidden in rows)
        possible = float(reward[self.lists[self.lists >= 0]].sum())
        return taken / possible if possible else 0.0


def evaluate(recipe: Recipe, data: Dataset, config: Config) -> dict[str, float]:
    """Amazon Personalize's metrics of `recipe` on `data`, by its names for them.

    Coverage, MRR@25, NDCG and precision @5, 10 and 25 (NDCG as its documentation words it); with
    an objective, average_rewards_at_k.
    """
    reward = rewards(data, config)
    users = held_out(data, 10, config.seed)[0]
    model = recipe.fit(without(data, users), config)
    judged = judge(model, data, users, config, recipe.related)
    found = judged.metrics()
    coverage = {"coverage": round(found["coverage@25"], 4)}
    metrics = coverage | {name: round(found[ours], 4) for name, ours in _NAMES.items()}
    if reward is not None:
        metrics["average_rewards_at_k"] = round(judged.rewarded(reward), 4)
    return metrics


def held_out(data: Dataset, folds: int, seed: int) -> list[NDArray[np.int64]]:
    """The users with at least two interactions, shuffled and cut into `folds`.

    Fewer users than folds make folds of one.
    """
    active = np.flatnonzero(np.diff(data.indptr) >= 2)
    shuffled = np.random.default_rng(seed).permutation(active)
    return np.array_split(shuffled, max(1, min(folds, len(shuffled))))


def without(data: Dataset, users: NDArray[np.int64]) -> Dataset:
    """The data less all interactions of `users`."""
    held = np.zeros(len(data.users), bool)
    held[users] = True
    return data.rows(~held[data.user])


def cases(data: Dataset, users: NDArray[np.int64], related: bool) -> list[Case]:
    """What to ask for each of `users`, and what the answers are."""
    found = []
    for user in users:
        first, last = int(data.indptr[user]), int(data.indptr[user + 1])
        cut = last - max(1, round((last - first) * 0.1))
        newest = data.timestamp[first:cut] >= data.timestamp[cut]
        twin = newest & np.isin(data.item[first:cut], data.item[cut:last])
        shown = first + np.flatnonzero(~twin)
        if not len(shown):
            continue
        query = Query(
            user=-1,  # she was not there when the model learned
            items=data.item[shown],
            timestamps=data.timestamp[shown],
            event_types=data.event_type[shown],
            event_values=data.event_value[shown],
            item=int(data.item[shown[-1]]) if related else -1,
            user_attributes=data.attributes_of(int(user)),
            now=float(data.timestamp[shown[-1]]),
        )
        found.append(Case(query, np.unique(data.item[cut:last])))
    return found


def judge(
    model: Model, data: Dataset, users: NDArray[np.int64], config: Config, related: bool
) -> Judged:
    """Ask `model` for each of `users`."""
    comes_back = returning(data) >= RARELY
    names = {name.lower() for name in config.exclude_event_types}
    kinds = [code for code, name in enumerate(data.event_types) if name.lower() in names]
    asked = cases(data, users, related)
    lists = np.full((len(asked), _LENGTH), -1, np.int64)
    for row, (query, _) in enumerate(asked):
        scores = np.array(model.score(query), np.float64)
        had = query.items
        scores[had[np.isin(query.event_types, kinds)] if comes_back else had] = -np.inf
        best = top(scores, _LENGTH)
        lists[row, : len(best)] = best
    return Judged(lists, [hidden for _, hidden in asked], len(data.items))


def best_of(
    recipe: Recipe,
    data: Dataset,
    config: Config,
    choices: Mapping[str, tuple[float, ...]],
    variant: Callable[[Model, Config], Model],
) -> Config:
    """Hyperparameter optimisation: `config` with what did best on users not learned from.

    A fifth of the users is judged by the protocol above; textbook NDCG@25 decides.

    Args:
        recipe: learns once, with the hyperparameters of `config`.
        data: the training's; who is to be reported on must not be in it.
        config: its `hpo` may narrow the choices.
        choices: the values of each hyperparameter.
        variant: the model as it would be with other hyperparameters.
    """
    users = held_out(data, 5, config.seed + 1)[0]
    model = recipe.fit(without(data, users), config)
    best, most = config, -1.0
    for chosen in grid(choices, config.hpo or {}):
        changed = replace(config, hyperparameters={**config.hyperparameters, **chosen})
        judged = judge(variant(model, changed), data, users, config, recipe.related)
        reached = judged.metrics()["ndcg@25"]
        if reached > most:
            best, most = changed, reached
    print(f"tuned on {len(users)} users: {best.hyperparameters} ndcg@25={most:.4f}")
    return best
