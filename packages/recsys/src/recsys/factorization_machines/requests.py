"""The built-in algorithm's inference formats.

Sources: "Common Data Formats for Inference" and "Factorization Machines Response Formats" in the
Amazon SageMaker developer guide.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from recsys import instances, recordio
from recsys.errors import InputError, Problems, UnsupportedMediaType
from recsys.factorization_machines.machine import Machine
from recsys.instances import JSON, JSON_LINES, shown

_KINDS = (JSON, JSON_LINES, recordio.CONTENT_TYPE)


def answer(
    machine: Machine, body: bytes, content_type: str | None, accept: str | None
) -> tuple[bytes, str]:
    """Score the instances of a request.

    JSON has the form `{"instances": [{"features": […]}]}` with all values, or
    `{"instances": [{"data": {"features": …}}]}`, where features are `{"values": […]}` with all of
    them, or `{"keys": […], "shape": [n], "values": […]}`; JSON Lines has one instance per line.
    RecordIO contains protobuf records. By default the response has the request's format.

    Returns the response's body and content type. Raises InputError for an invalid request, and
    UnsupportedMediaType.
    """
    sent = (content_type or JSON).split(";")[0].strip().lower()
    if sent not in _KINDS:
        raise UnsupportedMediaType(
            f"Content-Type {sent} is not supported; send one of {', '.join(_KINDS)}"
        )
    wanted = _wanted(accept, sent)
    size = len(machine.linear)
    if sent == recordio.CONTENT_TYPE:
        features, _ = recordio.read(body, size, labelled=False)
        if not features.shape[0]:
            raise InputError("the request has no records")
    else:
        features = _matrix(instances.read(body, sent), size)
    scores = machine.scores(features).tolist()
    found = [
        {"score": score, "predicted_label": float(score > 0.5)}
        if machine.classifies
        else {"score": score}
        for score in scores
    ]
    if wanted == recordio.CONTENT_TYPE:
        return recordio.scores(found), wanted
    if wanted == JSON:
        return json.dumps({"predictions": found}).encode(), wanted
    return "".join(json.dumps(one) + "\n" for one in found).encode(), wanted


def _wanted(accept: str | None, sent: str) -> str:
    for kind in (accept or "*/*").split(","):
        name = kind.split(";")[0].strip().lower()
        if name in _KINDS:
            return name
        if name in ("*/*", "application/*", ""):
            return sent
    raise UnsupportedMediaType(
        f"Accept {accept} is not supported; ask for one of {', '.join(_KINDS)}"
    )


def _matrix(rows: list[Any], size: int) -> csr_array:
    problems = Problems(10)
    indptr, indices, data = [0], [], []
    for number, instance in enumerate(rows):
        try:
            keys, values = _features(instance, size)
        except ValueError as error:
            problems.add(f"instances[{number}] {error}")
            continue
        indices += keys
        data += values
        indptr.append(len(indices))
    problems.raise_if_any()
    parts = np.array(data, np.float32), np.array(indices, np.int64), np.array(indptr)
    return csr_array(parts, shape=(len(rows), size))


def _features(instance: Any, size: int) -> tuple[list[int], list[float]]:
    """An instance's keys and values. Raises ValueError with a readable message."""
    data = instance.get("data", instance) if isinstance(instance, dict) else None
    tensor = data.get("features") if isinstance(data, dict) else None
    if isinstance(tensor, dict):
        values, keys, shape = (tensor.get(name) for name in ("values", "keys", "shape"))
        if shape is not None and shape not in ([size], [1, size]):
            raise ValueError(f"has the shape {shown(shape)}, not [{size}]")
    else:
        values, keys = tensor, None
    if not isinstance(values, list):
        raise ValueError(
            'must be {"features": […]} or {"data": {"features": {"keys": …, "shape": …, "values": '
            "…}}}"
        )
    if not all(type(v) in (int, float) and abs(v) < 3e38 for v in values):
        raise ValueError("has a value that is not a finite number")
    if keys is None and len(values) == size:
        return list(range(size)), values
    if keys is None:
        raise ValueError(f"has {len(values)} values and no keys: give all {size} values, or keys")
    if not isinstance(keys, list) or len(keys) != len(values):
        raise ValueError(f"needs a key for each value, or all {size} values")
    if not all(type(key) is int and 0 <= key < size for key in keys):
        raise ValueError(f"has a key that is not an integer from 0 to {size - 1}")
    if len(set(keys)) < len(keys):
        raise ValueError("has a key twice")
    return keys, values
