"""A vector index with exact search."""

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from local_aws.s3vectors.errors import Invalid, InvalidVector
from local_aws.s3vectors.filters import predicate

Vectors = NDArray[np.float32]

FILTERABLE_BYTES: Final = 2048  # maximum bytes of metadata per vector
METADATA_BYTES: Final = 40 << 10
METADATA_KEYS: Final = 50


@dataclass(frozen=True)
class Vector:
    """One vector: its values (dimension,) and its metadata."""

    key: str
    values: Vectors
    metadata: dict[str, Any]


@dataclass(eq=False)
class Index:
    """An index, and the vectors in it.

    Attributes:
        shown: its description in GetIndex.
        vectors: vectors by key.
    """

    shown: dict[str, Any]
    vectors: dict[str, Vector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._matrix: tuple[list[Vector], Vectors] | None = None

    @property
    def created(self) -> datetime:
        """The creation time."""
        created: datetime = self.shown["creationTime"]
        return created

    @property
    def non_filterable(self) -> frozenset[str]:
        """The keys of non-filterable metadata."""
        configuration = self.shown.get("metadataConfiguration", {})
        return frozenset(configuration.get("nonFilterableMetadataKeys", ()))

    def put(self, records: list[dict[str, Any]]) -> None:
        """Add or replace vectors atomically.

        Raises:
            InvalidVector: one of them is invalid.
        """
        vectors = [self._checked(record) for record in records]
        with self._lock:
            self.vectors |= {vector.key: vector for vector in vectors}
            self._matrix = None

    def delete(self, keys: list[str]) -> None:
        """Remove vectors; unknown keys are ignored."""
        with self._lock:
            for key in keys:
                self.vectors.pop(key, None)
            self._matrix = None

    def nearest(
        self, query: list[float], count: int, filter_: object | None
    ) -> list[tuple[Vector, float]]:
        """The nearest vectors, nearest first, with distances.

        The distance is Euclidean, or one minus the cosine similarity.

        Raises:
            Invalid: the query or the filter is invalid.
        """
        wanted = _float32(query)
        if self._fault(wanted):
            raise Invalid("Query vector contains invalid values or is invalid for this index")
        vectors, matrix = self._rows()
        if filter_ is not None:
            fits = predicate(filter_, self.non_filterable)
            rows = [row for row, vector in enumerate(vectors) if fits(vector.metadata)]
            vectors, matrix = [vectors[row] for row in rows], matrix[rows]
        distances = self._distances(matrix, wanted)
        some = np.arange(len(vectors))
        if count < len(vectors):
            some = np.argpartition(distances, count)[:count]
        order = some[np.argsort(distances[some], kind="stable")]
        return [(vectors[row], float(distances[row])) for row in order]

    def _distances(self, matrix: Vectors, wanted: Vectors) -> Vectors:
        if self.shown["distanceMetric"] == "euclidean":
            distances: Vectors = np.linalg.norm(matrix - wanted, axis=1)
            return distances
        lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(wanted)
        cosines: Vectors = 1 - (matrix @ wanted) / lengths
        return cosines

    def _rows(self) -> tuple[list[Vector], Vectors]:
        with self._lock:
            if self._matrix is None:
                vectors = list(self.vectors.values())
                rows = [vector.values for vector in vectors]
                shape = (len(rows), self.shown["dimension"])
                self._matrix = vectors, np.array(rows, dtype=np.float32).reshape(shape)
            return self._matrix

    def _checked(self, record: dict[str, Any]) -> Vector:
        key, metadata = record["key"], record.get("metadata") or {}
        values = _float32(record["data"].get("float32", []))
        fault = self._fault(values) or _metadata_fault(metadata, self.non_filterable)
        if fault:
            raise InvalidVector(key, fault)
        return Vector(key, values, metadata)

    def _fault(self, values: Vectors) -> str:
        dimension = self.shown["dimension"]
        if len(values) != dimension:
            return f"vector must have length {dimension}, but has length {len(values)}"
        if not np.isfinite(values).all():
            return "vector must hold finite numbers only"
        if self.shown["distanceMetric"] == "cosine" and not values.any():
            return "vector must not be all zeros where the distance metric is cosine"
        return ""


def _float32(values: list[float]) -> Vectors:
    with np.errstate(over="ignore"):  # too large values become infinite and are refused
        return np.array(values, dtype=np.float32)


def _metadata_fault(metadata: dict[str, Any], non_filterable: frozenset[str]) -> str:
    if len(metadata) > METADATA_KEYS:
        return f"Metadata must have at most {METADATA_KEYS} keys"
    for name, value in metadata.items():
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, (str, bool, int, float)) for one in values):
            return f"Metadata key {name} must be a string, a number, a boolean or a list of them"
    if _bytes(metadata) > METADATA_BYTES:
        return f"Metadata must have at most {METADATA_BYTES} bytes"
    filterable = {name: metadata[name] for name in metadata.keys() - non_filterable}
    if _bytes(filterable) > FILTERABLE_BYTES:
        return f"Filterable metadata must have at most {FILTERABLE_BYTES} bytes"
    return ""


def _bytes(metadata: dict[str, Any]) -> int:
    return len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
