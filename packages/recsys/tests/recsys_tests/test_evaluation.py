"""The one evaluation, by hand."""

from math import log2

import numpy as np
import pytest

from recsys.datasets.ratings import Ratings
from recsys.evaluation import evaluate


def rows(*of: tuple[int, int, float]) -> Ratings:
    user, item, rating = zip(*of, strict=True)
    return Ratings(
        np.array(user, np.int32),
        np.array(item, np.int32),
        np.array(rating, np.float32),
        np.arange(len(of)),
    )


TRAIN = rows((1, 10, 5), (1, 11, 2), (2, 10, 4), (2, 12, 1), (9, 13, 3))
TEST = rows((1, 12, 3), (2, 11, 4), (2, 13, 1), (7, 10, 5))


def test_ratings_are_clipped_to_the_training_scale() -> None:
    # 3 → 3, 4 → 6 becomes 5, 1 → 0 becomes 1, 5 → 4: errors 0, 1, 0, 1
    found = evaluate(lambda _: np.array([3.0, 6.0, 0.0, 4.0]), TRAIN, TEST)
    assert found == pytest.approx({"rmse": 0.5**0.5, "mse": 0.5, "mae": 0.5})


def test_rating_in_the_upper_part_is_liked() -> None:
    """Of 1 to 5 in the training part, 4 and 5 are above the middle; 2 of 5 rows reach 4."""
    chances = np.array([0.6, 0.7, 0.1, 0.4])  # liked: no, yes, no, yes
    found = evaluate(lambda _: chances, TRAIN, TEST, "recommendation")
    assert found == pytest.approx({"accuracy": 0.5, "auc": 3 / 4})


def test_lists_exclude_rated_items() -> None:
    """Scored by its number, 13 comes first, then 12, 11, 10.

    User 1 has rated 10 and 11: the list is 13, 12, and 12 is the hit. User 2 has rated 10 and 12:
    13, 11, both hits. User 7 is new: 13, 12 of all, and no hit, for 10 is fourth. User 9 has
    nothing in the test part.
    """
    found = evaluate(lambda some: some.item, TRAIN, TEST, "ranking", cutoffs=(2,))
    assert found["precision@2"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["recall@2"] == pytest.approx((1 + 1 + 0) / 3)
    assert found["ndcg@2"] == pytest.approx((1 / log2(3) + 1 + 0) / 3)
    assert found["coverage@2"] == pytest.approx(3 / 4)


def test_invalid_task_or_empty_test_is_refused() -> None:
    nothing = TEST.take(np.zeros(len(TEST), bool))
    with pytest.raises(ValueError, match="no row"):
        evaluate(lambda some: some.item, TRAIN, nothing)
    with pytest.raises(ValueError, match="'ranks'"):
        evaluate(lambda some: some.item, TRAIN, TEST, "ranks")  # type: ignore[arg-type]
