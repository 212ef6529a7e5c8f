"""Whatever the bytes of RecordIO are, the records are right or their faults are told."""

import struct
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recsys import recordio
from recsys.errors import InputError
from tests.inputs import attempt, damaged, within
from tests.reliability import Tally

COLUMNS = 300

# An encoder of the wire's format, from its documentation: protobuf.dev/programming-guides/encoding


def varint(number: int) -> bytes:
    groups = []
    number &= (1 << 64) - 1  # of negative numbers, ten bytes
    while True:
        groups.append(number & 127)
        number >>= 7
        if not number:
            return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def sized(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def numbers(field: int, parts: Sequence[bytes], wire: int, packed: bool) -> bytes:
    """A repeated field of numbers, together or each by itself."""
    if packed:
        return sized(field, b"".join(parts))
    return b"".join(varint(field << 3 | wire) + part for part in parts)


KINDS: dict[str, tuple[int, int, Callable[[float], bytes]]] = {
    "float32": (2, 5, lambda value: struct.pack("<f", value)),
    "float64": (3, 1, lambda value: struct.pack("<d", value)),
    "int32": (7, 0, lambda value: varint(int(value))),
}


def tensor(
    kind: str, values: Sequence[float], keys: Sequence[int], shape: Sequence[int], packed: bool
) -> bytes:
    field, wire, encoded = KINDS[kind]
    content = numbers(1, [encoded(value) for value in values], wire, packed)
    if keys:
        content += numbers(2, [varint(key) for key in keys], 0, packed)
    if shape:
        content += numbers(3, [varint(size) for size in shape], 0, packed)
    return sized(field, content)


def entry(field: int, name: str, value: bytes) -> bytes:
    return sized(field, sized(1, name.encode()) + sized(2, value))


def framed(record: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(record)) + record + bytes(-len(record) % 4)


@st.composite
def records(draw: Any) -> tuple[bytes, dict[int, float], float]:
    """A record, its values by key, and its label."""
    kind = draw(st.sampled_from(list(KINDS)))
    value = st.integers(-(2**31), 2**31 - 1) if kind == "int32" else st.floats(width=32)
    found = draw(
        st.dictionaries(
            st.integers(0, COLUMNS - 1),
            value.filter(lambda number: number and np.isfinite(number)),
            max_size=6,
        )
    )
    packed, dense = draw(st.booleans()), draw(st.integers(0, 4)) == 0
    if dense:
        features = tensor(kind, [found.get(key, 0) for key in range(COLUMNS)], [], [], packed)
    else:
        shape = draw(st.sampled_from([[COLUMNS], [1, COLUMNS]]))
        if found and draw(st.booleans()):
            shape = []
        features = tensor(kind, list(found.values()), list(found), shape, packed)
    label = draw(st.floats(-(2**99), 2**99, width=32))
    parts = [
        entry(1, "values", features),
        entry(2, "values", tensor("float32", [label], [], [], draw(st.booleans()))),
        entry(1, "more", tensor("float32", [1], [], [], True)),
        sized(3, b"an id"),
    ]
    parts = parts[: draw(st.integers(2, 4))]
    return b"".join(draw(st.permutations(parts))), found, label


@given(st.lists(records(), max_size=4))
def test_any_valid_records_are_read(
    tally: Tally, made: list[tuple[bytes, dict[int, float], float]]
) -> None:
    tally("inputs tried", "RecordIO, well-formed")
    content = b"".join(framed(record) for record, _, _ in made)
    features, labels = recordio.read(content, COLUMNS)
    assert labels.tolist() == [label for _, _, label in made]
    wanted = np.zeros((len(made), COLUMNS), np.float32)
    for row, (_, values, _) in enumerate(made):
        for key, value in values.items():
            wanted[row, key] = value
    assert (features.toarray() == wanted).all()


ROW = entry(1, "values", tensor("float32", [1.5, 2], [3, 200], [COLUMNS], True))
LABEL = entry(2, "values", tensor("float32", [4], [], [], True))
WHOLE = entry(1, "values", tensor("int32", [-7, 1], [1, 2], [COLUMNS], False)) + LABEL
CONTENT = framed(ROW + LABEL) + framed(WHOLE)
ODD = (
    *(b"", b"\0", b"\xff" * 4, b"\xff" * 9 + b"\x01", b"\x80" * 10 + b"\x01", b"\n", b"\x0a\x23"),
    *(struct.pack("<II", 0xCED7230A, size) for size in (0, 1, 2**29 - 1, 2**29, 2**32 - 1)),
    *(struct.pack("<f", value) for value in (float("nan"), float("inf"), 3e38)),
    *(struct.pack("<d", value) for value in (float("nan"), -float("inf"), 1e300)),
    *(ROW, LABEL, CONTENT, sized(1, b""), sized(2, sized(1, b"values"))),
)


@given(st.binary(max_size=200) | damaged(CONTENT, ODD) | damaged(ROW + LABEL, ODD).map(framed))
@example(framed(entry(1, "values", tensor("float64", [1e300], [1], [], True)) + LABEL))
@example(framed(entry(1, "values", tensor("float32", [1], [2**64 - 1], [], True)) + LABEL))
@example(framed(entry(1, "values", tensor("float32", [1, 2], [5, 5], [], True)) + LABEL))
@example(framed(ROW + entry(2, "values", tensor("float64", [-1e300], [], [], False))))
@example(framed(ROW + LABEL + b"\x00\x00"))
def test_any_damaged_records_are_refused(tally: Tally, content: bytes) -> None:
    tally("inputs tried", "RecordIO, damaged")
    found, refusal = attempt(lambda: recordio.read(content, COLUMNS), InputError)
    if refusal:
        assert all(problem.startswith(("record ", "… and")) for problem in refusal.problems)
        assert len(str(refusal)) < 5_000
    if not found:
        return
    features, labels = found
    assert features.shape == (len(labels), COLUMNS)
    assert np.isfinite(features.data).all() and np.isfinite(labels).all()
    assert (features.indices >= 0).all() and (features.indices < COLUMNS).all()


@pytest.mark.parametrize("size", [2**28, 2**29 - 1, 2**32 - 1])
def test_truncated_record_is_refused(tally: Tally, size: int) -> None:
    """A length alone takes no memory, neither of a frame nor of a field."""
    tally("inputs tried", "RecordIO, damaged")
    frame = struct.pack("<II", 0xCED7230A, size)
    field = framed(varint(1 << 3 | 2) + varint(size) + b"x")
    tracemalloc.start()
    for content in (frame, frame + b"x" * 100, field, framed(sized(1, b"") + field)):
        with within(5), pytest.raises(InputError, match="record 1"):
            recordio.read(content, COLUMNS)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20
