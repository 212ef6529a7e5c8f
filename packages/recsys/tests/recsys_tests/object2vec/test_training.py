from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from recsys.errors import InputError
from recsys.object2vec import batches, hyperparameters, optimizers, training
from recsys.object2vec.estimator import Object2Vec
from recsys.object2vec.hyperparameters import Hyperparameters
from recsys.object2vec.records import Pairs, Sequences
from recsys.object2vec.training import Epoch, Outcome, Progress

pytestmark = pytest.mark.slow


def settings(**given: str) -> Hyperparameters:
    return hyperparameters.parse(
        {
            "enc0_network": "pooled_embedding",
            "enc0_max_seq_len": "3",
            "enc0_vocab_size": "3000000",
            "enc1_max_seq_len": "3",
            "enc1_vocab_size": "3000000",
            "enc0_token_embedding_dim": "8",
            "enc_dim": "6",
            "mlp_dim": "8",
            "mlp_layers": "1",
            "mlp_activation": "relu",
            "mini_batch_size": "16",
            "learning_rate": "0.01",
            "output_layer": "mean_squared_error",
            "epochs": "25",
            **given,
        }
    )


def ratings(seed: int, count: int = 400, length: int = 1) -> Pairs:
    """Additive tastes of 20 users and 15 items with far-apart ids, and a little noise."""
    tastes = np.random.default_rng(99)
    user_taste, item_taste = tastes.normal(size=20), tastes.normal(size=15)
    generator = np.random.default_rng(seed)
    users = generator.integers(0, 20, (count, length))
    items = generator.integers(0, 15, (count, length))
    labels = 3 + user_taste[users].mean(axis=1) + item_taste[items].mean(axis=1)
    labels += generator.normal(scale=0.1, size=count)
    return Pairs(
        Sequences.of((users * 149_999).tolist()),
        Sequences.of((items * 199_999 + 7).tolist()),
        labels.astype(np.float32),
    )


def train(chosen: Hyperparameters, pairs: Pairs, *rest: Any, **more: Any) -> Outcome:
    outcome = training.train(chosen, pairs, *rest, **more)
    assert outcome is not None
    return outcome


@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("storage", ["dense", "row_sparse"])
def test_training_reduces_the_loss(length: int, storage: str) -> None:
    chosen = settings(token_embedding_storage_type=storage)
    held_out = ratings(2, length=length)
    outcome = train(chosen, ratings(1, length=length), held_out)
    mean_only = float(held_out.labels.var())
    assert outcome.scorer.metrics(held_out)["mean_squared_error"] < 0.15 * mean_only


def test_scorer_equals_the_trained_network() -> None:
    """The training loss of an epoch without steps is the scorer's own."""
    pairs = ratings(1, 16, length=3)
    # One minibatch: its loss is taken before the step, so it is the initial network's; a rate
    # of almost nothing leaves the network where it was.
    chosen = settings(epochs="1", learning_rate="0.000001", optimizer="sgd")
    outcome = train(chosen, pairs)
    learnt = outcome.history[0].metrics["train"]["mean_squared_error"]
    assert outcome.scorer.metrics(pairs)["mean_squared_error"] == pytest.approx(learnt, rel=1e-4)


def test_training_is_deterministic() -> None:
    chosen = settings(dropout="0.3")
    models = [train(chosen, ratings(1), ratings(2), seed=seed).scorer for seed in (4, 4, 5)]
    assert (models[0].encodings[0] == models[1].encodings[0]).all()
    assert (models[0].layers[0].weight == models[1].layers[0].weight).all()
    assert not (models[0].encodings[0] == models[2].encodings[0]).all()


def test_early_stopping_keeps_the_best_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = iter([1.0, 0.8, 0.795, 0.9, 0.794, 0.1])

    def metrics(scorer: object, pairs: Pairs) -> dict[str, float]:
        return {"mean_squared_error": next(losses)}

    monkeypatch.setattr("recsys.object2vec.scorer.Scorer.metrics", metrics)
    outcome = train(settings(), ratings(1), ratings(2))
    # 0.8 is the last to lower the loss by 0.01; three epochs later training ends. The best of
    # all is the fifth, though by too little to go on for.
    assert len(outcome.history) == 5
    assert outcome.best == 5


def test_training_without_validation_keeps_the_last_epoch() -> None:
    outcome = train(settings(), ratings(1))
    assert (len(outcome.history), outcome.best) == (25, 25)
    assert "validation" not in outcome.history[0].metrics


def test_progress_is_reported() -> None:
    events: list[Progress | Epoch] = []
    train(settings(), ratings(1), report=events.append)
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert [event.epoch for event in epochs] == list(range(1, 26))
    assert set(epochs[0].metrics) == {"train"}
    last = [event for event in events if isinstance(event, Progress)][-1]
    assert (last.epoch, last.done, last.pairs, last.seconds_left) == (25, 400, 400, 0)


def test_stopped_training_keeps_the_current_model() -> None:
    calls = iter(range(1000))
    outcome = train(settings(), ratings(1), ratings(2), stop=lambda: next(calls) >= 3)
    assert len(outcome.history) == 1
    assert training.train(settings(), ratings(1), stop=lambda: True) is None


def test_divergence_is_reported() -> None:
    chosen = settings(optimizer="sgd", learning_rate="1", mlp_activation="linear")
    with pytest.raises(InputError, match=r"training diverged.*lower learning_rate"):
        training.train(chosen, ratings(1))


