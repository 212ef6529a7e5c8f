"""User segments: the users who are most likely to take given items."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.recipes.dataset import Dataset
from recsys.recipes.interest import Interest
from recsys.recipes.personal import Mix, PersonalModel, inherited, learn
from recsys.recipes.recipe import Config, Model, Query
from recsys.recipes.sparse import Sparse


@dataclass(frozen=True)
class SegmentModel:
    """The personal model, queried for users instead of items.

    Attributes:
        personal: the model of what each user is likely to take.
        histories: users × learned items: interest, weighted by recency.
    """

    personal: PersonalModel
    histories: Sparse

    def score(self, query: Query) -> NDArray[np.float32]:
        """Score items with the personal model."""
        return self.personal.score(query)

    def score_users(self, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """Score each user's history for `items` together, float32[users].

        An item that is not in the model is replaced by items with the same attributes. Users who
        have taken an item get the maximum score of the others for it.
        """
        learned, weights = self.personal.learned, self.personal.weights
        rows = self.personal.place[items]
        known = rows[rows >= 0]
        speaks = weights[:, known].sum(axis=1, dtype=np.float64)
        if len(known) < len(items):
            unknown = items[rows < 0]
            alike = self.personal.attributes.like(unknown, np.ones(len(unknown)))[learned]
            speaks += alike * (weights.max() / max(float(alike.max()), 1e-9))
        scores = self.histories.times(speaks)
        taken = np.zeros(len(learned))
        taken[known] = 1.0
        scores += float(np.abs(scores).max()) * self.histories.times(taken)
        return np.asarray(scores, np.float32)

    def save(self, folder: Path) -> None:
        """Write the personal model and the histories."""
        self.personal.save(folder)
        self.histories.save(folder, "histories")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote, memory-mapped."""
        return cls(PersonalModel.load(folder), Sparse.load(folder, "histories"))


class Segments:
    """Item-Affinity and Item-Attribute-Affinity."""

    model: type[Model] = SegmentModel
    related = False

    def fit(self, data: Dataset, config: Config) -> SegmentModel:
        """Train the personal model and store the users' histories."""
        config = inherited(config)
        mix = Mix.of(config)
        interest = Interest.of(data, config)
        taken = interest.in_data(data)
        personal = learn(data, taken, interest, mix)
        column = personal.place[taken.item]
        ends = np.searchsorted(taken.user, taken.user, side="right")
        age = ends - 1 - np.arange(len(taken.user))
        kept = column >= 0
        counts = np.bincount(taken.user[kept], minlength=len(data.users))
        weight = (taken.interest * 0.5 ** (age / mix.half_life))[kept]
        histories = Sparse(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            column[kept].astype(np.int32),
            weight.astype(np.float32),
        )
        return SegmentModel(personal, histories)
