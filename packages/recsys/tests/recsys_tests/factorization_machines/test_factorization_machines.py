"""The trainer against the algorithm written out, the machine against the formula."""

import io
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys import recordio
from recsys.container.algorithms import Channel, Job, loader, trainer
from recsys.errors import InputError, UnsupportedMediaType
from recsys.factorization_machines import Machine, hyperparameters
from recsys.factorization_machines.requests import answer
from recsys.factorization_machines.training import train

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]

X = np.array([[1, 0, 2.0, 0], [0, 1, 0, 1], [1, 0, 0, 1]])
BASE = {"feature_dim": 4, "num_factors": 2, "predictor_type": "regressor"}


def formula(x: Floats, bias: float, linear: Floats, factors: Floats) -> float:
    pairs = combinations(range(len(x)), 2)
    return float(bias + x @ linear + sum(x[i] * x[j] * (factors[i] @ factors[j]) for i, j in pairs))


def a_machine(classifies: bool = False) -> Machine:
    random = np.random.default_rng(0)
    linear, factors = random.normal(size=4), random.normal(size=(4, 2))
    return Machine(classifies, 0.5, linear.astype(np.float32), factors.astype(np.float32))


def test_scores_equal_the_formula() -> None:
    machine = a_machine()
    linear, factors = machine.linear.astype(float), machine.factors.astype(float)
    expected = [formula(x, 0.5, linear, factors) for x in X]
    assert machine.scores(csr_array(X)) == pytest.approx(expected, rel=1e-5)
    chances = a_machine(True).scores(csr_array(X))
    assert chances == pytest.approx([1 / (1 + np.exp(-v)) for v in expected], rel=1e-5)


@pytest.mark.parametrize("kind", ["regressor", "binary_classifier"])
def test_step_equals_adam_on_the_gradient(kind: str) -> None:
    labels = np.array([1.0, 0.0, 1.0])
    settings = hyperparameters.parse(
        BASE
        | {
            "predictor_type": kind,
            "epochs": 1,
            "mini_batch_size": 3,
            "factors_init_sigma": 0.5,
            "bias_lr": 0.3,
            "linear_lr": 0.2,
            "factors_lr": 0.1,
            "factors_wd": 0.05,
            "clip_gradient": 0.2,
        }
    )
    random = np.random.default_rng(7)
    start = [
        random.normal(0, sigma, shape).astype(np.float32).astype(float)
        for sigma, shape in ((0.01, 1), (0.01, 4), (0.5, (4, 2)))
    ]

    def loss(flat: Floats) -> float:
        bias, linear, factors = flat[0], flat[1:5], flat[5:].reshape(4, 2)
        values = np.array([formula(x, bias, linear, factors) for x in X])
        if kind == "regressor":
            return float(((values - labels) ** 2).sum() / 2)
        return float((np.log1p(np.exp(values)) - labels * values).sum())

    flat = np.concatenate([part.ravel() for part in start])
    steps = 1e-6 * np.eye(len(flat))
    gradient = np.array([(loss(flat + s) - loss(flat - s)) / 2e-6 for s in steps])
    decay = np.repeat([0.01, 0.001, 0.05], [1, 4, 8])
    gradient = np.clip(gradient / 3, -0.2, 0.2) + decay * flat
    rate = np.repeat([0.3, 0.2, 0.1], [1, 4, 8])
    # Adam's first step: both moments are corrected to the gradient and its square.
    first, second = 0.1 * gradient, 0.001 * gradient**2
    expected = flat - rate * (0.001**0.5 / 0.1) * first / (np.sqrt(second) + 1e-8)

    found = train(settings, csr_array(X), labels, seed=7)
    assert found.bias == pytest.approx(expected[0], abs=2e-4)
    assert found.linear == pytest.approx(expected[1:5], abs=2e-4)
    assert found.factors.ravel() == pytest.approx(expected[5:], abs=2e-4)


