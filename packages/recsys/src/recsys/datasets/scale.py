"""The scale of ratings, found in them: where it begins and ends, its step, and what is liked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.datasets.problems import DataError, Problem, option

_STEPS = 1000  # a finer grid than this is none that a person was asked to choose from
_SEPARATES = 1 / 3, 2 / 3  # shares of liked ratings between which a threshold tells users apart
_CLICKED = 1 / 9  # of the scale, its lowest part: 0.5 and 1 of 5 stars, as in AWS's workshop


@dataclass(frozen=True)
class Scale:
    """Ratings' bounds and step, and the least rating that means that an item was liked.

    Attributes:
        least, most: the lowest and the highest rating.
        step: between neighbouring ratings; None where they are on no grid, or all the same.
        liked: a rating of this or more is a recommendation.
        events: whether these are no ratings, but how often, or how much, something happened: all
            of it is liked.
    """

    least: float
    most: float
    step: float | None
    liked: float
    events: bool = False

    @classmethod
    def of(
        cls, ratings: NDArray[np.floating], liked: float | None = None, *, events: bool = False
    ) -> "Scale":
        """Find the scale of some ratings.

        Without a threshold of the user's own, it is the lowest rating of the scale's upper half
        which no more than two thirds, and no fewer than one third, of the ratings reach; else,
        where most ratings are high, or most are low, the one that divides them most evenly. For
        MovieLens that is 4 of 5 stars, or 3½ where there are half stars.

        Args:
            ratings: at least one.
            liked: a threshold to use instead.
            events: whether these are counts or amounts of events.

        Raises:
            DataError: no rating is below the threshold, or none reaches it.
        """
        levels, counts = np.unique(np.asarray(ratings, np.float32), return_counts=True)
        least, most = _plain(levels[0]), _plain(levels[-1])
        if events:
            return cls(least, most, _step(levels), least, events=True)
        if liked is not None and not least < liked <= most:
            words = (
                f"no rating above {least:g} and up to {most:g} is {liked:g}: give a threshold "
                f"within the ratings, from {least:g} to {most:g}, or none to have it chosen"
            )
            raise DataError(Problem(option("liked", f"{liked:g}"), words))
        return cls(least, most, _step(levels), _threshold(levels, counts, liked))

    @property
    def separates(self) -> bool:
        """Whether there are two ratings at least, so that some are liked and others not."""
        return self.least < self.most

    def likes(self, ratings: NDArray[Any]) -> NDArray[np.bool_]:
        """Which ratings mean that the item was liked."""
        found: NDArray[np.bool_] = ratings >= np.float32(self.liked)
        return found

    def interests(self, ratings: NDArray[Any]) -> NDArray[np.bool_]:
        """Which ratings are above the lowest ninth of the scale."""
        if self.events or not self.separates:
            return np.ones(len(ratings), bool)
        found: NDArray[np.bool_] = ratings > self.least + _CLICKED * (self.most - self.least)
        return found

    def as_json(self) -> dict[str, float | bool | None]:
        """As manifest.json and catalogue.json have it."""
        return {
            "least": self.least,
            "most": self.most,
            "step": self.step,
            "liked": self.liked,
            "events": self.events,
        }

    def __str__(self) -> str:
        steps = "" if self.step is None else f" in steps of {self.step:g}"
        return f"from {self.least:g} to {self.most:g}{steps}"


def _plain(value: np.float32) -> float:
    """A float32 as the shortest decimal number that it stands for: 3.3, not 3.299999952."""
    return float(str(value))


def _step(levels: NDArray[np.float32]) -> float | None:
    """The largest step on whose grid all levels lie, in hundredths at the finest."""
    gaps = np.diff(levels.astype(np.float64)) * 100
    whole = np.rint(gaps).astype(np.int64)
    if not len(gaps) or (np.abs(gaps - whole) > 1e-2).any():
        return None
    step = int(np.gcd.reduce(whole))
    if not step or int(whole.sum()) // step > _STEPS:
        return None
    return step / 100


def _threshold(
    levels: NDArray[np.float32], counts: NDArray[np.int64], liked: float | None
) -> float:
    if liked is not None:
        return _plain(levels[np.searchsorted(levels, np.float32(liked))])
    if len(levels) == 1:
        return _plain(levels[0])
    share = counts[::-1].cumsum()[::-1][1:] / counts.sum()
    above = levels[1:]
    fewest, most = _SEPARATES
    upper = above > (float(levels[0]) + float(levels[-1])) / 2
    fit = above[upper & (share >= fewest) & (share <= most)]
    return _plain(fit[0] if len(fit) else above[np.abs(share - 0.5).argmin()])
