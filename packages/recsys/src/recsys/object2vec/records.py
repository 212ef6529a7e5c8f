"""Token sequences and labelled pairs of them: validation, reading and storage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.errors import Problems
from recsys.instances import decode, shown
from recsys.object2vec.hyperparameters import Hyperparameters

_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True)
class Sequences:
    """Many token sequences in two flat arrays: row i is `tokens[offsets[i]:offsets[i + 1]]`."""

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> Sequences:
        """Build from validated, non-empty sequences."""
        rows = list(rows)
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        tokens = np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum()))
        return cls(tokens, np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each sequence."""
        return np.diff(self.offsets)

    @cached_property
    def single(self) -> bool:
        """Whether each sequence is one token, the common case of ids."""
        return len(self.tokens) == len(self) and bool((np.diff(self.offsets) == 1).all())

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: NDArray[np.int64]) -> Sequences:
        """The sequences of some rows, in that order."""
        starts, lengths = self.offsets[rows], self.lengths[rows]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Sequences(self.tokens[np.repeat(starts, lengths) + within], offsets)


@dataclass(frozen=True)
class Pairs:
    """Pairs of sequences, each with a label (a rating or a class number)."""

    in0: Sequences
    in1: Sequences
    labels: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)


def sequence_problem(value: object, vocab_size: int, max_seq_len: int) -> str | None:
    """The problem of one decoded `in0` or `in1`, or None if it is valid."""
    if not isinstance(value, list):
        return "must be a list of token ids"
    if not value:
        return "is empty, needs at least one token id"
    if len(value) > max_seq_len:
        return f"has {len(value)} tokens, more than the maximum sequence length {max_seq_len}"
    for token in value:
        if type(token) is not int:
            return f"token ids must be integers, not {shown(token)}"
        if not 0 <= token < vocab_size:
            return f"token id {str(token)[:40]} is not in the vocabulary (0 to {vocab_size - 1})"
    return None


def read_pairs(files: Iterable[Path], settings: Hyperparameters) -> Pairs:
    """Read JSON Lines of `{"label": 1, "in0": [..], "in1": [..]}` from several files.

    Raises InputError with file and number of every invalid line (the first twenty with messages).
    """
    problems = Problems()
    blocks = []
    for file in files:
        first = 1
        for lines in _blocks(file):
            block = _quick(lines, settings)
            if block is None:
                block = _careful(lines, settings, f"{file.name} line", first, problems)
            blocks.append(block)
            first += len(lines)
    problems.raise_if_any()
    return Pairs(
        _joined([block[0] for block in blocks]),
        _joined([block[1] for block in blocks]),
        np.concatenate([np.zeros(0, np.float32), *(block[2] for block in blocks)]),
    )


_Block = tuple[Sequences, Sequences, NDArray[np.float32]]


def _blocks(file: Path) -> Iterator[list[bytes]]:
    with file.open("rb") as stream:
        if stream.read(3) != b"\xef\xbb\xbf":  # a byte order mark, as some editors leave
            stream.seek(0)
        while lines := stream.readlines(_BLOCK_BYTES):
            yield lines


def _joined(parts: Sequence[Sequences]) -> Sequences:
    if not parts:
        return Sequences(np.zeros(0, np.int32), np.zeros(1, np.int64))
    lengths = np.concatenate([part.lengths for part in parts])
    return Sequences(
        np.concatenate([part.tokens for part in parts]),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
    )


def _quick(lines: list[bytes], settings: Hyperparameters) -> _Block | None:
    """Decode a block of valid lines at once; None if anything is unusual."""
    stripped = [line for line in map(bytes.strip, lines) if line]
    joined = b",".join(stripped)
    # as many braces as lines, one at the start of each: no object spans lines
    if joined.count(b"{") != len(stripped) or not all(
        line[:1] == b"{" and line[-1:] == b"}" for line in stripped
    ):
        return None
    try:
        rows = decode(f"[{joined.decode()}]")
        if len(rows) != len(stripped):
            return None
        labels = [row["label"] for row in rows]
        if not set(map(type, labels)) <= {int, float}:
            return None
        with np.errstate(over="ignore"):  # infinity is refused below
            label_array = np.array(labels, np.float32)
        sides = []
        for name, vocab_size, longest in _sides(settings):
            sequences = [row[name] for row in rows]
            if not (
                set(map(type, sequences)) <= {list}
                and all(sequences)
                and set(map(type, chain.from_iterable(sequences))) <= {int}
            ):
                return None
            side = Sequences.of(sequences)
            if rows and not (
                side.tokens.min() >= 0
                and side.tokens.max() < vocab_size
                and side.lengths.max() <= longest
            ):
                return None
            sides.append(side)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    if not np.isfinite(label_array).all():
        return None
    if settings.output_layer == "softmax" and not _are_classes(label_array, settings).all():
        return None
    return sides[0], sides[1], label_array


def _are_classes(labels: NDArray[np.float32], settings: Hyperparameters) -> NDArray[np.bool_]:
    whole: NDArray[np.bool_] = labels == np.floor(labels)
    return whole & (labels >= 0) & (labels < settings.num_classes)


def _careful(
    lines: list[bytes], settings: Hyperparameters, where: str, first: int, problems: Problems
) -> _Block:
    """Decode a block line by line, and report problems."""
    rows = []
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            row = decode(line.decode().strip())
        except UnicodeDecodeError:
            problems.add(f"{where} {number}: is not UTF-8 text")
            continue
        except ValueError as error:
            problems.add(f"{where} {number}: {error}")
            continue
        found = _row_problems(row, settings)
        for problem in found:
            problems.add(f"{where} {number}: {problem}")
        if not found:
            rows.append(row)
    return (
        Sequences.of(row["in0"] for row in rows),
        Sequences.of(row["in1"] for row in rows),
        np.array([row["label"] for row in rows], np.float32),
    )


def _sides(settings: Hyperparameters) -> Iterator[tuple[str, int, int]]:
    return zip(("in0", "in1"), settings.vocab_sizes, settings.max_seq_lens, strict=True)


def _row_problems(row: object, settings: Hyperparameters) -> list[str]:
    if not isinstance(row, dict):
        return ["must be an object with label, in0 and in1"]
    problems = []
    if "label" not in row:
        problems.append("label is missing")
    elif (problem := label_problem(row["label"], settings)) is not None:
        problems.append(f"label {problem}")
    for name, vocab_size, longest in _sides(settings):
        if name not in row:
            problems.append(f"{name} is missing")
        elif (problem := sequence_problem(row[name], vocab_size, longest)) is not None:
            problems.append(f"{name} {problem}")
    return problems


def label_problem(label: object, settings: Hyperparameters) -> str | None:
    """The problem of one label, or None if it is valid."""
    if isinstance(label, bool) or not isinstance(label, int | float):
        return f"must be a number, not {shown(label)}"
    if not abs(label) <= float(np.finfo(np.float32).max):
        return "is too large"
    if settings.output_layer == "softmax" and not (
        label == math.floor(label) and 0 <= label < settings.num_classes
    ):
        return f"must be a class from 0 to {settings.num_classes - 1}, not {label}"
    return None
