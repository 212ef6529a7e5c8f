"""Training: epochs of minibatches, early stopping, progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.object2vec import batches, network, optimizers
from recsys.object2vec.batches import Compacted
from recsys.object2vec.hyperparameters import Hyperparameters
from recsys.object2vec.network import Batch
from recsys.object2vec.records import Pairs
from recsys.object2vec.scorer import Affine, Scorer

_SECONDS_A_CALL = 1.0  # duration of one call of the compiled loop


@dataclass(frozen=True)
class Progress:
    """Progress of training within an epoch."""

    epoch: int
    done: int
    pairs: int
    pairs_a_second: float
    seconds_left: float  # to the end of the last epoch, without early stopping


@dataclass(frozen=True)
class Epoch:
    """The result of one epoch: each channel's metrics by name."""

    epoch: int
    seconds: float
    metrics: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Outcome:
    """The kept model, its epoch, and all epochs."""

    scorer: Scorer
    best: int
    history: tuple[Epoch, ...]


def train(
    settings: Hyperparameters,
    pairs: Pairs,
    validation: Pairs | None = None,
    *,
    seed: int = 0,
    report: Callable[[Progress | Epoch], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome | None:
    """Train on pairs until early stopping, the last epoch, or `stop()` returns true.

    With validation pairs, the epoch with the lowest validation loss is kept, and training ends
    after `early_stopping_patience` epochs that did not lower the loss by
    `early_stopping_tolerance`. The same seed gives the same model on the same machine. Returns
    None if stopped before the first minibatch.
    """
    learner = _Learner(settings, pairs, seed)
    history: list[Epoch] = []
    best: tuple[float, int, Scorer] | None = None
    milestone, patience = np.inf, settings.early_stopping_patience
    name = "cross_entropy" if settings.output_layer == "softmax" else "mean_squared_error"
    for epoch in range(1, settings.epochs + 1):
        begun = time.perf_counter()
        learnt, stopped = learner.epoch(epoch, report, stop)
        if learnt is None:
            break
        scorer = learner.scorer()
        metrics = {"train": {name: learnt}}
        if validation is not None:
            metrics["validation"] = scorer.metrics(validation)
        monitored = metrics.get("validation", metrics["train"])[name]
        history.append(Epoch(epoch, time.perf_counter() - begun, metrics))
        report(history[-1])
        if not np.isfinite([learnt, monitored]).all():
            if best is None:
                raise InputError(
                    f"training diverged: the loss after epoch {epoch} is not a finite number; "
                    "lower learning_rate"
                )
            break
        if validation is None or best is None or monitored < best[0]:
            best = (monitored, epoch, scorer)
        if monitored <= milestone - settings.early_stopping_tolerance:
            milestone, patience = monitored, settings.early_stopping_patience
        else:
            patience -= 1
        if stopped or (validation is not None and patience == 0):
            break
    return None if best is None else Outcome(best[2], best[1], tuple(history))


class _Learner:
    """The state of training: network, embedding tables and optimizer."""

    def __init__(self, settings: Hyperparameters, pairs: Pairs, seed: int) -> None:
        self._settings = settings
        self._data = Compacted.of(pairs, settings)
        self._generator = np.random.default_rng(seed)
        sizes = tuple(len(ids) for ids in self._data.ids)
        prior = _prior(settings, pairs)
        tables, net = network.initialise(settings, sizes, prior, self._generator)
        slots = (_slots(settings, part) for part in (tables, net))
        self._state: Any = (tables, net, *slots, jnp.int32(0))
        self._dropout_seed = jnp.uint32(self._generator.integers(1 << 32))
        self._stride = 1  # minibatches per call

    def epoch(
        self, epoch: int, report: Callable[[Progress], None], stop: Callable[[], bool]
    ) -> tuple[float | None, bool]:
        """Train on all pairs once.

        Returns the mean training loss (None without any minibatch), and whether it was stopped.
        """
        begun = time.perf_counter()
        total = len(self._data.pairs) + batches.negatives(self._data.pairs, self._settings)
        loss_sum = done = 0.0
        for chunk, count in batches.epoch(self._data, self._settings, self._generator):
            chunk = jax.device_put(chunk)
            position = 0
            while position < count:
                if stop():
                    return loss_sum / done if done else None, True
                called = time.perf_counter()
                end = min(count, position + self._stride)
                self._state, (loss, weight) = _advance(
                    self._settings, self._state, chunk, position, end, self._dropout_seed
                )
                loss_sum += float(loss)
                done += float(weight)
                now = time.perf_counter()
                # The compiled loop cannot be interrupted, so each call takes about a second.
                pace = (end - position) * _SECONDS_A_CALL / (now - called)
                self._stride = max(1, min(4 * self._stride, count, int(pace)))
                position = end
                rate = done / (now - begun)
                left = (total * (self._settings.epochs - epoch + 1) - done) / rate
                report(Progress(epoch, round(done), total, rate, left))
        return loss_sum / done, False

    def scorer(self) -> Scorer:
        """The current model, with each embedding table multiplied by its dense encoder.

        The last row is for all tokens that did not occur in training: the mean of those that did.
        """
        tables, net, *_ = self._state
        encodings = []
        for side, encoder in enumerate(net.encoders):
            table = np.asarray(tables[min(side, len(tables) - 1)])
            table = np.concatenate([table, table.mean(axis=0, keepdims=True)])
            encodings.append(table @ np.asarray(encoder.weight) + np.asarray(encoder.bias))
        layers = [Affine(*map(np.array, layer)) for layer in (*net.mlp, net.output)]
        ids = (self._data.ids[0], self._data.ids[-1])
        return Scorer(self._settings, ids, (encodings[0], encodings[1]), tuple(layers))


def _prior(settings: Hyperparameters, pairs: Pairs) -> NDArray[np.float32]:
    if settings.output_layer == "mean_squared_error":
        return np.array([pairs.labels.mean()], np.float32)
    counts = np.bincount(pairs.labels.astype(int), minlength=settings.num_classes)
    prior: NDArray[np.float32] = np.log((counts + 1) / (counts + 1).sum()).astype(np.float32)
    return prior


def _slots(settings: Hyperparameters, part: Any) -> list[optimizers.Slots]:
    return [optimizers.slots_for(settings.optimizer, leaf) for leaf in jax.tree.leaves(part)]


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def _advance(
    settings: Hyperparameters, state: Any, chunk: Batch, first: Any, end: Any, seed: jax.Array
) -> Any:
    """Run the chunk's minibatches from `first` up to `end`."""

    def one(position: Any, carried: Any) -> Any:
        state, loss_sum, weight_sum = carried
        batch: Batch = jax.tree.map(lambda array: array[position], chunk)
        state, loss = _step(settings, state, batch, seed)
        weight = batch.weight.sum()
        return state, loss_sum + loss * weight, weight_sum + weight

    state, *sums = jax.lax.fori_loop(first, end, one, (state, jnp.float32(0), jnp.float32(0)))
    return state, sums


def _step(
    settings: Hyperparameters, state: Any, batch: Batch, seed: jax.Array
) -> tuple[Any, jax.Array]:
    """Compute one minibatch's gradient and apply one step of the optimizer."""
    tables, net, table_slots, net_slots, made = state
    lazy = settings.token_embedding_storage_type == "row_sparse"  # noqa: S105
    made = made + 1
    embedded = tuple(
        table.at[rows].get(mode="clip") for table, rows in zip(tables, batch.rows, strict=True)
    )
    loss, (row_gradients, net_gradients) = jax.value_and_grad(
        partial(network.loss, settings), argnums=(0, 1)
    )(embedded, net, batch, seed + made.astype(jnp.uint32))

    leaves, shape = jax.tree.flatten(net)
    updated = [
        optimizers.update(leaf, gradient, slots, settings, made)
        for leaf, gradient, slots in zip(
            leaves, jax.tree.leaves(net_gradients), net_slots, strict=True
        )
    ]
    net = jax.tree.unflatten(shape, [value for value, _ in updated])
    net_slots = [slots for _, slots in updated]

    new_tables, new_slots = [], []
    for table, old, rows, values, gradient in zip(
        tables, table_slots, batch.rows, embedded, row_gradients, strict=True
    ):
        if lazy:
            # Only the minibatch's rows and their slots are updated.
            at = tuple(slot.at[rows].get(mode="clip") for slot in old)
            values, at = optimizers.update(values, gradient, at, settings, made)
            put = partial(_put, rows=rows)
            new_tables.append(put(table, values))
            new_slots.append(tuple(map(put, old, at)))
        else:
            full = jnp.zeros_like(table).at[rows].add(gradient, mode="drop", unique_indices=True)
            table, slots = optimizers.update(table, full, old, settings, made)
            new_tables.append(table)
            new_slots.append(slots)
    return (tuple(new_tables), net, new_slots, net_slots, made), loss


def _put(table: jax.Array, values: jax.Array, rows: jax.Array) -> jax.Array:
    return table.at[rows].set(values, mode="drop", unique_indices=True)