def test_training_separates_classes() -> None:
    pairs, held_out = (
        dataclasses.replace(some, labels=(some.labels > 3).astype(np.float32))
        for some in (ratings(1), ratings(2))
    )
    outcome = train(settings(output_layer="softmax"), pairs, held_out)
    metrics = outcome.scorer.metrics(held_out)
    assert metrics["accuracy"] > 0.9
    assert metrics["cross_entropy"] < 0.35


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "rmsprop", "adadelta", "adam"])
def test_optimizer_first_steps_equal_manual_results(optimizer: str) -> None:
    """Two steps of each rule from nought, worked out in float64 from its published formula."""
    rate, gradients = 0.1, (2.0, -1.0)
    value, a, b = 1.0, 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        if optimizer == "sgd":
            value -= rate * gradient
        elif optimizer == "adagrad":
            a += gradient**2
            value -= rate * gradient / (a**0.5 + 1e-7)
        elif optimizer == "rmsprop":
            a = 0.9 * a + 0.1 * gradient**2
            value -= rate * gradient / (a + 1e-8) ** 0.5
        elif optimizer == "adadelta":
            a = 0.9 * a + 0.1 * gradient**2
            change = ((b + 1e-5) / (a + 1e-5)) ** 0.5 * gradient
            b = 0.9 * b + 0.1 * change**2
            value -= change
        else:
            a = 0.9 * a + 0.1 * gradient
            b = 0.999 * b + 0.001 * gradient**2
            value -= rate * (a / (1 - 0.9**step)) / ((b / (1 - 0.999**step)) ** 0.5 + 1e-8)
    chosen = settings(optimizer=optimizer, learning_rate="0.1")
    current = jnp.array([1.0])
    slots = optimizers.slots_for(optimizer, current)
    for step, gradient in enumerate(gradients, 1):
        current, slots = optimizers.update(
            current, jnp.array([gradient]), slots, chosen, jnp.int32(step)
        )
    assert float(current[0]) == pytest.approx(value, rel=1e-5)


def test_weight_decay_is_added_to_the_gradient() -> None:
    chosen = settings(optimizer="sgd", learning_rate="0.1", weight_decay="0.5")
    value, _ = optimizers.update(jnp.array([4.0]), jnp.array([1.0]), (), chosen, jnp.int32(1))
    assert float(value[0]) == pytest.approx(4 - 0.1 * (1 + 0.5 * 4))


@pytest.mark.parametrize("storage", ["dense", "row_sparse"])
def test_rows_outside_the_minibatch_are_unchanged(storage: str) -> None:
    """After its minibatch, Adam's momentum goes on moving a row in dense mode; in row_sparse mode
    the row waits for its next minibatch."""
    chosen = settings(token_embedding_storage_type=storage, mini_batch_size="1", epochs="1")
    pairs = Pairs(Sequences.of([[1], [2]]), Sequences.of([[1], [2]]), np.array([5, 1], np.float32))
    learner = training._Learner(chosen, pairs, seed=3)
    chunk, count = next(batches.epoch(learner._data, chosen, np.random.default_rng(0)))
    assert count == 2
    row = int(chunk.rows[0][0, 0])
    tables = [np.array(learner._state[0][0])]
    for step in range(2):
        learner._state, _ = training._advance(
            chosen, learner._state, chunk, step, step + 1, jnp.uint32(0)
        )
        tables.append(np.array(learner._state[0][0]))
    assert (tables[1][row] != tables[0][row]).all()
    assert (tables[1][1 - row] == tables[0][1 - row]).all()
    assert (tables[2][row] != tables[1][row]).all() == (storage == "dense")
    assert (tables[2][row] == tables[1][row]).all() == (storage == "row_sparse")


def test_estimator_fits_predicts_and_embeds(tmp_path: Any) -> None:
    pairs, held_out = ratings(1, 800), ratings(2)
    in0, in1 = pairs.in0.tokens.tolist(), pairs.in1.tokens.tolist()
    model = Object2Vec(
        enc0_network="pooled_embedding",
        enc0_vocab_size=3_000_000,
        enc0_max_seq_len=1,
        enc0_token_embedding_dim=8,
        enc_dim=6,
        mlp_dim=8,
        mlp_layers=1,
        mlp_activation="relu",
        output_layer="mean_squared_error",
        learning_rate=0.01,
        mini_batch_size=16,
        epochs=25,
        seed=1,
    )
    fitted = model.fit(
        in0,
        in1,
        pairs.labels,
        validation=(held_out.in0.tokens, held_out.in1.tokens, held_out.labels),
    )
    assert fitted is model
    predicted = model.predict(held_out.in0.tokens, held_out.in1.tokens)
    assert predicted.shape == (len(held_out),)
    assert ((predicted - held_out.labels) ** 2).mean() < 0.15 * held_out.labels.var()
    assert model.embed(in1=[[7], [7 + 199_999]]).shape == (2, 6)
    with pytest.raises(ValueError, match="either in0 or in1"):
        model.embed()
    with pytest.raises(ValueError, match="in0: row 0: token id -1"):
        model.predict([-1], [1])
    with pytest.raises(ValueError, match="enc_dim: must be"):
        Object2Vec(enc_dim=1).fit(in0, in1, pairs.labels)
