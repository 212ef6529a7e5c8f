"""Closed forms against hand computation and against each other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from recsys import item_models
from recsys.item_models import Cosine, Ease, ItemModel, Transitions, recency

SIZE = 12


def checkerboard() -> sparse.csr_array:
    """Even users take even items, odd users odd ones; user u leaves out item (u + 2) mod 12."""
    taken = np.add.outer(np.arange(2 * SIZE), np.arange(SIZE)) % 2 == 0
    taken[np.arange(2 * SIZE), (np.arange(2 * SIZE) + 2) % SIZE] = False
    return sparse.csr_array(taken.astype(float))


def transitions(taken: sparse.csr_array) -> Transitions:
    user = np.repeat(np.arange(taken.shape[0]), np.diff(taken.indptr))
    return Transitions(window=12).fit(user, taken.indices, taken.shape[1])


MODELS: dict[str, Callable[[sparse.csr_array], ItemModel]] = {
    "EASE": lambda taken: Ease(1.0, dropout=0).fit(taken),
    "EDLAE": lambda taken: Ease(1.0, dropout=0.3).fit(taken),
    "cosine": lambda taken: Cosine().fit(taken),
    "transitions": transitions,
}


@pytest.mark.parametrize("name", MODELS)
def test_models_fill_the_gap_in_a_checkerboard(name: str) -> None:
    taken = checkerboard()
    model = MODELS[name](taken)
    gap = (np.arange(2 * SIZE) + 2) % SIZE
    within = gap >= 2  # the others' gap lies before all they took: nothing leads there
    first = model.recommend(taken, k=1)[:, 0]
    assert first[within].tolist() == gap[within].tolist()
    if name != "transitions":
        assert first.tolist() == gap.tolist()
    for item in range(6):
        alike = model.similar_items(item, k=3)
        assert item not in alike
        assert set(alike % 2) == {item % 2}


def test_seen_items_are_excluded_by_default() -> None:
    taken = checkerboard()
    model = Cosine().fit(taken)
    lists = model.recommend(taken, k=SIZE)
    assert (lists[:, 7:] == -1).all()  # five of twelve were taken, seven are left
    everything = model.recommend(taken, k=SIZE, remove_seen=False)
    assert (np.sort(everything, axis=1) == np.arange(SIZE)).all()


def test_ease_of_three_items_equals_manual_result() -> None:
    """Users {0, 1}, {0, 1}, {1, 2}; λ = 1.

    XᵀX + I = [[3, 2, 0], [2, 4, 1], [0, 1, 2]], of determinant 13; its adjugate is
    [[7, −4, 2], [−4, 6, −3], [2, −3, 8]], and B_ij = −adj_ij / adj_jj.
    """
    taken = sparse.csr_array(np.array([[1.0, 1, 0], [1, 1, 0], [0, 1, 1]]))
    expected = np.array([[0, 4 / 6, -2 / 8], [4 / 7, 0, 3 / 8], [-2 / 7, 3 / 6, 0]])
    np.testing.assert_allclose(Ease(1.0, dropout=0).fit(taken).weights, expected, atol=1e-6)


def test_dropout_of_three_items_equals_manual_result() -> None:
    """Dropout ½ adds the item counts 2, 3, 1 once more to the diagonal.

    [[5, 2, 0], [2, 7, 1], [0, 1, 3]] has the adjugate [[20, −6, 2], [−6, 15, −5], [2, −5, 31]].
    """
    taken = sparse.csr_array(np.array([[1.0, 1, 0], [1, 1, 0], [0, 1, 1]]))
    expected = np.array([[0, 6 / 15, -2 / 31], [6 / 20, 0, 5 / 31], [-2 / 20, 5 / 15, 0]])
    np.testing.assert_allclose(Ease(1.0, dropout=0.5).fit(taken).weights, expected, atol=1e-6)


def test_ease_by_users_and_by_items_is_equal() -> None:
    """The same users twice over take the other way to the inverse; half of λ makes it equal."""
    rng = np.random.default_rng(0)
    taken = sparse.random_array((30, 40), density=0.2, rng=rng, format="csr")
    twice = sparse.vstack([taken, taken]).tocsr()
    by_users = Ease(5.0, dropout=0.2).fit(taken).weights
    by_items = Ease(10.0, dropout=0.2).fit(twice).weights
    np.testing.assert_allclose(by_users, by_items, atol=2e-6)


def test_cosine_equals_manual_result() -> None:
    """Items 0 and 1 share two users, of two and three."""
    taken = sparse.csr_array(np.array([[1.0, 1, 0], [5, 1, 0], [0, 1, 1]]))

    def weights(**settings: Any) -> Any:
        return Cosine(**settings).fit(taken).weights.toarray()

    assert weights(shrinkage=0)[0, 1] == pytest.approx(2 / np.sqrt(6))
    assert weights(shrinkage=1)[0, 1] == pytest.approx(2 / (np.sqrt(6) + 1))
    assert weights(shrinkage=0, popularity_discount=0)[0, 1] == 1  # all who take 0 take 1
    assert weights(shrinkage=0, popularity_discount=1)[0, 1] == pytest.approx(2 / 3)
    assert weights(shrinkage=0, least_shared=2)[1].tolist() == [
        pytest.approx(2 / np.sqrt(6)),
        0,
        0,
    ]
    assert (np.diag(weights(shrinkage=0)) == 0).all()


def test_transitions_equal_manual_result() -> None:
    """Two users: 0 → 1 → 2 and 0 → 2. A step further weighs half."""
    model = Transitions(window=2, decay=0.5, shrinkage=0).fit([0, 0, 0, 1, 1], [0, 1, 2, 0, 2], 3)
    expected = np.zeros((3, 3))
    expected[0, 1] = 1 / np.sqrt(2 * 1)
    expected[0, 2] = (0.5 + 1) / np.sqrt(2 * 2)
    expected[1, 2] = 1 / np.sqrt(1 * 2)
    np.testing.assert_allclose(model.weights.toarray(), expected, rtol=1e-6)


def test_transitions_do_not_cross_users() -> None:
    model = Transitions(window=3).fit([0, 1, 2], [0, 1, 2], 3)
    assert model.weights.nnz == 0


def test_recency_halves_per_half_life() -> None:
    assert recency(3, half_life=1).tolist() == [0.25, 0.5, 1]
    assert recency(3, half_life=np.inf).tolist() == [1, 1, 1]


def test_fit_is_deterministic() -> None:
    taken = checkerboard()
    assert (Ease().fit(taken).weights == Ease().fit(taken).weights).all()


@pytest.mark.parametrize("items", [8, 9, 40])
def test_inverse_by_quarters_equals_the_inverse(
    items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_models, "_FACTORIZED", 5)
    monkeypatch.setattr(item_models, "_ROWS", 3)
    x = sparse.csr_array(np.random.default_rng(0).integers(0, 2, (60, items)).astype(np.float32))
    inverse = np.linalg.inv((x.T @ x).toarray().astype(float) + 5 * np.eye(items))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    found = Ease(regularization=5, dropout=0).fit(x).weights
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(ValueError, match="regularization is too small"):
        Ease(regularization=-1e3, dropout=0).fit(x)