def test_unused_features_are_not_updated() -> None:
    settings = hyperparameters.parse(BASE | {"feature_dim": 5, "mini_batch_size": 1})
    wide = csr_array(np.hstack([X, np.zeros((3, 1))]))
    ends: list[Machine] = []
    start = hyperparameters.parse(BASE | {"feature_dim": 5, "linear_lr": 0, "factors_lr": 0})
    train(settings, wide, np.ones(3), epoch_ends=lambda _, m: ends.append(m))
    untouched = train(start, wide, np.ones(3))
    assert ends[0].linear[4] == untouched.linear[4]
    assert (ends[0].linear[:4] != untouched.linear[:4]).all()
    assert (ends[0].factors[4] == untouched.factors[4]).all()


def test_gradients_multiplied_by_zero_change_nothing() -> None:
    """So does a learning rate of zero, with the same initial values."""
    kinds = ("bias", "linear", "factors")
    still = BASE | {f"{kind}_wd": 0 for kind in kinds} | {"num_factors": 1}
    data, labels = csr_array(X), np.ones(3)
    found = train(hyperparameters.parse(still | {"rescale_grad": 0}), data, labels)
    start = train(hyperparameters.parse(still | {f"{kind}_lr": 0 for kind in kinds}), data, labels)
    assert found.bias == start.bias
    assert (found.linear == start.linear).all() and (found.factors == start.factors).all()


def planted(classes: bool) -> tuple[csr_array, Floats]:
    """One user and one item of thirty each; the label is an inner product of planted factors."""
    random = np.random.default_rng(0)
    user, item = random.integers(0, 30, 6000), random.integers(30, 60, 6000)
    hidden = random.normal(size=(60, 2))
    values = (hidden[user] * hidden[item]).sum(axis=1) + 1
    columns = np.stack([user, item], axis=1).ravel()
    rows = csr_array((np.ones(12_000), columns, np.arange(0, 12_001, 2)), shape=(6000, 60))
    return rows, (values > 1).astype(float) if classes else values


@pytest.mark.parametrize("kind", ["regressor", "binary_classifier"])
def test_training_recovers_planted_interactions(kind: str) -> None:
    rows, labels = planted(kind == "binary_classifier")
    settings = hyperparameters.parse(
        {
            "feature_dim": 60,
            "num_factors": 4,
            "predictor_type": kind,
            "epochs": 40,
            "mini_batch_size": 50,
            "linear_lr": 0.01,
            "factors_lr": 0.01,
            "factors_init_sigma": 0.1,
        }
    )
    machine = train(settings, rows[:5000], labels[:5000])
    found = machine.metrics(rows[5000:], labels[5000:])
    if kind == "regressor":
        assert found["mse"] < 0.02 * labels.var()
        assert found["rmse"] == pytest.approx(found["mse"] ** 0.5)
    else:
        assert found["binary_classification_accuracy"] > 0.97 > 0.6 > labels.mean()


def test_metrics_equal_manual_results() -> None:
    machine = Machine(True, 0.0, np.array([1.0, -1.0], np.float32), np.zeros((2, 2), np.float32))
    # scores .731, .269, .731 against 1, 1, 0: one right; one true positive of two said, two there
    rows = csr_array(np.array([[1.0, 0], [0, 1], [1, 0]]))
    found = machine.metrics(rows, np.array([1.0, 1.0, 0.0]))
    assert found["binary_classification_accuracy"] == pytest.approx(1 / 3)
    assert found["binary_f_1.000"] == pytest.approx(0.5)
    assert found["binary_classification_cross_entropy"] == pytest.approx(
        -(np.log(0.7310586) + 2 * np.log(0.2689414)) / 3, abs=1e-6
    )


SPARSE = {"keys": [0, 2], "shape": [4], "values": [1, 2.0]}


