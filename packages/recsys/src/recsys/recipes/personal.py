"""Predicts the items that a user will take next, and ranks given items for a user.

The score of an item is the sum of two parts, each standardized over the items: EDLAE
(`recsys.item_models.Ease`) of the user's history, where older items count less, and what others
took right after the user's latest items (`Transitions`). Settings were chosen on MovieLens 100k.
Users without a history get popular items, adjusted to the preferences of users with the same
attributes. Items with too few interactions get the average score of items with the same attributes.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.lists.blend import Blend, Dense, standardized
from recsys.recipes import objective
from recsys.recipes.dataset import Dataset
from recsys.recipes.evaluation import best_of
from recsys.recipes.hyperparameters import Given
from recsys.recipes.interest import RARELY, Interest, Taken, returning
from recsys.recipes.metadata import Attributes, Preferences
from recsys.recipes.recipe import Config, Model, Query
from recsys.recipes.sparse import Sparse

MOST_ITEMS = 4000  # limit to the most taken items; the item-item matrix then has 64 MB
_REGULARIZATION, _DROPOUT = 150.0, 0.5
_SHARPNESS = 0.5  # logits per standard deviation of the returned scores
_DAY = 86400


@dataclass(frozen=True)
class Mix:
    """Settings that can be changed without retraining.

    Attributes:
        half_life: half-life of a history's items, in items.
        next_item: weight of the next-item part.
        exploration: 0 … 1, the strength with which new items are moved up.
        new_days: the number of days for which an item is new.
    """

    half_life: float = 10.0
    next_item: float = 0.75
    exploration: float = 0.0
    new_days: float = 30.0

    @classmethod
    def of(cls, config: Config) -> Self:
        """Parse the recipe's hyperparameters; `InputError` for unknown names."""
        given = Given(config.hyperparameters)
        recency = given.flag("apply_recency_bias", True) and given.flag("recency_mask", True)
        first = config.recipe == "aws-user-personalization"
        mix = cls(
            half_life=given.number("history_half_life", cls.half_life, 0.5, 1e9),
            next_item=given.number("next_item_weight", cls.next_item, 0.0, 10.0),
            exploration=given.number("exploration_weight", 0.3 if first else 0.0, 0.0, 1.0),
            new_days=given.number("exploration_item_age_cut_off", cls.new_days, 0.0, 1e5),
        )
        given.close()
        if not recency:
            mix = replace(mix, half_life=1e9)
        return mix


