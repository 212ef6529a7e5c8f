"""The network against a second, plain implementation of the same formulas in float64."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recsys.object2vec import batches, hyperparameters, network
from recsys.object2vec.batches import Compacted
from recsys.object2vec.hyperparameters import Hyperparameters
from recsys.object2vec.network import Batch, Network
from recsys.object2vec.records import Pairs, Sequences

pytestmark = pytest.mark.slow


def settings(**given: str) -> Hyperparameters:
    return hyperparameters.parse(
        {
            "enc0_network": "pooled_embedding",
            "enc0_max_seq_len": "4",
            "enc0_vocab_size": "40",
            "enc1_max_seq_len": "3",
            "enc1_vocab_size": "40",
            "enc0_token_embedding_dim": "5",
            "enc1_token_embedding_dim": "3",
            "enc_dim": "6",
            "mlp_dim": "7",
            "mlp_layers": "2",
            "mlp_activation": "tanh",
            "mini_batch_size": "8",
            **given,
        }
    )


RAGGED = Pairs(
    Sequences.of([[3], [17, 3], [5, 5, 30, 3], [17], [30, 31]]),
    Sequences.of([[2, 4], [2], [9, 4, 2], [33], [4]]),
    np.array([1, 0, 1, 1, 0], np.float32),
)
SINGLE = Pairs(
    Sequences.of([[3], [17], [3], [30], [31]]),
    Sequences.of([[2], [2], [9], [33], [4]]),
    np.array([1, 0, 1, 1, 0], np.float32),
)


def by_the_book(
    chosen: Hyperparameters, learnt: tuple[Any, Network], data: Compacted, rows: Any
) -> float:
    """The loss over some pairs, one pair at a time."""
    tables, net = learnt
    total = 0.0
    for row in rows:
        encodings = []
        for side, sequences in enumerate((data.pairs.in0, data.pairs.in1)):
            tokens = sequences.tokens[sequences.offsets[row] : sequences.offsets[row + 1]]
            mean = tables[min(side, len(tables) - 1)][tokens].mean(axis=0)
            encodings.append(mean @ net.encoders[side].weight + net.encoders[side].bias)
        u, v = encodings
        parts = {"hadamard": [u * v], "concat": [u, v], "abs_diff": [abs(u - v)]}
        x = np.concatenate([part for name in chosen.comparator_list for part in parts[name]])
        for layer in net.mlp:
            x = x @ layer.weight + layer.bias
            x = {"tanh": np.tanh(x), "relu": np.maximum(x, 0), "linear": x}[chosen.mlp_activation]
        x = x @ net.output.weight + net.output.bias
        label = data.pairs.labels[row]
        if chosen.output_layer == "softmax":
            total -= float(x[int(label)] - np.log(np.exp(x).sum()))
        else:
            total += float((x[0] - label) ** 2)
    return total / len(rows)


def minibatch(data: Compacted, chosen: Hyperparameters) -> Batch:
    chunk, count = next(batches.epoch(data, chosen, np.random.default_rng(1)))
    assert count == 1
    batch: Batch = jax.tree.map(lambda array: array[0], chunk)
    return batch


def float64(tree: Any) -> Any:
    return jax.tree.map(lambda array: np.asarray(array, np.float64), tree)


CASES = [
    (SINGLE, {}),
    (RAGGED, {}),
    (RAGGED, {"mlp_activation": "relu", "comparator_list": "concat"}),
    (RAGGED, {"mlp_layers": "0", "comparator_list": "abs_diff,hadamard"}),
    (RAGGED, {"output_layer": "mean_squared_error", "mlp_activation": "linear"}),
    (RAGGED, {"tied_token_embedding_weight": "True", "enc1_token_embedding_dim": "5"}),
]


@pytest.mark.parametrize(("pairs", "given"), CASES)
def test_loss_and_gradient_equal_numeric_results(pairs: Pairs, given: dict[str, str]) -> None:
    chosen = settings(**given)
    data = Compacted.of(pairs, chosen)
    generator = np.random.default_rng(5)
    sizes = tuple(len(ids) for ids in data.ids)
    prior = np.zeros(chosen.outputs, np.float32)
    tables, net = network.initialise(chosen, sizes, prior, generator)
    # Biases start at nought; give them values, so that they count.
    net = jax.tree.map(lambda array: array + 0.1, net)
    batch = minibatch(data, chosen)

    def loss(tables: Any, net: Any) -> jax.Array:
        embedded = tuple(
            table.at[rows].get(mode="clip") for table, rows in zip(tables, batch.rows, strict=True)
        )
        return network.loss(chosen, embedded, net, batch)

    value, gradients = jax.value_and_grad(loss, argnums=(0, 1))(tables, net)
    exact = float64((tables, net))
    everything = range(len(pairs))
    assert float(value) == pytest.approx(by_the_book(chosen, exact, data, everything), rel=1e-5)

    leaves, shape = jax.tree.flatten(exact)
    slopes = jax.tree.leaves(float64(gradients))
    for number, (leaf, slope) in enumerate(zip(leaves, slopes, strict=True)):
        direction = generator.normal(size=leaf.shape)
        moved = []
        for sign in (1, -1):
            changed = [*leaves]
            changed[number] = leaf + sign * 1e-6 * direction
            moved.append(by_the_book(chosen, jax.tree.unflatten(shape, changed), data, everything))
        numeric = (moved[0] - moved[1]) / 2e-6
        assert (slope * direction).sum() == pytest.approx(numeric, rel=1e-3, abs=1e-5)


def test_dropout_keeps_the_mean_and_the_share() -> None:
    values = jnp.ones((300, 500))
    dropped = np.asarray(network._dropped(values, 0.4, jnp.uint32(7)))
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / 0.6)}
    assert (dropped == 0).mean() == pytest.approx(0.4, abs=0.005)
    # neither rows nor columns nor seeds share a pattern
    assert (dropped == 0).mean(axis=0).std() == pytest.approx((0.24 / 300) ** 0.5, rel=0.2)
    assert (dropped == 0).mean(axis=1).std() == pytest.approx((0.24 / 500) ** 0.5, rel=0.2)
    other = np.asarray(network._dropped(values, 0.4, jnp.uint32(8)))
    assert ((dropped == 0) & (other == 0)).mean() == pytest.approx(0.16, abs=0.005)
    assert np.asarray(network._dropped(values, 1.0, jnp.uint32(7))).max() == 0


def test_epoch_has_each_pair_once_and_only_occurring_rows() -> None:
    generator = np.random.default_rng(0)
    tokens0, tokens1 = generator.integers(0, 40, 50), generator.integers(0, 40, 50)
    pairs = Pairs(
        Sequences.of(tokens0[:, None].tolist()),
        Sequences.of(tokens1[:, None].tolist()),
        np.arange(50, dtype=np.float32),
    )
    chosen = settings(output_layer="mean_squared_error")
    data = Compacted.of(pairs, chosen)
    seen = []
    for chunk, count in batches.epoch(data, chosen, generator):
        assert count == 7  # 50 pairs in eights
        for step in range(count):
            real = np.flatnonzero(chunk.weight[step])
            labels = chunk.label[step, real].astype(int)
            for side, tokens in enumerate((tokens0, tokens1)):
                row = chunk.rows[side][step][chunk.sides[side].place[step, real]]
                assert (data.ids[side][row] == tokens[labels]).all()
                used = set(chunk.rows[side][step].tolist()) - {len(data.ids[side])}
                assert used == set(row.tolist())
            seen += labels.tolist()
    assert sorted(seen) == list(range(50))


def test_negative_samples_keep_in0_and_have_label_0() -> None:
    chosen = settings(negative_sampling_rate="3")
    pairs = Pairs(SINGLE.in0, SINGLE.in1, np.array([1, 0, 1, 0, 0], np.float32))
    data = Compacted.of(pairs, chosen)
    rows = []
    for chunk, count in batches.epoch(data, chosen, np.random.default_rng(3)):
        for step in range(count):
            for pair in np.flatnonzero(chunk.weight[step]):
                row = chunk.rows[0][step][chunk.sides[0].place[step, pair]]
                rows.append((int(data.ids[0][row]), int(chunk.label[step, pair])))
    # Both positive pairs have the in0 token 3: each once itself, and three negatives of each.
    assert rows.count((3, 1)) == 2
    assert rows.count((3, 0)) == 6
    assert len(rows) == 5 + 6