def test_answer_supports_every_format() -> None:
    machine = a_machine()
    score = float(machine.scores(csr_array(X))[0])
    tensors = [SPARSE, {"values": X[0].tolist()}, X[0].tolist()]
    instances: list[Any] = [{"data": {"features": tensor}} for tensor in tensors]
    instances.append({"features": X[0].tolist()})  # the first form that the guide shows
    body, kind = answer(
        machine, json.dumps({"instances": instances}).encode(), "application/json", None
    )
    assert kind == "application/json"
    assert json.loads(body) == {"predictions": [{"score": pytest.approx(score)}] * 4}
    lines = "\n".join(map(json.dumps, instances)).encode()
    body, kind = answer(machine, lines, "application/jsonlines", None)
    assert [json.loads(line) for line in body.splitlines()] == [{"score": pytest.approx(score)}] * 4
    file = io.BytesIO()
    recordio.write(file, csr_array(X))
    body, kind = answer(machine, file.getvalue(), recordio.CONTENT_TYPE, "application/json")
    assert json.loads(body)["predictions"][0] == {"score": pytest.approx(score)}
    body, kind = answer(machine, file.getvalue(), recordio.CONTENT_TYPE, None)
    assert kind == recordio.CONTENT_TYPE and body.count(b"score") == 3

    body, _ = answer(a_machine(True), lines, "application/jsonlines", "application/json")
    first = json.loads(body)["predictions"][0]
    assert first["predicted_label"] == float(first["score"] > 0.5)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (SPARSE | {"shape": [5]}, "instances[0] has the shape [5], not [4]"),
        (SPARSE | {"keys": [0, 4]}, "instances[0] has a key that is not an integer from 0 to 3"),
        (SPARSE | {"keys": [1]}, "instances[0] needs a key for each value, or all 4 values"),
        (SPARSE | {"values": [1, "2"]}, "instances[0] has a value that is not a finite number"),
        ([1, 0, 1], "instances[0] has 3 values and no keys: give all 4 values, or keys"),
        ({"values": [1] * 5}, "instances[0] has 5 values and no keys"),
        ("none", 'instances[0] must be {"features": […]} or {"data": {"features"'),
    ],
)
def test_invalid_requests_are_refused(features: object, words: str) -> None:
    body = json.dumps({"instances": [{"data": {"features": features}}]}).encode()
    with pytest.raises(InputError) as told:
        answer(a_machine(), body, "application/json", None)
    assert words in str(told.value)


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(UnsupportedMediaType, match="text/csv"):
        answer(a_machine(), b"1,2", "text/csv", None)
    with pytest.raises(UnsupportedMediaType, match="text/csv"):
        answer(a_machine(), b"{}", "application/json", "text/csv")
    for body in (b"{", b"{}", b'{"instances": []}'):
        with pytest.raises(InputError):
            answer(a_machine(), body, "application/json", None)


def test_hyperparameter_problems_are_all_reported() -> None:
    with pytest.raises(InputError) as told:
        hyperparameters.parse({"num_factors": 0, "predictor_type": "both", "factor_lr": 1})
    assert told.value.problems == (
        "factor_lr: not a hyperparameter of Factorization Machines",
        "feature_dim: required, but not given",
        "num_factors: must be an integer from 1 to 1000, not '0'",
        "predictor_type: must be one of binary_classifier, regressor, not 'both'",
    )


def test_container_trains_and_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, labels = planted(False)
    with (tmp_path / "train.pbr").open("wb") as file:
        recordio.write(file, rows[:500], labels[:500])
    channel = Channel(recordio.CONTENT_TYPE, (tmp_path / "train.pbr",))
    given = {"feature_dim": "60", "num_factors": "4", "predictor_type": "regressor", "epochs": "2"}
    channels = {"train": channel, "test": channel}
    algorithm = "factorization-machines"
    trainer(algorithm)(Job(given, channels, tmp_path / "model", "algo-1", lambda: False))
    said = capsys.readouterr().out
    assert "#quality_metric: host=algo-1, epoch=2, train rmse <loss>=" in said
    assert "#quality_metric: host=algo-1, epoch=2, test rmse <loss>=" in said
    body = json.dumps({"data": {"features": {"keys": [3, 40], "values": [1, 1]}}}).encode()
    found, _ = loader(algorithm)(tmp_path / "model")(body, "application/jsonlines", None)
    assert set(json.loads(found)) == {"score"}
    (tmp_path / "train.pbr").write_bytes(b"1,2,3")
    with pytest.raises(InputError, match=r"channel train: train\.pbr record 1: is not RecordIO"):
        trainer(algorithm)(Job(given, channels, tmp_path / "model", "algo-1", lambda: False))
    csv = {"train": Channel("text/csv", (tmp_path / "train.pbr",))}
    with pytest.raises(InputError, match="content type must be"):
        trainer(algorithm)(Job(given, csv, tmp_path / "model", "algo-1", lambda: False))
