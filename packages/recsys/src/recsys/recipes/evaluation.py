"""The offline metrics of Amazon Personalize, by its documented protocol.

The model is trained on 90 % of the users. For each other user, the oldest 90 % of the interactions
are the model's input and the newest 10 % are the targets.
https://docs.aws.amazon.com/personalize/latest/dg/working-with-training-metrics.html

Where the documentation is silent, these rules apply:
- An event of the same user and item at the same time as a target (the Click of a Watch) is removed
  from the input, because it would reveal the target.
- Items of the user's history are not recommended if repeated events are rare (fewer than 5 % of all
  events), and items that the use case excludes never are.
- A related-items recipe is queried with the last item of the input.
- Users without any remaining input are ignored.
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
    """One evaluated user: the model's input, and the target items."""

    query: Query
    hidden: NDArray[np.int32]


class Judged(NamedTuple):
    """A model's recommendations for the evaluated users.

    Attributes:
        lists: int64[users, 25], best first, padded with −1.
        hidden: the target items of each user.
        items: the number of items.
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
    """Compute Amazon Personalize's metrics of `recipe` on `data`, by their names there.

    Coverage, MRR@25, NDCG and precision @5, 10 and 25 (NDCG as its documentation defines it); with
    an objective, average_rewards_at_k. None if no user has the interactions to be evaluated with.
    """
    reward = rewards(data, config)
    users = held_out(data, 10, config.seed)[0]
    model = recipe.fit(without(data, users), config)
    judged = judge(model, data, users, config, recipe.related)
    if not judged.hidden:
        return {}
    found = judged.metrics()
    coverage = {"coverage": round(found["coverage@25"], 4)}
    metrics = coverage | {name: round(found[ours], 4) for name, ours in _NAMES.items()}
    if reward is not None:
        metrics["average_rewards_at_k"] = round(judged.rewarded(reward), 4)
    return metrics


def held_out(data: Dataset, folds: int, seed: int) -> list[NDArray[np.int64]]:
    """Shuffle the users with at least two interactions and divide them into `folds`.

    If there are fewer users than folds, each fold has one user.
    """
    active = np.flatnonzero(np.diff(data.indptr) >= 2)
    shuffled = np.random.default_rng(seed).permutation(active)
    return np.array_split(shuffled, max(1, min(folds, len(shuffled))))


def without(data: Dataset, users: NDArray[np.int64]) -> Dataset:
    """The data without the interactions of `users`."""
    held = np.zeros(len(data.users), bool)
    held[users] = True
    return data.rows(~held[data.user])


def cases(data: Dataset, users: NDArray[np.int64], related: bool) -> list[Case]:
    """The queries for `users` and their targets."""
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
            user=-1,  # the user was not in the training data
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
    """Query `model` for each of `users`."""
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
    """Hyperparameter optimization: `config` with the best values on held-out users.

    A fifth of the users is evaluated by the protocol above, and the usual NDCG@25 decides.

    Args:
        recipe: trained once, with the hyperparameters of `config`.
        data: the training data; it must not contain the users of the reported metrics.
        config: its `hpo` may narrow the choices.
        choices: the values of each hyperparameter.
        variant: returns a model with other hyperparameters.
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
