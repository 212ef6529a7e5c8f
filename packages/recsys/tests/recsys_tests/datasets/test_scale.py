"""Where a scale begins and ends, its step, and what is liked on it."""

import numpy as np
import pytest

from recsys.datasets import DataError
from recsys.datasets.scale import Scale


def scale(counts: dict[float, int], liked: float | None = None) -> Scale:
    """The scale of so many ratings of each level."""
    return Scale.of(np.repeat(np.array(list(counts)), list(counts.values())), liked)


@pytest.mark.parametrize(
    ("counts", "liked"),
    [
        # MovieLens 100k and latest-small, in thousandths: what is above 3 is liked
        ({1: 61, 2: 114, 3: 271, 4: 342, 5: 212}, 4),
        (
            {0.5: 14, 1: 28, 1.5: 18, 2: 75, 2.5: 55} | {3: 199, 3.5: 130, 4: 266, 4.5: 85, 5: 131},
            3.5,
        ),
        # two thirds give 8 or more, and a third 9 or more: 8 is the lowest that divides them
        ({1: 5, 4: 10, 7: 20, 8: 30, 9: 20, 10: 15}, 8),
        ({-10: 30, -5: 10, 0: 20, 5: 25, 10: 15}, 5),
        # nearly all are high, so only the best tells users apart; or low, so a low one does
        ({1: 2, 4: 8, 5: 90}, 5),
        ({1: 55, 2: 30, 3: 10, 5: 5}, 2),
        ({0: 50, 1: 50}, 1),
    ],
)
def test_threshold_divides_ratings_in_the_upper_part(
    counts: dict[float, int], liked: float
) -> None:
    found = scale(counts)
    assert (found.least, found.most, found.liked) == (min(counts), max(counts), liked)
    expected = sum(count for level, count in counts.items() if level >= liked)
    ratings = np.repeat(np.array(list(counts), np.float32), list(counts.values()))
    assert int(found.likes(ratings).sum()) == expected


@pytest.mark.parametrize(
    ("levels", "step"),
    [
        ([1, 2, 5], 1),
        ([0.5, 2, 5], 1.5),
        ([0.5, 2, 2.5], 0.5),
        ([-6.6, 0, 3.3], 3.3),
        ([0, 100], 100),
        ([0, 10, 45, 100], 5),
        ([0.1234, 1, 2], None),
        ([3, 3], None),
        ([0, 0.01, 5_000_000], None),
    ],
)
def test_step_is_the_widest_grid_that_holds_all_ratings(
    levels: list[float], step: float | None
) -> None:
    assert Scale.of(np.array(levels)).step == step


def test_a_given_threshold_counts_the_level_itself() -> None:
    found = scale({1: 1, 6: 1, 7: 1, 10: 1}, liked=7)
    assert found.likes(np.array([1, 6, 7, 10], np.float32)).tolist() == [False, False, True, True]
    assert str(found) == "from 1 to 10 in steps of 1"


@pytest.mark.parametrize("liked", [0, 1, 10.5, float("nan")])
def test_a_threshold_off_the_scale_is_refused_with_the_scale(liked: float) -> None:
    with pytest.raises(DataError, match="within the ratings, from 1 to 10"):
        scale({1: 1, 10: 1}, liked=liked)


@pytest.mark.parametrize(
    ("levels", "interesting"),
    [
        # as AWS's media workshop has it: what is above 1 of 5 stars
        ([1, 2, 3, 4, 5], [2, 3, 4, 5]),
        ([0.5, 1, 1.5, 5], [1.5, 5]),
        ([1, 2, 3, 10], [3, 10]),
        ([7, 7], [7, 7]),
    ],
)
def test_all_but_the_lowest_ninth_is_an_interest(
    levels: list[float], interesting: list[float]
) -> None:
    ratings = np.array(levels, np.float32)
    assert ratings[Scale.of(ratings).interests(ratings)].tolist() == interesting


def test_decimal_levels_are_told_as_they_were_written() -> None:
    """3.3 is no binary fraction: neither the scale nor the comparison may be off by a hair."""
    found = Scale.of(np.array([1.1, 2.2, 3.3], np.float32))
    assert (found.least, found.most, found.step, found.liked) == (1.1, 3.3, 1.1, 3.3)
    assert found.likes(np.array([3.3], np.float32)).all()
