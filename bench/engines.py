"""The rating engines of this project, each a function from a split and a seed to predictions.

Settings were fixed on parts of ua.base held out for it; where the number of epochs is chosen, it is
chosen anew within each training part, and the engine is then fitted again on the whole of it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from bench.movielens import ITEMS, USERS, Split, held_out, item_features, user_features
from recsys.bayesian_fm import BayesianFactorizationMachine
from recsys.datasets import teacher
from recsys.datasets.baselines import LIKED, Bias
from recsys.datasets.ratings import Ratings
from recsys.deep_mf import hyperparameters as deep_mf
from recsys.factorization_machines import hyperparameters as machines
from recsys.object2vec import hyperparameters as object2vec
from recsys.object2vec.records import Pairs, Sequences

Floats = NDArray[np.floating]
Predict = Callable[[Path, Split, int], Floats]

_PRESETS = json.loads(
    (Path(__file__).resolve().parent.parent / "stacks" / "presets.json").read_text("utf-8")
)
_DEEP_MF = {"weight_decay": 0.003, "learning_rate": 0.001, "mini_batch_size": 512}
_MACHINE = {
    "feature_dim": USERS + ITEMS,
    "num_factors": 8,
    "predictor_type": "regressor",
    "mini_batch_size": 256,
    "bias_lr": 0.01,
    "bias_wd": 0.0,
    "linear_lr": 0.005,
    "linear_wd": 0.0005,
    "factors_lr": 0.001,
    "factors_wd": 0.0005,
    "factors_init_sigma": 0.05,
}
_MOST_EPOCHS = 40


@dataclass(frozen=True)
class Engine:
    """An engine for the table.

    Attributes:
        name: as the table has it.
        predict: ratings of the test part's pairs; or for `binary` engines, chances of liking.
        splits: where it is run.
        seeds: with how many seeds on ua.
        quick: whether it is part of the quick run.
    """

    name: str
    predict: Predict
    splits: tuple[str, ...] = ("ua", "u1", "u2", "u3", "u4", "u5")
    seeds: int = 3
    quick: bool = True


def bias(_: Path, parts: Split, __: int) -> Floats:
    """Mean, user's and item's bias."""
    return Bias.fit(parts.train, parts.train.rating).predict(parts.test)


def liked_bias(_: Path, parts: Split, __: int) -> Floats:
    """The same, of the labels."""
    labels = (parts.train.rating > LIKED).astype(np.float32)
    return Bias.fit(parts.train, labels).predict(parts.test)


def _tokens(ids: NDArray[np.integer]) -> Sequences:
    return Sequences(ids.astype(np.int32), np.arange(len(ids) + 1, dtype=np.int64))


def _pairs(rows: Ratings, labels: NDArray[Any]) -> Pairs:
    return Pairs(_tokens(rows.user), _tokens(rows.item), labels.astype(np.float32))


def _object2vec(preset: str, task: str) -> Predict:
    """Object2Vec with a preset; epochs by early stopping, then anew on the whole training part."""

    def labels(rows: Ratings) -> NDArray[Any]:
        return rows.rating if task == "rating" else (rows.rating > LIKED).astype(np.float32)

    def predict(_: Path, parts: Split, seed: int) -> Floats:
        from recsys.object2vec.training import train

        given = _PRESETS[preset][task] | {"enc0_vocab_size": USERS, "enc1_vocab_size": ITEMS}
        if preset == "taught":
            rows, target = _opinions(parts, seed, task)
        else:
            learn, judge = held_out(parts.train, seed=seed)
            found = train(
                object2vec.parse(given),
                _pairs(learn, labels(learn)),
                _pairs(judge, labels(judge)),
                seed=seed,
            )
            assert found is not None
            given |= {"epochs": found.best}
            rows, target = parts.train, labels(parts.train)
        order = np.random.default_rng(seed).permutation(len(rows))
        settings = object2vec.parse(given | {"early_stopping_tolerance": "1e-6"})
        found = train(settings, _pairs(rows.take(order), target[order]), seed=seed)
        assert found is not None
        scores = found.scorer.scores(_tokens(parts.test.user), _tokens(parts.test.item))
        return scores[:, -1].astype(np.float64)

    return predict


def _opinions(parts: Split, seed: int, task: str) -> tuple[Ratings, NDArray[Any]]:
    taught = teacher.opinions(parts.train, seed)
    return taught.rows, taught.rows.rating if task == "rating" else taught.liked


def bayesian(_: Path, parts: Split, seed: int) -> Floats:
    """Ids and SVD++'s sets."""
    machine = BayesianFactorizationMachine(seed=seed)
    machine.fit(parts.train.user, parts.train.item, parts.train.rating, shape=(USERS, ITEMS))
    return machine.predict(parts.test.user, parts.test.item)


