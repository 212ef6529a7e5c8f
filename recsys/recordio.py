"""RecordIO with protobuf records: what SageMaker's built-in algorithms train on.

A file is a row of frames: the magic number, the length, the record, zeros up to a multiple of four
bytes. A record maps "values" to a tensor of features and one of labels; a sparse tensor has keys
and a shape. Source: "Common Data Formats for Training" in the Amazon SageMaker developer guide.
The SageMaker SDK's third version has only stubs of its writer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.errors import InputError, Problems

CONTENT_TYPE = "application/x-recordio-protobuf"

_MAGIC = 0xCED7230A
_FEATURES, _LABEL = 1, 2  # Record
_KEY, _VALUE = 1, 2  # a map's entry
_FLOAT32, _FLOAT64, _INT32 = 2, 3, 7  # Value
_VALUES, _KEYS, _SHAPE = 1, 2, 3  # each tensor
_ROWS = 100_000  # records made at once
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # the wire's types


def write(file: BinaryIO, features: csr_array, labels: NDArray[np.floating] | None = None) -> None:
    """Write a record for each row, as sparse float32 tensors.

    Args:
        file: open for writing bytes.
        features: (rows, columns).
        labels: (rows,), or None for records to be scored.
    """
    features = csr_array(features)
    for first in range(0, features.shape[0], _ROWS):
        some = slice(first, first + _ROWS)
        file.write(_records(features[some], None if labels is None else labels[some]))


def _records(features: csr_array, labels: NDArray[np.floating] | None) -> bytes:
    """All rows' records, in their frames.

    Rows with as many values and as many bytes of keys differ in nothing but these and the label,
    so that they are made together, as rows of an array of bytes.
    """
    rows = features.shape[0]
    values = np.ascontiguousarray(features.data, "<f4").view(np.uint8)
    keys, sizes = _packed(features.indices)
    places = np.concatenate([[0], np.cumsum(sizes)])[features.indptr]
    kind = np.diff(features.indptr).astype(np.int64) << 32 | np.diff(places)
    shape = _field(_SHAPE, _varint(features.shape[1]))
    label = b"" if labels is None else _entry(_LABEL, "values", _field(_VALUES, bytes(4)))
    made = []
    for each in np.unique(kind).tolist():
        chosen, count, size = np.flatnonzero(kind == each), each >> 32, each & 0xFFFFFFFF
        tail = _field(_KEYS, bytes(size)) + shape
        record = _entry(_FEATURES, "values", _field(_VALUES, bytes(4 * count)) + tail)
        keys_at = 8 + len(record) - len(shape) - size
        values_at = 8 + len(record) - len(tail) - 4 * count
        block = np.tile(np.frombuffer(frame(record + label), np.uint8), (len(chosen), 1))
        for at, length, source, begins in (
            (values_at, 4 * count, values, 4 * features.indptr[chosen]),
            (keys_at, size, keys, places[chosen]),
        ):
            block[:, at : at + length] = source[begins[:, None] + np.arange(length)]
        if labels is not None:
            end = 8 + len(record) + len(label)
            block[:, end - 4 : end] = labels[chosen].astype("<f4").view(np.uint8).reshape(-1, 4)
        made.append((chosen, block))
    lengths = np.zeros(rows, np.int64)
    for chosen, block in made:
        lengths[chosen] = block.shape[1]
    begins = np.cumsum(lengths) - lengths
    content = np.empty(lengths.sum(), np.uint8)
    for chosen, block in made:
        content[begins[chosen][:, None] + np.arange(block.shape[1])] = block
    return content.tobytes()


def _packed(numbers: NDArray[np.integer]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Numbers from 0 as varints, one after the other, and how many bytes each takes."""
    sevens = numbers.astype(np.int64)[:, None] >> (7 * np.arange(5))
    sizes = np.maximum((sevens > 0).sum(axis=1), 1)
    more = np.arange(5) < sizes[:, None] - 1
    content = (sevens & 0x7F | more << 7).astype(np.uint8)
    return content[np.arange(5) < sizes[:, None]], sizes


def scores(rows: Sequence[dict[str, float]]) -> bytes:
    """Records of an answer: named float32 labels and no features."""
    return b"".join(
        frame(
            b"".join(
                _entry(_LABEL, name, _field(_VALUES, struct.pack("<f", value)))
                for name, value in row.items()
            )
        )
        for row in rows
    )


def frame(record: bytes) -> bytes:
    """A record in its frame."""
    return struct.pack("<II", _MAGIC, len(record)) + record + bytes(-len(record) % 4)


def read(
    content: bytes, columns: int, where: str = "record", labelled: bool = True
) -> tuple[csr_array, NDArray[np.float32]]:
    """Read records.

    Args:
        content: a file's or request's bytes.
        columns: how many features there are.
        where: what a record is called in messages.
        labelled: whether every record needs a label.

    Returns:
        Features (rows, columns) and labels (rows,), 0 where there is none.

    Raises:
        InputError: with every record that is wrong (the first twenty in words).
    """
    problems = Problems()
    indptr, indices, data, labels = [0], [], [], []
    for number, record in enumerate(_frames(content, where), 1):
        try:
            keys, values, label = _record(record, columns, labelled)
        except (ValueError, IndexError, struct.error) as error:
            problems.add(f"{where} {number}: {error}")
            continue
        indices.append(keys)
        data.append(values)
        indptr.append(indptr[-1] + len(keys))
        labels.append(label)
    problems.raise_if_any()
    none = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    parts = np.concatenate(data or none[1]), np.concatenate(indices or none[0]), np.array(indptr)
    return csr_array(parts, shape=(len(labels), columns)), np.array(labels, np.float32)


