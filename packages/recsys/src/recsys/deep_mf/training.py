"""Training in JAX: epochs of minibatches with Adam."""

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

from recsys.deep_mf.hyperparameters import Hyperparameters
from recsys.deep_mf.scorer import Scorer
from recsys.errors import InputError

_SECONDS_A_CALL = 1.0  # duration of one call of the compiled loop

Parameters = Any  # arrays: tables "user", "item" and optionally "genre", and "layers"


@dataclass(frozen=True)
class Progress:
    """Progress of training: ratings processed in this epoch, their number, and the loss so far."""

    epoch: int
    done: int
    ratings: int
    loss: float
    ratings_a_second: float
    seconds_left: float  # to the end of the last epoch


def train(
    settings: Hyperparameters,
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    rating: NDArray[np.floating],
    *,
    genres: NDArray[np.integer] | None = None,
    seed: int = 0,
    report: Callable[[Progress], None] = lambda _: None,
    epoch_ends: Callable[[int, Scorer], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Scorer:
    """Train a network.

    The rows are shuffled once, and the order of the minibatches before every epoch: shuffling
    millions of rows each time would take a considerable part of the training time.

    Args:
        settings: the hyperparameters.
        user, item: (ratings,) ids from 0.
        rating: (ratings,) values.
        genres: (items, genres) flags by item id, required if `genre_dim` is not 0.
        seed: the same seed gives the same model on the same machine.
        report: called about once a second with the progress.
        epoch_ends: called after each epoch with its number and the current model.
        stop: called about once a second; training ends early if it returns true.

    Raises:
        InputError: the arrays do not match, or training diverged.
    """
    _check(settings, user, item, rating, genres)
    generator = np.random.default_rng(seed)
    sizes = int(user.max()) + 1, int(item.max()) + 1
    if genres is not None and settings.genre_dim:
        sizes = sizes[0], max(sizes[1], len(genres))
    share = _shares(genres, sizes[1]) if settings.genre_dim and genres is not None else None
    parameters = _initialise(settings, sizes, share, float(rating.mean()), generator)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, jax.tree.map(jnp.copy, zeros), jnp.int32(0))

    size = min(settings.mini_batch_size, len(rating))
    steps = -(-len(rating) // size)
    data = _minibatches(user, item, rating, generator.permutation(len(rating)), steps, size)
    met = {
        "user": np.bincount(user, minlength=sizes[0]) > 0,
        "item": np.bincount(item, minlength=sizes[1]) > 0,
    }
    stride = 1
    for epoch in range(1, settings.epochs + 1):
        begun, position, total = time.perf_counter(), 0, 0.0
        order = jnp.asarray(generator.permutation(steps).astype(np.int32))
        while position < steps:
            if stop():
                return _scorer(settings, state[0], share, met)
            called = time.perf_counter()
            end = min(steps, position + stride)
            state, loss = _advance(settings, share, state, data, order, position, end)
            total += float(loss)
            now = time.perf_counter()
            # The compiled loop cannot be interrupted, so each call takes about a second.
            pace = (end - position) * _SECONDS_A_CALL / (now - called)
            stride = max(1, min(4 * stride, steps, int(pace)))
            position = end
            done = min(position * size, len(rating))
            rate = done / (now - begun)
            left = (len(rating) * (settings.epochs - epoch + 1) - done) / rate
            report(Progress(epoch, done, len(rating), total / done, rate, left))
        if not np.isfinite(total):
            raise InputError(
                f"training diverged: the loss of epoch {epoch} is not a finite number; "
                "lower learning_rate"
            )
        model = _scorer(settings, state[0], share, met)
        epoch_ends(epoch, model)
    return model


def _check(
    settings: Hyperparameters,
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    rating: NDArray[np.floating],
    genres: NDArray[np.integer] | None,
) -> None:
    problems = []
    if not len(user) == len(item) == len(rating) > 0:
        problems.append("user, item and rating need the same length, of at least one")
    elif min(user.min(), item.min()) < 0:
        problems.append("user and item: ids must be 0 or more")
    elif not np.isfinite(rating).all():
        problems.append("rating: every value must be a finite number")
    if settings.genre_dim and genres is None:
        problems.append("genre_dim: there are no genres; give them, or set it to 0")
    if problems:
        raise InputError(problems)


def _minibatches(
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    rating: NDArray[np.floating],
    order: NDArray[np.int64],
    steps: int,
    size: int,
) -> tuple[jax.Array, ...]:
    """User, item, rating and weight, (minibatches, size); padding has weight 0."""
    gaps = np.resize(order, steps * size)
    weight = (np.arange(steps * size) < len(order)).astype(np.float32)
    columns = (user[gaps].astype(np.int32), item[gaps].astype(np.int32), rating[gaps])
    return tuple(
        jnp.asarray(np.asarray(column, column.dtype.newbyteorder("=")).reshape(steps, size))
        for column in (*columns[:2], columns[2].astype(np.float32), weight)
    )


def _shares(genres: NDArray[np.integer], items: int) -> jax.Array:
    """Each item's genre flags divided by their number, (items, genres)."""
    flags = np.zeros((items, genres.shape[1]), np.float32)
    flags[: len(genres)] = genres
    return jnp.asarray(flags / np.maximum(flags.sum(axis=1, keepdims=True), 1))


def _initialise(
    settings: Hyperparameters,
    sizes: tuple[int, int],
    share: jax.Array | None,
    mean: float,
    generator: np.random.Generator,
) -> Parameters:
    def table(rows: int, dim: int) -> jax.Array:
        return jnp.asarray(generator.normal(0, 0.05, (rows, dim)).astype(np.float32))

    parameters = {
        "user": table(sizes[0], settings.user_dim),
        "item": table(sizes[1], settings.item_dim),
    }
    width = settings.user_dim + settings.item_dim
    if share is not None:
        parameters["genre"] = table(share.shape[1], settings.genre_dim)
        width += settings.genre_dim
    layers = []
    for outputs in (*[settings.hidden_dim] * settings.hidden_layers, 1):
        limit = (6 / (width + outputs)) ** 0.5  # Glorot and Bengio 2010
        weight = generator.uniform(-limit, limit, (width, outputs)).astype(np.float32)
        layers.append((jnp.asarray(weight), jnp.zeros(outputs, jnp.float32)))
        width = outputs
    layers[-1] = (layers[-1][0], jnp.full(1, mean, jnp.float32))
    return parameters | {"layers": layers}


@partial(jax.jit, static_argnums=0, donate_argnums=2)
def _advance(
    settings: Hyperparameters,
    share: jax.Array | None,
    state: Any,
    data: tuple[jax.Array, ...],
    order: jax.Array,
    first: Any,
    end: Any,
) -> Any:
    """Run the minibatches `order[first:end]`; also return the sum of their squared errors."""

    def one(position: Any, carried: Any) -> Any:
        (parameters, mean, square, made), total = carried
        batch = tuple(column[order[position]] for column in data)
        made = made + 1
        (_, errors), gradient = jax.value_and_grad(partial(_loss, settings, share), has_aux=True)(
            parameters, batch
        )
        rate = settings.learning_rate * jnp.sqrt(1 - 0.999**made) / (1 - 0.9**made)
        # Kingma and Ba 2015, written out so that each table is read and written once per step.
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradient)
        parameters = jax.tree.map(
            lambda p, m, s: p - rate * m / (jnp.sqrt(s) + 1e-8), parameters, mean, square
        )
        return (parameters, mean, square, made), total + errors

    return jax.lax.fori_loop(first, end, one, (state, jnp.float32(0)))


def _loss(
    settings: Hyperparameters,
    share: jax.Array | None,
    parameters: Parameters,
    batch: tuple[jax.Array, ...],
) -> tuple[jax.Array, jax.Array]:
    """Mean squared error with weight decay; and the sum of squared errors."""
    user, item, rating, weight = batch
    parts = [
        parameters["user"].at[user].get(mode="clip"),
        parameters["item"].at[item].get(mode="clip"),
    ]
    if share is not None:
        parts.append(share.at[item].get(mode="clip") @ parameters["genre"])
    values = jnp.concatenate(parts, axis=1)
    penalty = (values**2 * weight[:, None]).sum() / weight.sum()
    *hidden, (last, bias) = parameters["layers"]
    for matrix, offset in hidden:
        values = jax.nn.relu(values @ matrix + offset)
        penalty += (matrix**2).sum()
    errors = (((values @ last + bias)[:, 0] - rating) ** 2 * weight).sum()
    loss = errors / weight.sum()
    if settings.weight_decay:
        loss += 0.5 * settings.weight_decay * penalty
    return loss, errors


def _scorer(
    settings: Hyperparameters,
    parameters: Parameters,
    share: jax.Array | None,
    met: Mapping[str, NDArray[np.bool_]],
) -> Scorer:
    """The model; ids that did not occur in training get the mean of those that did."""
    tables = {}
    for name, known in met.items():
        table = np.array(parameters[name])
        mean = table[known].mean(axis=0)
        table[~known] = mean
        tables[name] = np.concatenate([table, mean[None]])
    if share is not None:
        genre = np.asarray(share) @ np.asarray(parameters["genre"])
        genre = np.concatenate([genre, genre.mean(axis=0, keepdims=True)])
        tables["item"] = np.concatenate([tables["item"], genre], axis=1)
    layers = tuple((np.array(weight), np.array(bias)) for weight, bias in parameters["layers"])
    return Scorer(settings, tables["user"], tables["item"], layers)
