"""RecordIO with protobuf records, the training format of SageMaker's built-in algorithms.

A file is a sequence of frames: the magic number, the length, the record, zeros up to a multiple of
four bytes. A record maps "values" to a tensor of features and one of labels; a sparse tensor has
keys and a shape. Source: "Common Data Formats for Training" in the Amazon SageMaker developer
guide. Version 3 of the SageMaker SDK only has stubs of its writer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.errors import InputError, Problems

CONTENT_TYPE = "application/x-recordio-protobuf"

_MAGIC = 0xCED7230A
_FEATURES, _LABEL = 1, 2  # Record
_KEY, _VALUE = 1, 2  # a map's entry
_FLOAT32, _FLOAT64, _INT32 = 2, 3, 7  # Value
_VALUES, _KEYS, _SHAPE = 1, 2, 3  # each tensor
_ROWS = 100_000  # records written at a time
_BYTES = 2  # the wire type of length-delimited fields


def write(file: BinaryIO, features: csr_array, labels: NDArray[np.floating] | None = None) -> None:
    """Write a record for each row, as sparse float32 tensors.

    Args:
        file: a file open for writing bytes.
        features: (rows, columns).
        labels: (rows,), or None for inference records.
    """
    features = csr_array(features)
    for first in range(0, features.shape[0], _ROWS):
        some = slice(first, first + _ROWS)
        file.write(_records(features[some], None if labels is None else labels[some]))


def _records(features: csr_array, labels: NDArray[np.floating] | None) -> bytes:
    """The framed records of all rows.

    Rows with equal numbers of values and of key bytes differ only in these and the label, so they
    are encoded together, as rows of a byte array.
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
    """Encode non-negative numbers as consecutive varints; also return the length of each."""
    sevens = numbers.astype(np.int64)[:, None] >> (7 * np.arange(5))
    sizes = np.maximum((sevens > 0).sum(axis=1), 1)
    more = np.arange(5) < sizes[:, None] - 1
    content = (sevens & 0x7F | more << 7).astype(np.uint8)
    return content[np.arange(5) < sizes[:, None]], sizes


def scores(rows: Sequence[dict[str, float]]) -> bytes:
    """Encode the records of a response: named float32 labels without features."""
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
    """Frame a record."""
    return struct.pack("<II", _MAGIC, len(record)) + record + bytes(-len(record) % 4)


def read(
    content: bytes, columns: int, where: str = "record", labelled: bool = True
) -> tuple[csr_array, NDArray[np.float32]]:
    """Read records.

    Args:
        content: the bytes of a file or request.
        columns: the number of features.
        where: the name of a record in messages.
        labelled: whether every record needs a label.

    Returns:
        Features (rows, columns) and labels (rows,), 0 where missing.

    Raises:
        InputError: with all invalid records (the first twenty with messages).
    """
    problems = Problems()
    indptr, indices, data, labels = [0], [], [], []
    for number, record in enumerate(_frames(content, where), 1):
        try:
            keys, values, label = _record(record, columns, labelled)
        except ValueError as error:
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
            raise InputError(f"{where} {number}: records in several parts are not supported")
        if place + 8 + length > len(content):
            raise InputError(f"{where} {number}: ends before its {length} bytes")
        yield content[place + 8 : place + 8 + length]
        place += 8 + length + -length % 4
        number += 1


def _record(
    record: bytes, columns: int, labelled: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
    try:
        message = _message().FromString(record)
    except DecodeError:
        raise ValueError("is not a protobuf record") from None
    if "values" not in message.features:
        raise ValueError('has no features named "values"')
    keys, values = _features(_tensor(message.features["values"]), columns)
    if "values" in message.label:
        label = _numbers(_tensor(message.label["values"]).values)
        if len(label) != 1 or not np.isfinite(label[0]):
            raise ValueError("its label must be one finite number")
        return keys, values, float(label[0])
    if labelled:
        raise ValueError('has no label named "values"')
    return keys, values, 0.0


def _features(tensor: Any, columns: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The keys and values of a tensor of features, dense or sparse."""
    values, keys = _numbers(tensor.values), np.fromiter(tensor.keys, np.uint64)
    shape = tensor.shape[-1] if tensor.shape else None
    if shape is not None and shape != columns:
        raise ValueError(f"has {shape} features, not feature_dim={columns}")
    if not np.isfinite(values).all():
        raise ValueError("has a value that is not a finite number")
    if not len(keys) and len(values) == columns:  # dense
        places = np.flatnonzero(values)
        return places, values[places]
    if not len(keys) and (len(values) or shape is None):  # with a shape: sparse and all zero
        raise ValueError(f"has {len(values)} values without keys, not {columns}")
    if len(keys) != len(values):
        raise ValueError(f"has {len(keys)} keys, but {len(values)} values")
    if len(keys) and keys.max() >= columns:
        raise ValueError(f"has a key that is not below feature_dim={columns}")
    if len(np.unique(keys)) < len(keys):
        raise ValueError("has a key twice")
    return keys.astype(np.int64), values


def _tensor(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        raise ValueError("its values are not a tensor of float32, float64 or int32")
    return getattr(value, kind)


def _numbers(values: Sequence[float]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # infinity is refused
        return np.fromiter(values, np.float64, len(values)).astype(np.float32)


@lru_cache(maxsize=1)
def _message() -> Any:
    """The message class of records, from aialgs.data in the developer guide."""
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package="aialgs.data")
    field = descriptor_pb2.FieldDescriptorProto
    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="value")
    for name, kind, number in (
        ("Float32Tensor", field.TYPE_FLOAT, _FLOAT32),
        ("Float64Tensor", field.TYPE_DOUBLE, _FLOAT64),
        ("Int32Tensor", field.TYPE_INT32, _INT32),
    ):
        tensor = file.message_type.add(name=name)
        for part, of, place in (
            ("values", kind, _VALUES),
            ("keys", field.TYPE_UINT64, _KEYS),
            ("shape", field.TYPE_UINT64, _SHAPE),
        ):
            tensor.field.add(name=part, number=place, type=of, label=field.LABEL_REPEATED)
        value.field.add(
            name=name.lower(),
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=f".aialgs.data.{name}",
            label=field.LABEL_OPTIONAL,
            oneof_index=0,
        )
    record = file.message_type.add(name="Record")
    for name, number in (("Features", _FEATURES), ("Label", _LABEL)):
        entry = record.nested_type.add(name=f"{name}Entry", options={"map_entry": True})
        entry.field.add(name="key", number=_KEY, type=field.TYPE_STRING)
        entry.field.add(
            name="value",
            number=_VALUE,
            type=field.TYPE_MESSAGE,
            type_name=".aialgs.data.Value",
        )
        record.field.add(
            name=name.lower(),
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=f".aialgs.data.Record.{name}Entry",
            label=field.LABEL_REPEATED,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aialgs.data.Record"))


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