def _frames(content: bytes, where: str) -> Iterator[bytes]:
    place, number = 0, 1
    while place < len(content):
        head = content[place : place + 8]
        magic, length = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
        if magic != _MAGIC:
            raise InputError(f"{where} {number}: is not RecordIO (its magic number is missing)")
        if length >> 29:
            raise InputError(f"{where} {number}: records in several parts are not read here")
        if place + 8 + length > len(content):
            raise InputError(f"{where} {number}: ends before its {length} bytes")
        yield content[place + 8 : place + 8 + length]
        place += 8 + length + -length % 4
        number += 1


def _record(
    record: bytes, columns: int, labelled: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
    features, label = None, 0.0
    has_label = False
    for field, entry in _fields(record):
        if field not in (_FEATURES, _LABEL) or not isinstance(entry, bytes):
            continue
        parts = dict(_fields(entry))
        if parts.get(_KEY) != b"values" or not isinstance(parts.get(_VALUE), bytes):
            continue
        values, keys, shape = _tensor(parts[_VALUE])  # type: ignore[arg-type]
        if field == _LABEL:
            if len(values) != 1 or not np.isfinite(values[0]):
                raise ValueError("its label must be one finite number")
            label, has_label = float(values[0]), True
            continue
        if shape is not None and shape != columns:
            raise ValueError(f"has {shape} features, not feature_dim={columns}")
        if keys is None:
            if not len(values) and shape == columns:  # a sparse record without any value
                keys = np.zeros(0, np.int64)
            elif len(values) != columns:
                raise ValueError(f"has {len(values)} values without keys, not {columns}")
            else:
                keys = np.flatnonzero(values)
                values = values[keys]
        if len(keys) != len(values):
            raise ValueError(f"has {len(keys)} keys, but {len(values)} values")
        if len(keys) and (keys.min() < 0 or keys.max() >= columns):
            raise ValueError(f"has a key that is not below feature_dim={columns}")
        if not np.isfinite(values).all():
            raise ValueError("has a value that is not a finite number")
        features = keys, values.astype(np.float32)
    if features is None:
        raise ValueError('has no features named "values"')
    if labelled and not has_label:
        raise ValueError('has no label named "values"')
    return *features, label


def _tensor(
    value: bytes,
) -> tuple[NDArray[np.floating], NDArray[np.int64] | None, int | None]:
    """A Value's numbers, its keys and its last dimension."""
    for field, tensor in _fields(value):
        if field not in (_FLOAT32, _FLOAT64, _INT32) or not isinstance(tensor, bytes):
            continue
        values: list[NDArray[np.float64]] = []
        keys: list[int] = []
        shape: list[int] = []
        for name, part in _fields(tensor):
            if name == _VALUES:
                if not isinstance(part, bytes):
                    values.append(np.array([part], np.float64))
                elif field == _INT32:
                    values.append(np.array(_signed(_varints(part)), np.float64))
                else:
                    kind = "<f4" if field == _FLOAT32 else "<f8"
                    values.append(np.frombuffer(part, kind).astype(np.float64))
            elif name in (_KEYS, _SHAPE):
                into = keys if name == _KEYS else shape
                into.extend(_varints(part) if isinstance(part, bytes) else [int(part)])
        numbers = np.concatenate(values) if values else np.zeros(0)
        found = np.array(keys, np.int64) if keys else None
        return numbers, found, shape[-1] if shape else None
    raise ValueError("its values are not a tensor of float32, float64 or int32")


def _fields(message: bytes) -> Iterator[tuple[int, bytes | float | int]]:
    """A protobuf message's fields: their numbers, and bytes or a plain number."""
    place = 0
    while place < len(message):
        tag, place = _number(message, place)
        field, kind = tag >> 3, tag & 7
        if kind == _BYTES:
            length, place = _number(message, place)
            if place + length > len(message):
                raise ValueError("is not a protobuf record: a field ends too early")
            yield field, message[place : place + length]
            place += length
        elif kind == _VARINT:
            value, place = _number(message, place)
            yield field, value
        elif kind in (_FOUR, _EIGHT):
            size = 4 if kind == _FOUR else 8
            yield field, struct.unpack_from("<f" if kind == _FOUR else "<d", message, place)[0]
            place += size
        else:
            raise ValueError("is not a protobuf record")


def _number(message: bytes, place: int) -> tuple[int, int]:
    """The varint at a place, and the place after it."""
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("is not a protobuf record: a number does not end")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def _varints(packed: bytes) -> list[int]:
    found, place = [], 0
    while place < len(packed):
        value, place = _number(packed, place)
        found.append(value)
    return found


def _signed(values: list[int]) -> list[int]:
    return [value - (1 << 64) if value >> 63 else value for value in values]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _varint(len(content)) + content


def _entry(field: int, name: str, tensor: bytes) -> bytes:
    return _field(field, _field(_KEY, name.encode()) + _field(_VALUE, _field(_FLOAT32, tensor)))
