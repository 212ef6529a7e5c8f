"""The protocol and the figures, by hand."""

import math
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.recipes import Config, Dataset, Query
from recsys.recipes.evaluation import Judged, cases, evaluate, held_out, judge, without
from recsys.recipes.popular import Popular
from recsys_tests.recipes.worlds import ask, events, small

pytestmark = pytest.mark.slow

CLICK, WATCH = 1, 0


def test_metrics_of_one_list_are_correct() -> None:
    """Hits at places 2 and 7 of three wanted items."""
    lists = np.full((1, 25), -1)
    lists[0, :9] = [9, 1, 8, 7, 6, 5, 2, 4, 10]
    found = Judged(lists, [np.array([1, 2, 3], np.int32)], 20).metrics()
    at_2, at_7, at_3 = 1 / math.log2(3), 1 / math.log2(8), 1 / math.log2(4)
    assert found["mrr@25"] == 0.5
    assert found["personalize_ndcg@5"] == pytest.approx(at_2 / 1)
    assert found["personalize_ndcg@10"] == pytest.approx((at_2 + at_7) / (1 + at_2))
    assert found["ndcg@10"] == pytest.approx((at_2 + at_7) / (1 + at_2 + at_3))
    assert [found[f"precision@{k}"] for k in (5, 10, 25)] == [1 / 5, 2 / 10, 2 / 25]
    assert found["coverage@25"] == 9 / 20


def test_cases_hold_out_the_newest_tenth() -> None:
    data = small([(0, item) for item in range(20)] + [(1, 3), (1, 4)], 2, 20)
    long, short = cases(data, np.array([0, 1]), related=True)
    assert long.query.items.tolist() == list(range(18))
    assert long.hidden.tolist() == [18, 19]
    assert long.query.item == 17  # the last that is shown
    assert long.query.now == 17
    assert (short.query.items.tolist(), short.hidden.tolist()) == ([3], [4])
    assert cases(data, np.array([0]), related=False)[0].query.item == -1


def test_cases_exclude_the_click_of_a_held_out_watch() -> None:
    """Twenty rows, the cut falls between the Click and the Watch of item 9, at one moment."""
    rows = [(0, time, time, kind) for time in range(9) for kind in (CLICK, WATCH)]
    rows += [(0, 9, 9, CLICK), (0, 9, 9, WATCH)]
    rows.insert(0, (0, -1, 9, CLICK))  # long before, item 9 was looked at: that may be known
    data = events(rows, 1, 10)
    (case,) = cases(data, np.array([0]), related=True)
    assert case.hidden.tolist() == [9]
    assert case.query.items.tolist() == [9, *(item for item in range(9) for _ in range(2))]
    assert case.query.item == 8


def test_users_without_input_are_ignored() -> None:
    data = events([(0, 5, 2, CLICK), (0, 5, 2, WATCH)], 1, 3)
    assert cases(data, np.array([0]), related=False) == []


class Fixed:
    """Scores that are the same for all."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = np.array(scores, np.float32)

    def score(self, query: Query) -> NDArray[np.float32]:
        return self.scores

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Self:
        raise NotImplementedError


def test_history_is_excluded_unless_users_return() -> None:
    once = small([(0, 0), (0, 1), (0, 2)], 1, 4)
    model = Fixed([4, 3, 2, 1])
    users = np.array([0])
    lists = judge(model, once, users, Config("any"), related=False).lists
    assert lists[0, :3].tolist() == [2, 3, -1]
    often = small([(0, 0), (0, 1), (0, 0), (0, 1), (0, 0)], 1, 4)
    lists = judge(model, often, users, Config("any"), related=False).lists
    assert lists[0, :5].tolist() == [0, 1, 2, 3, -1]


def test_events_excluded_by_the_use_case_are_always_excluded() -> None:
    pairs = [(0, 0), (0, 1), (0, 0), (0, 1), (0, 2)]
    data = small(pairs, 1, 4, [WATCH, CLICK, WATCH, CLICK, WATCH])
    config = Config("any", exclude_event_types=("watch",))
    lists = judge(Fixed([4, 3, 2, 1]), data, np.array([0]), config, related=False).lists
    assert lists[0, :4].tolist() == [1, 2, 3, -1]


def test_evaluated_users_are_not_trained_on() -> None:
    """Every user is judged once in ten folds, and the model has seen nothing of that user."""
    data = small([(user, item) for item in range(3) for user in range(25)], 26, 3)
    folds = held_out(data, 10, seed=3)
    assert sorted(np.concatenate(folds).tolist()) == list(range(25))  # user 25 did nothing
    assert {len(fold) for fold in folds} == {2, 3}
    left = without(data, folds[0])
    assert not np.isin(left.user, folds[0]).any()
    assert len(left.user) == len(data.user) - 3 * len(folds[0])
    assert [fold.tolist() for fold in held_out(data, 10, seed=3)] == [f.tolist() for f in folds]


def test_popularity_recommends_the_common_last_item() -> None:
    """Every user takes 0 … 8 and then 9: for each evaluated user 9 is hidden, and most popular."""
    data: Dataset = small([(user, item) for item in range(10) for user in range(20)], 20, 12)
    metrics = evaluate(Popular(), data, Config("aws-popularity-count"))
    assert metrics["mean_reciprocal_rank_at_25"] == 1.0
    assert metrics["normalized_discounted_cumulative_gain_at_5"] == 1.0
    assert metrics["precision_at_5"] == 0.2
    assert metrics["coverage"] == pytest.approx(1 / 12, abs=1e-4)
    assert list(metrics) == [
        "coverage",
        "mean_reciprocal_rank_at_25",
        *(f"normalized_discounted_cumulative_gain_at_{k}" for k in (5, 10, 25)),
        *(f"precision_at_{k}" for k in (5, 10, 25)),
    ]
    assert ask().user == -1


def test_rewards_are_relative_to_all_recommendations() -> None:
    lists = np.array([[0, 1, -1], [2, 3, 4]])
    judged = Judged(lists, [np.array([1], np.int32), np.array([2, 4, 9], np.int32)], 10)
    reward = np.array([1.0, 2, 4, 8, 16, 0, 0, 0, 0, 100])
    assert judged.rewarded(reward) == (2 + 4 + 16) / (1 + 2 + 4 + 8 + 16)
    assert judged.rewarded(np.zeros(10)) == 0
