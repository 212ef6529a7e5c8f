"""Presets for data with other scales and sizes than those that they were found on."""

import json
from pathlib import Path

import pytest

from stacks.hyperparameters import adapted

PRESETS = json.loads(
    (Path(__file__).resolve().parents[2] / "stacks" / "presets.json").read_text("utf-8")
)


@pytest.mark.parametrize("name", PRESETS["default"])
def test_adapted_to_movielens_100k_is_unchanged(name: str) -> None:
    values = PRESETS["default"][name]
    assert adapted(name, values, 943, 90_570, 4.0) == values


def test_adapted_to_a_scale_of_100_raises_the_learning_rate_fivefold() -> None:
    values = {"learning_rate": "0.0015", "weight_decay": "0.0002", "epochs": "40"}
    wide = {"learning_rate": "0.0075", "weight_decay": "0.005", "epochs": "40"}
    assert adapted("rating", values, 943, 90_570, 100.0) == wide
    assert adapted("deep_mf", values, 94_300, 9_057_000, 100.0) == wide
    assert (
        adapted("recommendation", values, 943, 90_570, 100.0) == values
    )  # whose labels are 0 and 1


def test_factorization_machines_terms_grow_with_the_scale_and_their_factors_by_its_root() -> None:
    values = {
        "bias_lr": "0.01",
        "linear_lr": "0.005",
        "linear_wd": "0.0005",
        "factors_lr": "0.001",
        "factors_init_sigma": "0.05",
        "factors_wd": "0.0005",
        "epochs": "20",
    }
    assert adapted("factorization_machines", values, 50, 1000, 100.0) == {
        "bias_lr": "0.25",
        "linear_lr": "0.125",
        "linear_wd": "0.0005",
        "factors_lr": "0.005",
        "factors_init_sigma": "0.25",
        "factors_wd": "0.0125",
        "epochs": "20",
    }


def test_adapted_to_more_users_reduces_weight_decay() -> None:
    values = {"learning_rate": "0.004", "weight_decay": "0.0002"}
    fewer = {"learning_rate": "0.004", "weight_decay": "2e-05"}
    assert adapted("recommendation", values, 9_430, 905_700, 9.0) == fewer
    assert adapted("rating", values, 9_430, 90_570, 4.0) == fewer
    assert adapted("recommendation", values, 10, 90_570, 9.0) == values


def test_adapted_to_fewer_likes_of_a_user_reduces_weight_decay_as_much() -> None:
    """A quarter of MovieLens's ratings of a user, by as many users, and by four times as many."""
    values = {"learning_rate": "0.004", "weight_decay": "0.0002"}
    assert adapted("recommendation", values, 943, 90_570 // 4, 4.0)["weight_decay"] == "5e-05"
    assert adapted("recommendation", values, 3_772, 90_570, 4.0)["weight_decay"] == "1.25e-05"
    assert adapted("recommendation", values, 943, 0, 4.0) == values


def test_adapted_to_equal_ratings_is_unchanged() -> None:
    values = PRESETS["default"]["rating"]
    assert adapted("rating", values, 943, 90_570, 0.0) == values


@pytest.mark.parametrize(
    ("train", "epochs"), [(90_570, "5"), (45_285, "10"), (900, "30"), (10**7, "5")]
)
def test_adapted_to_fewer_ratings_of_a_user_the_deep_network_sees_them_more_often(
    train: int, epochs: str
) -> None:
    """Half of MovieLens's ratings of a user twice as often; at most six times as often."""
    assert adapted("deep_mf", {"epochs": "5"}, 943, train, 4.0) == {"epochs": epochs}
    assert adapted("rating", {"epochs": "5"}, 943, train, 4.0) == {"epochs": "5"}