@dataclass(frozen=True)
class PersonalModel:
    """A trained recommender.

    Attributes:
        items: the number of items, and of scores.
        learned: codes of the items in the model, int64[m].
        weights: EDLAE, float32[m, m].
        follows: the next-item model, m × m.
        counts: users of each learned item, float64[m].
        end: time of the newest event, seconds since 1970.
        born: time when each item was created or first taken, float64[items], NaN if unknown.
        attributes: attributes of all items.
        preferences: preferences of users and contexts, over the learned items.
        interest: the weights of events.
        returns: whether users take items again.
        lift: what an objective adds to the score of each item, in standard deviations of the
            user's scores, float64[items].
        place: index of each item in `learned`, int64[items], −1 for items not in the model.
    """

    items: int
    learned: NDArray[np.int64]
    weights: NDArray[np.float32]
    follows: Sparse
    counts: NDArray[np.float64]
    end: float
    born: NDArray[np.float64]
    attributes: Attributes
    preferences: Preferences
    interest: Interest
    returns: bool
    mix: Mix
    lift: NDArray[np.float64]
    place: NDArray[np.int64] = field(init=False)
    _unknown: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        place = np.full(self.items, -1, np.int64)
        place[self.learned] = np.arange(len(self.learned))
        object.__setattr__(self, "_unknown", np.flatnonzero(place < 0))
        object.__setattr__(self, "place", place)

    def score(self, query: Query) -> NDArray[np.float32]:
        """A logit for each item; items of the history come last if users do not return to items."""
        taken = self.interest.in_query(query)
        age = np.arange(len(taken.item))[::-1]
        rows = self.place[taken.item]
        known = rows >= 0
        if known.any():
            learned = Blend(self.mix.half_life, self.mix.next_item).score(
                Dense(self.weights),
                self.follows,
                rows[known],
                taken.interest[known],
                age[known],
                len(self.learned),
            )
            said = self.preferences.lift(query.context)
        else:
            learned = standardized(np.log(self.counts + 1.0))
            said = self.preferences.lift(query.user_attributes, query.context)
            if len(taken.item):  # only items without other users: use their attributes
                weights = 0.5 ** (age / self.mix.half_life)
                learned += standardized(self.attributes.like(taken.item, weights)[self.learned])
        if said is not None:
            learned += said
        scores = np.empty(self.items)
        scores[self.learned] = learned
        if len(self._unknown):
            scores[self._unknown] = self.attributes.carried_over(
                learned, self.learned, self._unknown
            )
        scores += self.lift * scores.std()
        if self.mix.exploration:
            now = min(query.now, self.end)
            new = ~(self.born < now - self.mix.new_days * _DAY)
            scores[new] += self.mix.exploration * (scores.max() - scores[new])
        if not self.returns:
            scores[taken.item] -= scores.max() - scores.min() + 1.0
        return np.asarray(_SHARPNESS * scores, np.float32)

    def save(self, folder: Path) -> None:
        """Write a file for each array, and `personal.json`."""
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        self.follows.save(folder, "follows")
        self.attributes.save(folder)
        self.preferences.save(folder)
        plain = {
            "items": self.items,
            "end": self.end,
            "returns": self.returns,
            "interest": asdict(self.interest),
            "mix": asdict(self.mix),
        }
        (folder / "personal.json").write_text(json.dumps(plain), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote, memory-mapped."""
        plain = json.loads((folder / "personal.json").read_text(encoding="utf-8"))
        interest = plain["interest"]
        arrays: dict[str, Any] = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r" if name == "weights" else None)
            for name in _ARRAYS
        }
        return cls(
            items=plain["items"],
            end=plain["end"],
            returns=plain["returns"],
            interest=Interest(**{**interest, "weights": tuple(interest["weights"])}),
            mix=Mix(**plain["mix"]),
            follows=Sparse.load(folder, "follows"),
            attributes=Attributes.load(folder),
            preferences=Preferences.load(folder),
            **arrays,
        )


_ARRAYS = ("learned", "weights", "counts", "born", "lift")


class Personal:
    """User-Personalization, Personalized-Ranking and Top picks: one model for all."""

    model: type[Model] = PersonalModel
    related = False

    def fit(self, data: Dataset, config: Config) -> PersonalModel:
        """Train on all of `data`; takes seconds up to some hundred thousand events.

        An UPDATE training retrains completely, which is as fast, with the hyperparameters of the
        version that it starts from.
        """
        config = inherited(config)
        mix = Mix.of(config)
        interest = Interest.of(data, config)
        return learn(data, interest.in_data(data), interest, mix, objective.lift(data, config))

    def tune(self, data: Dataset, config: Config) -> Config:
        """Choose half-life and weights on a held-out fifth of the users."""
        choices = {
            "history_half_life": (5.0, 10.0, 20.0),
            "next_item_weight": (0.25, 0.75, 1.5),
        }

        def variant(model: Model, changed: Config) -> Model:
            assert isinstance(model, PersonalModel)
            return replace(model, mix=Mix.of(changed))

        return best_of(self, data, config, choices, variant)


def inherited(config: Config) -> Config:
    """`config` with the hyperparameters of the version that an UPDATE starts from."""
    if config.previous is None:
        return config
    result = json.loads((Path(config.previous) / "result.json").read_text(encoding="utf-8"))
    return replace(
        config, hyperparameters={**result.get("hyperparameters", {}), **config.hyperparameters}
    )


def learn(
    data: Dataset,
    taken: Taken,
    interest: Interest,
    mix: Mix,
    lift: NDArray[np.float64] | None = None,
) -> PersonalModel:
    """Train the model on the items `taken`, with what an objective adds to each item's score.

    Raises:
        InputError: there are none.
    """
    from scipy import sparse  # imported late, because serving starts twice as fast without it

    from recsys.item_models import Ease, Transitions

    items = len(data.items)
    counts = np.bincount(taken.item, minlength=items)
    learned = most_taken(counts)
    place = np.full(items, -1, np.int64)
    place[learned] = np.arange(len(learned))
    column = place[taken.item]
    kept = column >= 0
    shape = (len(data.users), len(learned))
    value = taken.interest[kept] / np.median(taken.interest)
    matrix = sparse.csr_array((value, (taken.user[kept], column[kept])), shape=shape)
    ease = Ease(_REGULARIZATION, _DROPOUT).fit(matrix[np.diff(matrix.indptr) > 0])
    follows = Transitions().fit(taken.user[kept], column[kept], len(learned))
    return PersonalModel(
        items=items,
        learned=learned,
        weights=ease.weights,
        follows=Sparse.of(follows.weights),
        counts=counts[learned].astype(np.float64),
        end=float(data.timestamp.max()),
        born=_born(data),
        attributes=Attributes.of(data),
        preferences=Preferences.of(data, place, len(learned)),
        interest=interest,
        returns=returning(data) >= RARELY,
        mix=mix,
        lift=np.zeros(items) if lift is None else lift,
    )


def most_taken(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Codes of the items in the model, ascending: the MOST_ITEMS with the most users.

    Raises:
        InputError: there are no interactions.
    """
    learned = np.argsort(-counts, kind="stable")[:MOST_ITEMS]
    learned = np.sort(learned[counts[learned] > 0])
    if not len(learned):
        raise InputError("the data holds no interaction of any weight: there is nothing to learn")
    return learned


def _born(data: Dataset) -> NDArray[np.float64]:
    """The time when each item was created or else first taken; NaN if neither is known."""
    first = np.full(len(data.items), np.inf)
    np.minimum.at(first, data.item, data.timestamp.astype(np.float64))
    first[np.isinf(first)] = np.nan
    created = data.item_columns.get("CREATION_TIMESTAMP")
    if created is None or created.numbers is None:
        return first
    return np.where(np.isnan(created.numbers), first, created.numbers)
