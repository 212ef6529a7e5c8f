"""What the report says of the models."""

import pytest

from rehearsal.report import _models
from rehearsal.run import Rehearsal

BASELINES = {
    "rating_mse": {"bias": 0.9, "user_mean": 1.1, "global_mean": 1.2},
    "recommendation_accuracy": {"bias": 0.7, "majority": 0.6},
}


@pytest.mark.parametrize(
    ("mse", "accuracy", "verdicts"),
    [
        (0.8, 0.71, []),
        (0.9, 0.71, ["rating model is no better"]),
        (0.8, 0.70, ["recommendation model is no better"]),
        (1.3, 0.60, ["rating model is no better", "recommendation model is no better"]),
    ],
)
def test_a_model_that_does_not_beat_its_baselines_is_named(
    mse: float, accuracy: float, verdicts: list[str]
) -> None:
    run = Rehearsal(data={"baselines": BASELINES}, preset="default")
    run.training = {
        "rating": {"metrics": {"validation:mean_squared_error": mse}},
        "recommendation": {"metrics": {"validation:accuracy": accuracy}},
    }
    said = "\n".join(_models(run))
    assert said.count("no better") == len(verdicts)
    assert all(words in said for words in verdicts)
