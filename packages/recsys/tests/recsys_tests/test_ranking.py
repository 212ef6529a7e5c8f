"""Scores for lists, against values worked out by hand."""

import math

import numpy as np
import pytest

from recsys.ranking import clipped_logit, popularity_adjusted


def test_log_odds_of_probabilities_are_those_of_the_fractions() -> None:
    # odds of 1 to 1, 3 to 1, 1 to 3
    expected = [0, math.log(3), -math.log(3)]
    assert clipped_logit([0.5, 0.75, 0.25]).tolist() == pytest.approx(expected)


def test_log_odds_of_certainty_are_finite() -> None:
    # 999,999 to 1, which is 13.8155 in natural logarithms
    assert clipped_logit(np.array([0, 1], np.float32)).tolist() == pytest.approx(
        [-13.8155, 13.8155], abs=1e-4
    )


def test_popularity_adjusted_with_power_2_multiplies_odds_by_the_square() -> None:
    # odds times (ratings + 1)^2: 1 * 100, 97/3 * 4 = 129.33, 99 * 1
    scores = popularity_adjusted(clipped_logit([0.5, 0.97, 0.99]), [9, 1, 0])
    assert np.exp(scores).tolist() == pytest.approx([100, 129.3333, 99], rel=1e-5)


@pytest.mark.parametrize(("power", "expected"), [(0, 2.0), (1, 8.0), (0.5, 4.0), (3, 128.0)])
def test_popularity_adjusted_with_another_power_raises_the_count_to_it(
    power: float, expected: float
) -> None:
    (score,) = popularity_adjusted([math.log(2)], [3], power)  # odds of 2, a count of 3 + 1
    assert math.exp(score) == pytest.approx(expected)


def test_popularity_adjusted_of_a_table_takes_a_count_for_each_column() -> None:
    table = np.log([[1.0, 2.0], [3.0, 4.0]])
    scores = np.exp(popularity_adjusted(table, [0, 9]))
    assert scores.ravel().tolist() == pytest.approx([1, 200, 3, 400])


def test_popularity_adjusted_of_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 0 ratings"):
        popularity_adjusted([0.0], [-1])