def _with_everything(folder: Path, parts: Split, seed: int) -> tuple[Any, NDArray[np.int64]]:
    train, test, days = parts.days()
    machine = BayesianFactorizationMachine(seed=seed, iterations=200, chains=4, ordered=True)
    machine.fit(
        parts.train.user,
        parts.train.item,
        parts.train.rating,
        shape=(USERS, ITEMS),
        user_features=user_features(folder),
        item_features=item_features(folder),
        context=(train, days),
    )
    return machine, test


def bayesian_with_everything(folder: Path, parts: Split, seed: int) -> Floats:
    """The ordered probit with side information and the date."""
    machine, day = _with_everything(folder, parts, seed)
    return np.asarray(machine.predict(parts.test.user, parts.test.item, day))


def liked_bayesian(_: Path, parts: Split, seed: int) -> Floats:
    """The ordered probit's chance of a rating above 3; ids and SVD++'s sets."""
    machine = BayesianFactorizationMachine(seed=seed, ordered=True)
    machine.fit(parts.train.user, parts.train.item, parts.train.rating, shape=(USERS, ITEMS))
    levels = np.unique(parts.train.rating)
    chances = machine.probabilities(parts.test.user, parts.test.item)
    return np.asarray(chances[:, levels > LIKED].sum(axis=1))


def deep_matrix_factorization(_: Path, parts: Split, seed: int) -> Floats:
    """The workshop's network, with weight decay; epochs chosen within the training part."""
    from recsys.deep_mf.training import train

    def fit(rows: Ratings, epochs: int, **told: Any) -> Any:
        settings = deep_mf.parse(_DEEP_MF | {"epochs": epochs})
        return train(settings, rows.user, rows.item, rows.rating, seed=seed, **told)

    learn, judge = held_out(parts.train, seed=seed)
    errors: list[float] = []
    fit(
        learn,
        10,
        epoch_ends=lambda _, model: errors.append(
            float(np.mean((model.predict(judge.user, judge.item) - judge.rating) ** 2))
        ),
    )
    model = fit(parts.train, int(np.argmin(errors)) + 1)
    return np.asarray(model.predict(parts.test.user, parts.test.item))


def factorization_machine(_: Path, parts: Split, seed: int) -> Floats:
    """SageMaker's factorization machines; epochs chosen within the training part."""
    from recsys.factorization_machines.training import train

    def design(rows: Ratings) -> csr_array:
        columns = np.stack([rows.user, rows.item + USERS], axis=1).ravel()
        ends = np.arange(0, len(columns) + 1, 2)
        shape = (len(rows), USERS + ITEMS)
        return csr_array((np.ones(len(columns), np.float32), columns, ends), shape=shape)

    learn, judge = held_out(parts.train, seed=seed)
    errors: list[float] = []
    judged = design(judge)
    train(
        machines.parse(_MACHINE | {"epochs": _MOST_EPOCHS}),
        design(learn),
        learn.rating,
        seed=seed,
        epoch_ends=lambda _, model: errors.append(model.metrics(judged, judge.rating)["mse"]),
    )
    settings = machines.parse(_MACHINE | {"epochs": int(np.argmin(errors)) + 1})
    machine = train(settings, design(parts.train), parts.train.rating, seed=seed)
    return machine.scores(design(parts.test))


RATING = (
    Engine("biases", bias, seeds=1),
    Engine("Object2Vec, default", _object2vec("default", "rating")),
    Engine("Object2Vec, workshop", _object2vec("workshop", "rating"), ("ua",), 1, quick=False),
    Engine("Object2Vec, taught", _object2vec("taught", "rating"), ("ua",), quick=False),
    Engine("deep matrix factorization", deep_matrix_factorization),
    Engine("factorization machines (SageMaker's)", factorization_machine),
    Engine("Bayesian factorization machine", bayesian),
    Engine(
        "Bayesian factorization machine, side information, date, ordered",
        bayesian_with_everything,
        ("u1",),
        quick=False,
    ),
)

LIKING = (
    Engine("biases", liked_bias, ("ua",), 1),
    Engine("Object2Vec, default", _object2vec("default", "recommendation"), ("ua",)),
    Engine("Object2Vec, taught", _object2vec("taught", "recommendation"), ("ua",), quick=False),
    Engine("Bayesian factorization machine, ordered", liked_bayesian, ("ua",), quick=False),
)
