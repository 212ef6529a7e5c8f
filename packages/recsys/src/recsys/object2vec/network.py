"""The network and its loss, in JAX.

    tokens → token embedding → mean over the sequence → dense → encoding      (for in0 and in1)
    encodings → hadamard, concat, abs_diff → MLP → output

In training, token embedding and dense encoder are kept as two factors: their product would be a
single, faster table, but it trains worse. `scorer` serves the product.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from recsys.object2vec.hyperparameters import Hyperparameters

Array = Any  # a jax.Array, or a numpy array that becomes one


class Layer(NamedTuple):
    """An affine map: weight (inputs, outputs), bias (outputs,)."""

    weight: jax.Array
    bias: jax.Array


class Network(NamedTuple):
    """All trainable parameters except the token embeddings."""

    encoders: tuple[Layer, Layer]
    mlp: tuple[Layer, ...]
    output: Layer


class Side(NamedTuple):
    """The positions of one side's tokens of a minibatch in `Batch.rows`.

    `place` (tokens,) indexes the rows. For sequences longer than one, `owner` (tokens,) is each
    token's position in the minibatch (the minibatch's size for padding) and `length` (pairs,) the
    number of tokens; both are None if each sequence is one token.
    """

    place: Array
    owner: Array | None
    length: Array | None


class Batch(NamedTuple):
    """One minibatch: the distinct embedding rows that occur in it, and its pairs.

    `rows` has one array for each embedding table, padded with an index beyond the table.
    """

    rows: tuple[Array, ...]
    sides: tuple[Side, Side]
    label: Array
    weight: Array


def initialise(
    settings: Hyperparameters,
    sizes: tuple[int, ...],
    prior: NDArray[np.float32],
    generator: np.random.Generator,
) -> tuple[tuple[jax.Array, ...], Network]:
    """Draw the embedding tables (one if tied) and the network.

    `sizes` are the tables' rows; `prior` is the output layer's initial bias, so that training
    starts at the mean rating or the classes' frequencies.
    """

    def layer(inputs: int, outputs: int) -> Layer:
        limit = (6 / (inputs + outputs)) ** 0.5  # Glorot and Bengio 2010
        weight = generator.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)
        return Layer(jnp.asarray(weight), jnp.asarray(np.zeros(outputs, np.float32)))

    # Tokens start close to one another: with a larger spread, wide networks memorise the training
    # pairs before they find common structure.
    dims = settings.token_embedding_dims
    tables = tuple(
        jnp.asarray(generator.normal(0, 0.2 * dim**-0.5, (size, dim)).astype(np.float32))
        for size, dim in zip(sizes, dims, strict=False)
    )
    encoders = (layer(dims[0], settings.enc_dim), layer(dims[1], settings.enc_dim))
    width = settings.enc_dim * sum(
        2 if name == "concat" else 1 for name in settings.comparator_list
    )
    mlp = []
    for _ in range(settings.mlp_layers):
        mlp.append(layer(width, settings.mlp_dim))
        width = settings.mlp_dim
    output = layer(width, settings.outputs)
    return tables, Network(encoders, tuple(mlp), Layer(output.weight, jnp.asarray(prior)))


def _mix(bits: jax.Array) -> jax.Array:
    """Scatter 32-bit integers (the finalizer of MurmurHash3)."""
    bits = (bits ^ (bits >> 16)) * jnp.uint32(0x85EBCA6B)
    bits = (bits ^ (bits >> 13)) * jnp.uint32(0xC2B2AE35)
    return bits ^ (bits >> 16)


def _dropped(values: jax.Array, rate: float, seed: jax.Array) -> jax.Array:
    """Inverted dropout. It uses a hash of position and seed: jax.random takes longer than the rest
    of a small network, in compilation and at run time."""
    position = jax.lax.iota(jnp.uint32, values.size).reshape(values.shape)
    kept = _mix(_mix(position) ^ _mix(seed)) >= jnp.uint32(min(rate * 2**32, 2**32 - 1))
    return jnp.where(kept, values / max(1 - rate, 1e-6), 0)


def _pool(values: jax.Array, side: Side, pairs: int) -> jax.Array:
    """Mean of each pair's tokens: (rows, n) to (pairs, n)."""
    values = jnp.take(values, side.place, axis=0, mode="clip")
    if side.owner is None or side.length is None:
        return values
    sums = jax.ops.segment_sum(values, side.owner, num_segments=pairs + 1)[:-1]
    means: jax.Array = sums / side.length[:, None]
    return means


def _pooled_product(values: jax.Array, weight: jax.Array, side: Side, pairs: int) -> jax.Array:
    """`pool(values) @ weight` in the cheaper order, which is exact because both are linear."""
    if values.shape[0] < pairs:
        return _pool(values @ weight, side, pairs)
    return _pool(values, side, pairs) @ weight


def _activate(name: str, values: jax.Array) -> jax.Array:
    if name == "tanh":
        return jnp.tanh(values)
    return jax.nn.relu(values) if name == "relu" else values


def scores(
    settings: Hyperparameters,
    embedded: tuple[jax.Array, ...],
    network: Network,
    batch: Batch,
    seed: jax.Array | None = None,
) -> jax.Array:
    """The output layer's values before any softmax: (pairs, outputs).

    `embedded` are the embedding rows of `batch.rows`. With a seed (uint32), dropout is applied.
    """
    pairs = batch.label.shape[0]
    layers = itertools.count()

    def drop(values: jax.Array) -> jax.Array:
        if seed is None or settings.dropout == 0:
            return values
        # Each layer of each step has its own seed.
        return _dropped(values, settings.dropout, seed * jnp.uint32(16) + jnp.uint32(next(layers)))

    enc0, enc1 = (
        _pooled_product(embedded[min(side, len(embedded) - 1)], encoder.weight, place, pairs)
        + encoder.bias
        for side, (encoder, place) in enumerate(zip(network.encoders, batch.sides, strict=True))
    )
    enc0, enc1 = drop(enc0), drop(enc1)
    compared = {
        "hadamard": lambda: enc0 * enc1,
        "concat": lambda: jnp.concatenate([enc0, enc1], axis=1),
        "abs_diff": lambda: jnp.abs(enc0 - enc1),
    }
    values = jnp.concatenate([compared[name]() for name in settings.comparator_list], axis=1)
    for layer in network.mlp:
        values = drop(_activate(settings.mlp_activation, values @ layer.weight + layer.bias))
    return values @ network.output.weight + network.output.bias


def loss(
    settings: Hyperparameters,
    embedded: tuple[jax.Array, ...],
    network: Network,
    batch: Batch,
    seed: jax.Array | None = None,
) -> jax.Array:
    """Weighted mean squared error or cross-entropy of a minibatch."""
    values = scores(settings, embedded, network, batch, seed)
    if settings.output_layer == "softmax":
        log_probabilities = jax.nn.log_softmax(values)
        labels = batch.label.astype(jnp.int32)[:, None]
        losses = -jnp.take_along_axis(log_probabilities, labels, axis=1)[:, 0]
    else:
        losses = (values[:, 0] - batch.label) ** 2
    mean: jax.Array = (losses * batch.weight).sum() / batch.weight.sum()
    return mean
