"""Splits of published benchmarks, for comparable results."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.datasets.ratings import Ratings


def stratified_split(
    ratings: Ratings, ratio: float = 0.75, by: str = "item", seed: int = 42
) -> tuple[Ratings, Ratings]:
    """Split into training and test parts as in the benchmark of Microsoft's Recommenders.

    Every rating gets a random number (NumPy's `RandomState(seed)`, in the order of the rows); for
    each item, or user, the share `ratio` with the lowest numbers is the training part. This equals
    `python_stratified_split(data, ratio, filter_by=by, seed=seed)`, row for row, if the ratings
    are in the order of the source file.

    Args:
        ratings: ratings in the file's order.
        ratio: the training share of each item's or user's ratings, rounded to the nearest integer
            (halves to even); with it, their SAR has its published nDCG@10 of 0.393819.
        by: "item" (their benchmark) or "user".
        seed: the seed of the random numbers.
    """
    group = {"item": ratings.item, "user": ratings.user}[by]
    drawn = np.random.RandomState(seed).random_sample(len(ratings))
    order = np.lexsort((drawn, group))
    counts = np.unique(group, return_counts=True)[1]
    first = np.repeat(np.cumsum(counts) - counts, counts)
    rank = np.arange(1, len(ratings) + 1) - first
    train = np.zeros(len(ratings), bool)
    train[order] = rank <= np.repeat(np.rint(ratio * counts), counts)
    return ratings.take(train), ratings.take(~train)


def matrix(ratings: Ratings, values: NDArray[np.floating], users: int, items: int) -> csr_array:
    """Convert `values`, one per rating, to a (users, items) matrix by the ratings' integers."""
    return csr_array((values, (ratings.user, ratings.item)), shape=(users, items))
