"""Ranking by popularity and what a model of who watched what says beside it.

`recsys.ranking` has the rule and its source; functions cannot import it, and a test holds the two
equal.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Final

from common.catalogue import Bucket

POWER: Final = 2.0  # of a movie's popularity
SMALLEST: Final = 1e-6  # probabilities nearer to 0 or 1 than this are taken for this near
FRESH: Final = 60.0  # seconds for which a catalogue that was looked up is taken as the present one


def clipped_logit(probability: float) -> float:
    """Log odds."""
    known = min(max(probability, SMALLEST), 1 - SMALLEST)
    return math.log(known) - math.log1p(-known)


def popularity_adjusted(log_odds: float, count: int, power: float = POWER) -> float:
    """The score of a movie with so many training ratings; the highest comes first."""
    return log_odds + power * math.log1p(count)


class Popularity:
    """How many training ratings each movie of a bucket has, kept in memory.

    Args:
        bucket: whose catalogue tells them.
        clock: seconds that only grow.
    """

    def __init__(self, bucket: Bucket, clock: Callable[[], float] = time.monotonic) -> None:
        self._bucket, self._clock = bucket, clock
        self._etag, self._fresh_until = "", 0.0
        self._counts: Mapping[int, int] = {}

    def counts(self) -> Mapping[int, int]:
        """Numbers of ratings by movie.

        Raises:
            FunctionError: the catalogue cannot be read.
        """
        if not self._etag or self._clock() >= self._fresh_until:
            etag = self._bucket.etag()
            if etag != self._etag:
                self._counts = {item.movie: item.ratings for item in self._bucket.items(etag)}
                self._etag = etag
            self._fresh_until = self._clock() + FRESH
        return self._counts
