import numpy as np
import pytest

from recsys.datasets import Ratings
from recsys.datasets.baselines import Bias, baselines
from recsys.datasets.scale import Scale
from recsys.datasets.splits import Split

STARS = Scale(least=1, most=5, step=1, liked=4)


def ratings(*rows: tuple[int, int, float]) -> Ratings:
    user, item, rating = zip(*rows, strict=True)
    return Ratings(
        np.array(user, np.int32),
        np.array(item, np.int32),
        np.array(rating, np.float32),
        np.zeros(len(rows), np.int64),
    )


def test_known_figures() -> None:
    train = ratings((1, 1, 5), (1, 2, 3), (2, 1, 4), (2, 2, 4))  # mean 4, both users' means 4
    validation = ratings((1, 3, 5), (2, 3, 2), (3, 1, 4))
    found = baselines(Split(train, validation, ""), STARS)
    assert found["rating_mse"]["global_mean"] == pytest.approx((1 + 4 + 0) / 3)
    assert found["rating_mse"]["user_mean"] == pytest.approx((1 + 4 + 0) / 3)
    # three of four training labels say yes; the validation labels are yes, no, yes
    assert found["recommendation_accuracy"]["majority"] == pytest.approx(2 / 3)


def test_user_mean_differs_from_global_mean() -> None:
    train = ratings((1, 1, 5), (2, 1, 1))
    found = baselines(Split(train, ratings((1, 1, 5), (2, 1, 2)), ""), STARS)
    assert found["rating_mse"]["user_mean"] == pytest.approx((0 + 1) / 2)
    assert found["rating_mse"]["global_mean"] == pytest.approx((4 + 1) / 2)


def test_biases_solve_the_ridge_equations() -> None:
    random = np.random.default_rng(5)
    user, item = random.integers(0, 8, 60), random.integers(0, 6, 60)
    target = random.integers(1, 6, 60).astype(np.float32)
    rows = Ratings(user.astype(np.int32), item.astype(np.int32), target, np.zeros(60, np.int64))
    model = Bias.fit(rows, target, shrink=2.0)
    design = np.hstack([np.eye(8)[user], np.eye(6)[item]])
    exact = np.linalg.solve(
        design.T @ design + 2.0 * np.eye(14), design.T @ (target - target.mean())
    )
    np.testing.assert_allclose(np.concatenate([model.user, model.item]), exact, atol=1e-3)
    np.testing.assert_allclose(model.predict(rows), target.mean() + design @ exact, atol=2e-3)


def test_what_was_never_seen_has_no_bias() -> None:
    model = Bias.fit(ratings((1, 1, 5), (2, 2, 1)), np.array([5.0, 1.0]))
    assert model.predict(ratings((9, 9, 0))).tolist() == [3.0]
    assert model.predict(ratings((0, 9, 0))).tolist() == [3.0]
