"""The codec against protobuf's own implementation of the published message."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsys import recordio
from recsys.errors import InputError


def record_class() -> Any:
    """The Record of the developer guide, as protobuf builds it from a description."""
    descriptor_pb2, descriptor_pool, message_factory = (
        pytest.importorskip(f"google.protobuf.{name}")
        for name in ("descriptor_pb2", "descriptor_pool", "message_factory")
    )

    file = descriptor_pb2.FileDescriptorProto(name="aialgs.proto", package="aialgs")
    field = descriptor_pb2.FieldDescriptorProto
    for name, kind in (
        ("Float32Tensor", field.TYPE_FLOAT),
        ("Float64Tensor", field.TYPE_DOUBLE),
        ("Int32Tensor", field.TYPE_INT32),
    ):
        tensor = file.message_type.add(name=name)
        for number, (part, of) in enumerate(
            (("values", kind), ("keys", field.TYPE_UINT64), ("shape", field.TYPE_UINT64)), 1
        ):
            made = tensor.field.add(name=part, number=number, type=of, label=field.LABEL_REPEATED)
            made.options.packed = True
    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="value")
    for name, number in (("Float32Tensor", 2), ("Float64Tensor", 3), ("Int32Tensor", 7)):
        value.field.add(
            name=name.lower(),
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=f".aialgs.{name}",
            label=field.LABEL_OPTIONAL,
            oneof_index=0,
        )
    record = file.message_type.add(name="Record")
    for number, name in enumerate(("features", "label"), 1):
        entry = record.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
        entry.field.add(
            name="value",
            number=2,
            type=field.TYPE_MESSAGE,
            type_name=".aialgs.Value",
            label=field.LABEL_OPTIONAL,
        )
        record.field.add(
            name=name,
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=f".aialgs.Record.{name.capitalize()}Entry",
            label=field.LABEL_REPEATED,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aialgs.Record"))


ROWS = csr_array(
    np.array([[0, 1.5, 0, -2.0], [0, 0, 0, 0], [1, 0, 0, 0]]), shape=(3, 4), dtype=np.float32
)
LABELS = np.array([3.5, 1.0, -1.0], np.float32)


def written(features: csr_array = ROWS, labels: Any = LABELS) -> bytes:
    file = io.BytesIO()
    recordio.write(file, features, labels)
    return file.getvalue()


def test_written_records_are_valid_protobuf() -> None:
    wide = csr_array((np.ones(2), np.array([5, 2621]), np.array([0, 2])), shape=(1, 2626))
    content = written(wide, np.array([4.0]))
    magic, length = struct.unpack("<II", content[:8])
    assert magic == 0xCED7230A
    assert len(content) % 4 == 0 and 0 <= len(content) - 8 - length < 4
    record = record_class().FromString(content[8 : 8 + length])
    tensor = record.features["values"].float32tensor
    assert (list(tensor.keys), list(tensor.values)) == ([5, 2621], [1.0, 1.0])
    assert list(tensor.shape) == [2626]
    assert list(record.label["values"].float32tensor.values) == [4.0]


def test_written_records_are_read_equal() -> None:
    features, labels = recordio.read(written(), 4)
    assert (features.toarray() == ROWS.toarray()).all()
    assert labels.tolist() == LABELS.tolist()
    features, labels = recordio.read(written(labels=None), 4, labelled=False)
    assert features.shape == (3, 4) and labels.tolist() == [0, 0, 0]


def test_written_rows_of_many_sizes_keep_their_order() -> None:
    random = np.random.default_rng(3)
    # keys of one to three bytes, from none to five in a row
    features = csr_array(
        (random.random((60, 6)) < 0.4) * random.normal(size=(60, 6)), dtype=np.float32
    )
    places = np.array([0, 127, 128, 16_383, 16_384, 2_097_151])
    features = csr_array(
        (features.data, places[features.indices], features.indptr), shape=(60, 2_097_152)
    )
    labels = random.normal(size=60).astype(np.float32)
    message = record_class()
    content, at = written(features, labels), 0
    for row in range(60):
        magic, length = struct.unpack_from("<II", content, at)
        assert magic == 0xCED7230A
        record = message.FromString(content[at + 8 : at + 8 + length])
        tensor = record.features["values"].float32tensor
        some = slice(features.indptr[row], features.indptr[row + 1])
        assert list(tensor.keys) == features.indices[some].tolist()
        assert list(tensor.values) == features.data[some].tolist()
        assert record.label["values"].float32tensor.values[0] == labels[row]
        at += 8 + length + -length % 4
    assert at == len(content)


@pytest.mark.parametrize("kind", ["float32tensor", "float64tensor", "int32tensor"])
@pytest.mark.parametrize("sparse", [True, False])
def test_protobuf_records_are_read(kind: str, sparse: bool) -> None:
    record = record_class()()
    tensor = getattr(record.features["values"], kind)
    if sparse:
        tensor.values.extend([-3, 300])
        tensor.keys.extend([1, 200])
        tensor.shape.extend([201])
    else:
        tensor.values.extend([0, -3] + [0] * 198 + [300])
    record.label["values"].float32tensor.values.append(2.5)
    features, labels = recordio.read(recordio.frame(record.SerializeToString()), 201)
    assert features.nnz == 2
    assert (features[0, 1], features[0, 200], labels[0]) == (-3, 300, 2.5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{}", "record 1: is not RecordIO"),
        (written()[:-5], "record 3: ends before its"),
        (written(labels=None), "record 1: has no label"),
        (recordio.frame(b"\xff\xff\xff"), "record 1: is not a protobuf record"),
        (recordio.frame(b""), 'record 1: has no features named "values"'),
        (written(csr_array(np.eye(5))[:1], np.ones(1)), "has 5 features, not feature_dim=4"),
        (written(labels=np.array([1, np.nan, 1])), "record 2: its label must be one finite number"),
        (struct.pack("<II", 0xCED7230A, 1 << 29 | 4) + b"abcd", "several parts"),
    ],
)
def test_invalid_records_are_reported(content: bytes, words: str) -> None:
    with pytest.raises(InputError) as told:
        recordio.read(content, 4)
    assert words in str(told.value)
