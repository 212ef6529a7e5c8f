"""One model of lists: trained from two files in S3, written to the same bucket, deleted."""

import gzip
import io
import json
import time
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError
from common.errors import FunctionError, code_of, failure, text_of
from common.objects import Objects
from common.text import decoded
from numpy.typing import NDArray

from list_training import gate
from recsys.errors import InputError
from recsys.lists.factors import from_items
from recsys.lists.gate import Events, Limits
from recsys.lists.model import Catalogue, ListModel
from recsys.lists.retraining import Rivals, interactions
from recsys.lists.training import Lists

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VERSION = 1  # of catalogue.json
Numbers = NDArray[np.int64]


class Training:
    """A model's place.

    Args:
        s3: a boto3 client.
        bucket: where the data are, and the model will be.
        key: of the model.
    """

    def __init__(self, s3: "S3Client", bucket: str, key: str) -> None:
        self._s3, self._bucket, self._key = s3, bucket, key
        self._objects = Objects(s3, bucket)

    def ensure(
        self,
        properties: dict[str, Any],
        before: tuple[dict[str, Any], str] | None = None,
    ) -> dict[str, Any]:
        """The metrics of the model, which is trained if it is not there.

        Args:
            properties: what it is trained from.
            before: for a retraining, the properties and the key of the model in service.

        Raises:
            BusyError: AWS could not answer now.
            FunctionError: it cannot be trained; the message says why.
        """
        began = time.perf_counter()
        if (found := self._objects.find(self._key)) is not None:
            return dict(ListModel.from_bytes(found).about["metrics"])
        if prepared := properties.get("Prepared"):
            model = self._from_factors(prepared)
            return {**model.about["metrics"], **self._put(model.to_bytes(), began)}
        events = read_events(self._objects, properties)[1]
        rivals = self._rivals(properties, events, *before) if before else None
        read = time.perf_counter() - began
        try:
            if rivals:
                place = f"{properties['Generations']}{properties['Generation']}/"
                lists = gate.train(rivals, place, lambda: _estimator(properties), self._write)
            else:
                lists = _estimator(properties).fit(interactions(events))
        except (InputError, ValueError, MemoryError) as error:
            words = str(error) or "this function's memory is too small; raise lists.memory_mb"
            raise FunctionError(words) from None
        return {**lists.metrics_, **self._put(lists.model_.to_bytes(), began, read)}

    def _put(self, content: bytes, began: float, read: float | None = None) -> dict[str, Any]:
        """Write the model; its size, and the time that reading what it is from has taken."""
        read = time.perf_counter() - began if read is None else read
        self._write(self._key, content)
        return {"read_seconds": round(read, 2), "megabytes": round(len(content) / 1e6, 2)}

    def _write(self, key: str, content: bytes) -> None:
        kind = "text/html; charset=utf-8" if key.endswith(".html") else "binary/octet-stream"
        self._objects.put(key, content, ContentType=kind)

    def _rivals(
        self, properties: dict[str, Any], events: Events, old: dict[str, Any], key: str
    ) -> Rivals:
        """A retraining's data and models."""
        return Rivals(
            generation=int(properties["Generation"]),
            before=int(old["Generation"]),
            last=read_events(self._objects, old)[1],
            now=events,
            current=ListModel.from_bytes(self._objects.get(key)),
            limits=Limits.of_percent(json.loads(properties["Gate"])),
        )

    def _from_factors(self, prefix: str) -> ListModel:
        """The model of the vectors that a Spark job has written."""
        content = self._objects.get(f"{prefix}manifest.json")
        try:
            manifest = decoded(content)
            return from_items(self._lines(f"{prefix}items/"), manifest)
        except (ValueError, KeyError, TypeError, OSError, EOFError, zlib.error) as error:
            raise FunctionError(f"{self._objects.uri(prefix)} is malformed: {error!r}") from None

    def _lines(self, prefix: str) -> Iterator[bytes]:
        """The lines of all files of a prefix."""
        for key in self._objects.keys(prefix):
            if key.endswith(".gz"):
                yield from gzip.decompress(self._objects.get(key)).splitlines()

    def forget(self) -> None:
        """Delete the model.

        Raises:
            FunctionError: S3 refuses.
        """
        try:
            self._s3.delete_object(Bucket=self._bucket, Key=self._key)
        except (ClientError, BotoCoreError) as error:
            if code_of(error) != "NoSuchBucket":
                raise failure(error, f"{self._objects.uri(self._key)}: {text_of(error)}") from None


def read_events(objects: Objects, properties: dict[str, Any]) -> tuple[Numbers, Events]:
    """The interactions, with the engines' number of each item by its place in the catalogue.

    Raises:
        FunctionError: a file is missing or malformed; a `BusyError` if S3 could not answer now.
    """
    key, catalogue_key = properties["Interactions"], properties["Catalogue"]
    content, text = objects.get(key), objects.get(catalogue_key)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            user, number, value, timestamp = (
                arrays[name] for name in ("user", "item", "value", "timestamp")
            )
            unknown = arrays["unknown"] if "unknown" in arrays else np.empty(0, np.int64)
    except Exception as error:
        raise FunctionError(f"{objects.uri(key)} holds no interactions: {error!r}") from None
    try:
        numbers, catalogue = _catalogue(decoded(text))
    except (ValueError, KeyError, TypeError) as error:
        raise FunctionError(f"{objects.uri(catalogue_key)} is malformed: {error!r}") from None
    place = np.searchsorted(numbers, number)
    place[place == len(numbers)] = 0
    if not np.array_equal(numbers[place], number):
        raise FunctionError(
            f"{objects.uri(key)} names items that {objects.uri(catalogue_key)} does not: both must "
            "come from one `make data`"
        )
    return numbers, Events(user, place, value, timestamp, catalogue, unknown)


def _estimator(properties: dict[str, Any]) -> Lists:
    return Lists(validation=properties["Validation"], most_items=int(properties["MostItems"]))


def _catalogue(document: Any) -> tuple[Numbers, Catalogue]:
    """The engines' integers, ascending, and what is known of the items behind them."""
    if document["version"] != VERSION:
        raise ValueError(f"it is of version {document['version']!r}, and {VERSION} is needed")
    items = sorted(document["items"], key=lambda one: one["item"])
    return np.array([one["item"] for one in items], np.int64), Catalogue.of(items)
