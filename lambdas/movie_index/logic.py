"""Imports a bucket's movies into an index of Amazon S3 Vectors, step by step.

The first embeddings tell how long the index's vectors are, so the import creates the index, and its
deletion deletes it. Each step embeds movies and puts them into the index, in ascending order of
ids, for as long as a function may run, and stores its progress in the bucket, so it can be
interrupted, repeated and run twice at the same time. If the endpoint or the catalogue changes
meanwhile, the import restarts. A complete index is never changed, so a rollback finds it unchanged.
"""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from common.catalogue import Bucket, Item, Version
from common.clients import client
from common.custom_resource import WAITING
from common.embedding_model import Model, NothingKnownError
from common.errors import FunctionError, code_of, failure, may_be_absent
from common.vector_index import explained

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PUT = 500  # the maximum number of vectors of PutVectors
PAYLOAD = 16 << 20  # target size in bytes; the limit of PutVectors is 20 MiB
NUMBER = 24  # maximum bytes of a number in JSON
RESERVE = 90_000  # milliseconds reserved for one more part

_log = logging.getLogger("movie_index")


@dataclass(frozen=True)
class Progress:
    """An import's progress: the version, the last movie, the number, and whether it is complete."""

    version: dict[str, str]
    last: int = -1
    movies: int = 0
    whole: bool = False


class Import:
    """An import into one index.

    Args:
        bucket: the bucket that lists the movies.
        endpoint: the endpoint that embeds them.
        arn: the index's ARN.
    """

    def __init__(self, bucket: str, endpoint: str, arn: str) -> None:
        self._s3, self._s3vectors = client("s3"), client("s3vectors")
        self._model = Model(client("sagemaker"), client("sagemaker-runtime"), endpoint)
        self._files = Bucket(self._s3, bucket, os.environ["CATALOGUE_KEY"])
        self._arn = arn
        self._vector_bucket, self._name = arn.split("/index/")
        self._note = _note(bucket, arn)

    def proceed(self, left: Callable[[], int]) -> dict[str, Any]:
        """Put movies into the index until it is complete or the time is over.

        Args:
            left: returns the remaining milliseconds.

        Raises:
            FunctionError: the import failed, or AWS cannot answer now.
        """
        dimension = self._dimension()
        before = self._noted() if dimension else None
        if before and before.whole:
            return self._done(before)
        config, steady = self._model.version()
        if not steady:
            _log.info("the endpoint is being updated")
            return WAITING
        version = Version(self._files.name, config, self._files.etag())
        now = Progress(asdict(version))
        if before and before.version == now.version:
            now = before
        items = {item.movie: item for item in self._files.items(version.etag)}
        try:
            for some, vectors in self._model.embedded([one for one in items if one > now.last]):
                if self._model.version() != (config, True):
                    _log.warning("the endpoint changed its model: restarting the import")
                    return WAITING
                if not now.movies and vectors.shape[1] != dimension:
                    self._create(vectors.shape[1], exists=dimension is not None)
                    dimension = vectors.shape[1]
                self._put([items[movie] for movie in some], vectors)
                now = replace(now, last=some[-1], movies=now.movies + len(some))
                self._write(now)
                _log.info("imported", extra={"movies": now.movies, "of": len(items)})
                if left() < RESERVE:
                    return WAITING
        except NothingKnownError:
            if not now.movies:
                raise
        now = replace(now, whole=True)
        self._write(now)
        return self._done(now)

    def _dimension(self) -> int | None:
        """The length of the index's vectors; None if there is no index."""
        with explained(self._arn):
            try:
                index = self._s3vectors.get_index(indexArn=self._arn)["index"]
            except ClientError as error:
                if code_of(error) == "NotFoundException":
                    return None
                raise
        return int(index["dimension"])

    def _create(self, dimension: int, *, exists: bool) -> None:
        """Create the index for vectors of this length, in place of an incomplete one."""
        if exists:
            _delete_index(self._s3vectors, self._arn)
        with explained(self._arn):
            self._s3vectors.create_index(
                vectorBucketArn=self._vector_bucket,
                indexName=self._name,
                dataType="float32",
                dimension=dimension,
                # as the search in memory
                distanceMetric="euclidean",
                metadataConfiguration={"nonFilterableMetadataKeys": ["title"]},
            )

    def _put(self, items: list[Item], vectors: "npt.NDArray[np.float32]") -> None:
        size = max(1, min(PUT, PAYLOAD // (vectors.shape[1] * NUMBER)))
        for start in range(0, len(items), size):
            rows = slice(start, start + size)
            with explained(self._arn):
                self._s3vectors.put_vectors(
                    indexArn=self._arn,
                    vectors=[
                        {
                            "key": item.id,
                            "data": {"float32": vector},
                            "metadata": {"title": item.title} if item.title else {},
                        }
                        for item, vector in zip(items[rows], vectors[rows].tolist(), strict=True)
                    ],
                )

    def _done(self, progress: Progress) -> dict[str, Any]:
        # resources that refer to these attributes are changed once the index is complete
        data = {"IndexArn": self._arn, "Movies": str(progress.movies)}
        return {"IsComplete": True, "Data": data}

    def _noted(self) -> Progress | None:
        try:
            body = self._s3.get_object(**self._note)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if may_be_absent(error):
                return None
            raise _explained(error, self._note) from None
        return Progress(**json.loads(body))

    def _write(self, progress: Progress) -> None:
        body = json.dumps(asdict(progress)).encode()
        try:
            self._s3.put_object(Body=body, **self._note)
        except (ClientError, BotoCoreError) as error:
            raise _explained(error, self._note) from None


def forget(arn: str, bucket: str | None) -> None:
    """Delete an index, and the progress of its import.

    Args:
        arn: the index's ARN.
        bucket: the bucket that stores the progress; None if it is not known.

    Raises:
        FunctionError: AWS refused the request.
    """
    _delete_index(client("s3vectors"), arn)
    if bucket is None:
        return
    note = _note(bucket, arn)
    try:
        client("s3").delete_object(**note)
    except (ClientError, BotoCoreError) as error:
        if code_of(error) != "NoSuchBucket":
            raise _explained(error, note) from None


def _delete_index(s3vectors: Any, arn: str) -> None:
    with explained(arn):
        try:
            s3vectors.delete_index(indexArn=arn)
        except ClientError as error:
            if code_of(error) != "NotFoundException":
                raise


def _note(bucket: str, arn: str) -> dict[str, str]:
    """Where the progress of an import into this index is stored."""
    _, vector_bucket, _, index = arn.rsplit("/", 3)
    key = f"{os.environ['EMBEDDINGS_PREFIX']}{vector_bucket}/{index}.json"
    return {"Bucket": bucket, "Key": key}


def _explained(error: ClientError | BotoCoreError, note: dict[str, str]) -> FunctionError:
    return failure(error, f"s3://{note['Bucket']}/{note['Key']}: {error}")
