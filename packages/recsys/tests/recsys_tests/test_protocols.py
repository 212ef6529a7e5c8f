"""Splits by hand."""

import numpy as np
import pytest

from recsys.datasets.ratings import Ratings
from recsys.protocols import matrix, stratified_split


def ratings(user: list[int], item: list[int]) -> Ratings:
    stars = np.arange(len(user), dtype=np.float32)
    times = np.arange(len(user), dtype=np.int64)
    return Ratings(np.array(user, np.int32), np.array(item, np.int32), stars, times)


def test_split_takes_each_items_lowest_draws_for_training() -> None:
    """RandomState(42) draws .37 .95 .73 .60 .16 .16 .06 for the seven rows.

    Item 5 has rows 0 … 3: the lowest three of four, .37 .60 .73. Item 6 has rows 4 … 6: 2.25 are
    two, .06 and the lower of the .16 (.1560 in row 4 or 5: .15602, .15599).
    """
    data = ratings([1, 2, 3, 4, 1, 2, 3], [5, 5, 5, 5, 6, 6, 6])
    train, test = stratified_split(data, seed=42)
    assert train.rating.tolist() == [0, 2, 3, 5, 6]
    assert test.rating.tolist() == [1, 4]


@pytest.mark.parametrize(("count", "kept"), [(1, 1), (2, 2), (3, 2), (6, 4), (10, 8)])
def test_split_rounds_halves_to_even(count: int, kept: int) -> None:
    """Three quarters of 1, 2, 3, 6, 10 are 0.75, 1.5, 2.25, 4.5, 7.5."""
    train, test = stratified_split(ratings(list(range(count)), [3] * count))
    assert (len(train), len(test)) == (kept, count - kept)


@pytest.mark.parametrize("by", ["item", "user"])
def test_split_is_complete_and_keeps_the_ratio(by: str) -> None:
    rng = np.random.default_rng(0)
    data = ratings(rng.integers(0, 9, 500).tolist(), rng.integers(0, 7, 500).tolist())
    train, test = stratified_split(data, by=by, seed=1)
    assert sorted([*train.rating, *test.rating]) == data.rating.tolist()
    group = getattr(train, by)
    for value, count in zip(*np.unique(getattr(data, by), return_counts=True), strict=True):
        assert (group == value).sum() == round(count * 0.75)


def test_matrix_places_values() -> None:
    data = ratings([1, 0], [2, 1])
    assert matrix(data, data.rating + 1, 2, 3).toarray().tolist() == [[0, 2, 0], [0, 0, 1]]
