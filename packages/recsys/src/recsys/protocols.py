"""Splits by which others have published figures, so that ours can stand beside them."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.datasets.ratings import Ratings


def stratified_split(
    ratings: Ratings, ratio: float = 0.75, by: str = "item", seed: int = 42
) -> tuple[Ratings, Ratings]:
    """Train and test as Microsoft's Recommenders cut them for its table of algorithms.

    Every rating draws a number (NumPy's `RandomState(seed)`, in the order of the rows); of each
    item, or user, those with the lowest `ratio` of the numbers are for training. It is
    `python_stratified_split(data, ratio, filter_by=by, seed=seed)`, row for row, provided that the
    ratings stand in the order of the source's file.

    Args:
        ratings: in the file's order.
        ratio: share for training, of each item's or user's ratings, rounded to the nearest whole
            number (a half to the even one): so their SAR has its published nDCG@10 of 0.393819.
        by: "item" (their benchmark) or "user".
        seed: of the draw.
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
    """`values`, one a rating, as a (users, items) matrix by the ratings' own integers."""
    return csr_array((values, (ratings.user, ratings.item)), shape=(users, items))
