"""Popularity and trending recommenders, which are not personalized."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.recipes.dataset import Dataset
from recsys.recipes.hyperparameters import Given
from recsys.recipes.interest import Interest
from recsys.recipes.personal import inherited
from recsys.recipes.recipe import Config, Model, Query

_MINUTE = 60
FREQUENCIES = {
    "30 minutes": 30 * _MINUTE,
    "1 hour": 60 * _MINUTE,
    "2 hours": 120 * _MINUTE,
    "3 hours": 180 * _MINUTE,
    "1 day": 1440 * _MINUTE,
}
"""Amazon Personalize's values of `trend_discovery_frequency`, in seconds."""
_RECENT, _USUAL = 12, 120  # half-lives of the recent and the usual rate, in intervals


class PopularModel:
    """One score for each item.

    Args:
        logits: float32[items], −inf for items that are never recommended.
    """

    def __init__(self, logits: NDArray[np.float32]) -> None:
        self.logits = logits

    def score(self, query: Query) -> NDArray[np.float32]:
        """Return the same scores for every query."""
        return self.logits

    def save(self, folder: Path) -> None:
        """Write `popular.npy`."""
        np.save(folder / "popular.npy", self.logits)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `popular.npy`."""
        return cls(np.load(folder / "popular.npy"))


class Popular:
    """Popularity-Count and Most popular: the items with the most interactions.

    A softmax of the scores gives each item its share of the interactions.
    """

    model: type[Model] = PopularModel
    related = False

    def fit(self, data: Dataset, config: Config) -> PopularModel:
        """Sum the weights of each item's events."""
        Given(inherited(config).hyperparameters).close()
        weights = np.array([*Interest.of(data, config).weights, 1.0])[data.event_type]
        with np.errstate(divide="ignore"):
            logits = np.log(np.bincount(data.item, weights, len(data.items)))
        if not np.isfinite(logits).any():
            raise InputError("the data holds no interaction of any weight: nothing is popular")
        return PopularModel(logits.astype(np.float32))


class Trending:
    """Trending-Now: the items whose popularity grows fastest at the end of the data.

    An item's recent share of the events is compared with its usual share, both decaying with age,
    in units of the standard deviation that chance would give the usual share, so that two events of
    a rare item are not enough. `trend_discovery_frequency` is the length of an interval; the recent
    share has a half-life of 12 intervals, the usual share of 120. Events after the training count
    from the next training on.
    """

    model: type[Model] = PopularModel
    related = False

    def fit(self, data: Dataset, config: Config) -> PopularModel:
        """Compare recent with usual shares."""
        Given(inherited(config).hyperparameters).close()
        asked = config.feature_transformation.get("trend_discovery_frequency", "2 hours")
        if asked not in FREQUENCIES:
            raise InputError(
                f"trend_discovery_frequency is {asked!r}; it must be one of "
                + ", ".join(FREQUENCIES)
            )
        weights = np.array([*Interest.of(data, config).weights, 1.0])[data.event_type]
        if not weights.sum() > 0:
            raise InputError("the data holds no interaction of any weight: nothing is trending")
        age = (data.timestamp.max() - data.timestamp) / FREQUENCIES[asked]
        recent, usual = (
            np.bincount(data.item, weights * 0.5 ** (age / half_life), len(data.items))
            for half_life in (_RECENT, _USUAL)
        )
        expected = usual * recent.sum() / usual.sum()
        growth = (recent - expected) / np.sqrt(expected + 1.0)
        popular = np.bincount(data.item, weights, len(data.items))
        # items without a trend are ranked by popularity
        return PopularModel((growth + 1e-3 * np.log1p(popular)).astype(np.float32))
