"""Minibatches as arrays of fixed shape, packed on the host.

Only tokens that occur in training are numbered, so that a vocabulary of three million ids, of which
a few thousand are used, costs neither memory nor optimizer time.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.object2vec.hyperparameters import Hyperparameters
from recsys.object2vec.network import Batch, Side
from recsys.object2vec.records import Pairs, Sequences

_CHUNK_TOKENS = 1 << 18


@dataclass(frozen=True)
class Compacted:
    """Training pairs whose tokens are rows of the embedding tables.

    `ids[t]` are the token ids of table t's rows, ascending; one table if the sides are tied.
    """

    pairs: Pairs
    ids: tuple[NDArray[np.int32], ...]

    @classmethod
    def of(cls, pairs: Pairs, settings: Hyperparameters) -> Compacted:
        """Renumber."""
        sides = (pairs.in0, pairs.in1)
        groups = [sides] if settings.tied_token_embedding_weight else [sides[:1], sides[1:]]
        ids, compacted = [], []
        for group in groups:
            used = np.zeros(max(int(side.tokens.max()) for side in group) + 1, bool)
            for side in group:
                used[side.tokens] = True
            ids.append(np.flatnonzero(used).astype(np.int32))
            row = (np.cumsum(used) - 1).astype(np.int32)
            compacted += [Sequences(row[side.tokens], side.offsets) for side in group]
        return cls(Pairs(compacted[0], compacted[1], pairs.labels), tuple(ids))


def negatives(pairs: Pairs, settings: Hyperparameters) -> int:
    """The number of pairs that negative sampling adds to an epoch."""
    return settings.negative_sampling_rate * int((pairs.labels > 0).sum())


def epoch(
    data: Compacted, settings: Hyperparameters, generator: np.random.Generator
) -> Iterator[tuple[Batch, int]]:
    """Yield one epoch's shuffled minibatches in chunks, with the number of minibatches in each.

    A chunk's arrays have the minibatches along their first axis. A short last minibatch is padded
    with pairs of weight 0. While training uses one chunk, the next one is packed.
    """
    chunks = _chunks(data, settings, generator)
    with ThreadPoolExecutor(1) as packer:
        following = packer.submit(next, chunks, None)
        while (chunk := following.result()) is not None:
            following = packer.submit(next, chunks, None)
            yield chunk


def _chunks(
    data: Compacted, settings: Hyperparameters, generator: np.random.Generator
) -> Iterator[tuple[Batch, int]]:
    pairs, sampled = data.pairs, settings.negative_sampling_rate
    rows0 = np.arange(len(pairs))
    rows1, labels = rows0, pairs.labels
    if sampled:
        # A negative keeps the in0 of a positive pair and takes the in1 of any pair at random.
        positive = np.repeat(np.flatnonzero(pairs.labels > 0), sampled)
        rows0 = np.concatenate([rows0, positive])
        rows1 = np.concatenate([rows1, generator.integers(0, len(pairs), len(positive))])
        labels = np.concatenate([labels, np.zeros(len(positive), np.float32)])
    size = settings.mini_batch_size
    order = generator.permutation(len(rows0))
    length = max(1, int(max(len(side.tokens) for side in (pairs.in0, pairs.in1)) / len(pairs)))
    steps = max(1, min(-(-len(order) // size), _CHUNK_TOKENS // (size * length)))
    for start in range(0, len(order), steps * size):
        chosen = order[start : start + steps * size]
        count = -(-len(chosen) // size)
        weight = np.zeros((steps, size), np.float32)
        weight.flat[: len(chosen)] = 1
        # Padding with a pair of the same minibatch uses no further embedding row.
        filled = np.resize(chosen[(count - 1) * size :], steps * size)
        filled[: len(chosen)] = chosen
        rows, sides = _pack(
            (pairs.in0, rows0[filled]), (pairs.in1, rows1[filled]), data.ids, steps, size
        )
        yield Batch(rows, sides, labels[filled].reshape(steps, size), weight), count


_Matrix = NDArray[np.int32]


def _pack(
    in0: tuple[Sequences, NDArray[np.int64]],
    in1: tuple[Sequences, NDArray[np.int64]],
    ids: tuple[NDArray[np.int32], ...],
    steps: int,
    size: int,
) -> tuple[tuple[_Matrix, ...], tuple[Side, Side]]:
    tokens, owners, lengths = zip(
        *(_tokens(sequences, chosen, steps, size) for sequences, chosen in (in0, in1)), strict=True
    )
    if len(ids) == 2:
        rows0, place0 = _distinct(tokens[0], len(ids[0]))
        rows1, place1 = _distinct(tokens[1], len(ids[1]))
        rows: tuple[_Matrix, ...] = (rows0, rows1)
    else:
        rows0, places = _distinct(np.concatenate(tokens, axis=1), len(ids[0]))
        place0, place1 = np.split(places, [tokens[0].shape[1]], axis=1)
        rows = (rows0,)
    return rows, (Side(place0, owners[0], lengths[0]), Side(place1, owners[1], lengths[1]))


def _tokens(
    sequences: Sequences, chosen: NDArray[np.int64], steps: int, size: int
) -> tuple[_Matrix, _Matrix | None, NDArray[np.float32] | None]:
    """Each minibatch's tokens, the pair that owns each token, and the tokens per pair."""
    if sequences.single:
        return sequences.tokens[chosen].reshape(steps, size), None, None
    taken = sequences.take(chosen)
    length = taken.lengths.reshape(steps, size)
    totals = length.sum(axis=1)
    width = _roomy(int(totals.max()))
    ends = np.cumsum(totals)
    # Padding repeats a token of the minibatch and belongs to no pair.
    tokens = np.repeat(taken.tokens[ends - totals], width).reshape(steps, width)
    owner = np.full((steps, width), size, np.int32)
    step = np.repeat(np.arange(steps), totals)
    column = np.arange(len(taken.tokens)) - np.repeat(ends - totals, totals)
    tokens[step, column] = taken.tokens
    owner[step, column] = np.repeat(np.tile(np.arange(size, dtype=np.int32), steps), length.ravel())
    return tokens, owner, length.astype(np.float32)


def _distinct(tokens: _Matrix, table: int) -> tuple[_Matrix, _Matrix]:
    """Each minibatch's distinct tokens, padded with `table`, and the index of each token."""
    order = np.argsort(tokens, axis=1)
    ordered = np.take_along_axis(tokens, order, axis=1)
    rank = np.zeros(tokens.shape, np.int32)
    np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1, out=rank[:, 1:])
    rows = np.full((len(tokens), min(table, tokens.shape[1])), table, np.int32)
    np.put_along_axis(rows, rank, ordered, axis=1)
    place = np.empty_like(rank)
    np.put_along_axis(place, order, rank, axis=1)
    return rows, place


def _roomy(count: int) -> int:
    """Round up to one of few sizes, because each new shape is compiled separately."""
    step = max(16, 1 << max(0, (count - 1).bit_length() - 3))
    return -(-count // step) * step
