"""Ranking by popularity-adjusted scores of a model of watched movies.

`recsys.ranking` has the rule and its source; functions cannot import it, and a test checks that
both are equal.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Final

from common.catalogue import Bucket
from common.refreshed import Refreshed

POWER: Final = 2.0  # exponent of a movie's popularity
SMALLEST: Final = 1e-6  # probabilities are clipped to this distance from 0 and 1


def clipped_logit(probability: float) -> float:
    """Log odds."""
    known = min(max(probability, SMALLEST), 1 - SMALLEST)
    return math.log(known) - math.log1p(-known)


def popularity_adjusted(log_odds: float, count: int, power: float = POWER) -> float:
    """The score of a movie with `count` training ratings; higher is better."""
    return log_odds + power * math.log1p(count)


class Popularity:
    """The number of training ratings of each movie in a bucket, cached in memory.

    Args:
        bucket: the bucket with the catalogue.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, bucket: Bucket, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = Refreshed(
            bucket.etag,
            lambda etag: {item.movie: item.ratings for item in bucket.items(etag)},
            clock,
        )

    def counts(self) -> Mapping[int, int]:
        """The number of ratings by movie.

        Raises:
            FunctionError: the catalogue cannot be read.
        """
        return self._file.content()
