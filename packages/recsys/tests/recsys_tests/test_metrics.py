"""Metrics against values worked out by hand."""

from math import inf, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from recsys.metrics import binary_metrics, ranking_metrics, rating_metrics, top_k


def test_rating_metrics_equal_manual_results() -> None:
    found = rating_metrics(np.array([1.0, 2.0, 5.0]), np.array([2.0, 2.0, 3.0]))
    assert found == pytest.approx({"mse": 5 / 3, "rmse": (5 / 3) ** 0.5, "mae": 1.0})


def test_binary_metrics_count_ties_half() -> None:
    # pairs (positive, negative): .9>.5, .9>.1, .5=.5, .5>.1 → 3.5 of 4
    found = binary_metrics(np.array([True, True, False, False]), np.array([0.9, 0.5, 0.5, 0.1]))
    assert found["auc"] == pytest.approx(3.5 / 4)
    assert found["accuracy"] == pytest.approx(3 / 4)  # 0.5 is not above the threshold


def test_ranking_metrics_equal_manual_results() -> None:
    recommended = np.array([[3, 0, 2, 1], [0, 1, 2, 3], [1, 2, 3, 0]])
    relevant = csr_array(np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]))
    found = ranking_metrics(
        recommended, relevant, cutoffs=(2, 3), popularity=np.array([4, 2, 1, 1])
    )
    # user 0: hits at places 2 (and 4, beyond k); user 1 has nothing to find; user 2: hit at place 3
    first = (1 / log2(3)) / (1 + 1 / log2(3))
    assert found["ndcg@2"] == pytest.approx(first / 2)
    assert found["ndcg@3"] == pytest.approx((first + 1 / log2(4)) / 2)
    assert found["personalize_ndcg@2"] == pytest.approx((1 / log2(3)) / 2)
    assert found["personalize_ndcg@3"] == pytest.approx((1 / log2(3) + 1 / log2(4)) / 2)
    assert found["precision@2"] == pytest.approx((1 / 2 + 0) / 2)
    assert found["recall@3"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["mrr@2"] == pytest.approx((1 / 2 + 0) / 2)
    assert found["mrr@3"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert found["map@3"] == pytest.approx(((1 / 2) / 2 + 1 / 3) / 2)
    assert found["hit_rate@2"] == pytest.approx(1 / 2)
    assert found["coverage@2"] == pytest.approx(4 / 4)
    assert found["novelty@2"] == pytest.approx((log2(8) + log2(2) + log2(4) + log2(8)) / 4)


def test_short_lists_are_padded() -> None:
    found = ranking_metrics(np.array([[1, -1]]), csr_array(np.array([[1, 1]])), cutoffs=(2,))
    assert found["precision@2"] == pytest.approx(1 / 2)
    assert found["coverage@2"] == pytest.approx(1 / 2)


def test_top_k_excludes_and_breaks_ties_by_index() -> None:
    scores = np.array([[1.0, 3.0, 3.0, -inf], [-inf, -inf, -inf, 0.5]])
    assert top_k(scores, 3).tolist() == [[1, 2, 0], [3, -1, -1]]


@given(st.integers(1, 8), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_top_k_agrees_with_a_full_sort(k: int, items: int, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(3, items))
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert top_k(scores, k).tolist() == expected.tolist()
