"""Putting a bucket's movies into an index of Amazon S3 Vectors, by and by.

Each step embeds movies and puts them into the index, ids ascending, for as long as a function may
run, and notes in the bucket how far it came: so it can be interrupted, repeated and run twice at
once. Should the endpoint or the catalogue change meanwhile, it begins again. Once the index is
whole it is never touched again, so that a rollback finds it as it was.
"""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from common.catalogue import Bucket, Version
from common.clients import client
from common.custom_resource import WAITING
from common.embedding_model import Model, NothingKnownError
from common.errors import FunctionError, code_of, failure
from common.vector_index import explained

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PUT = 500  # vectors that PutVectors takes at once
PAYLOAD = 16 << 20  # bytes aimed at; PutVectors takes 20 MiB
NUMBER = 24  # bytes of a number in JSON, at most
RESERVE = 90_000  # milliseconds that one more part may take

_log = logging.getLogger("movie_index")


@dataclass(frozen=True)
class Progress:
    """How far an import came: of which version, the last movie put, how many, and if whole."""

    version: dict[str, str]
    last: int = -1
    movies: int = 0
    whole: bool = False


class Import:
    """One index, and what is put into it.

    Args:
        bucket: lists the movies.
        endpoint: embeds them.
        arn: of the index.
    """

    def __init__(self, bucket: str, endpoint: str, arn: str) -> None:
        self._s3, self._s3vectors = client("s3"), client("s3vectors")
        self._model = Model(client("sagemaker"), client("sagemaker-runtime"), endpoint)
        self._files = Bucket(self._s3, bucket, os.environ["CATALOGUE_KEY"])
        self._arn = arn
        _, vector_bucket, _, index = arn.rsplit("/", 3)
        self._note = {
            "Bucket": bucket,
            "Key": f"{os.environ['EMBEDDINGS_PREFIX']}{vector_bucket}/{index}.json",
        }

    def proceed(self, left: Callable[[], int]) -> dict[str, Any]:
        """Put movies into the index until it is whole or the time is over.

        Args:
            left: tells the milliseconds that are left.

        Raises:
            BusyError: AWS could not answer now.
            FunctionError: it will never be whole.
        """
        before = self._noted()
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
        titles = {item.movie: item.title for item in self._files.items(version.etag)}
        try:
            for some, vectors in self._model.embedded([one for one in titles if one > now.last]):
                if self._model.version() != (config, True):
                    _log.warning("the endpoint changed its model: the import begins again")
                    return WAITING
                self._put(some, vectors, titles)
                now = replace(now, last=some[-1], movies=now.movies + len(some))
                self._write(now)
                _log.info("imported", extra={"movies": now.movies, "of": len(titles)})
                if left() < RESERVE:
                    return WAITING
        except NothingKnownError:
            if not now.movies:
                raise
        now = replace(now, whole=True)
        self._write(now)
        return self._done(now)

    def forget(self) -> None:
        """Forget the index, which goes too.

        Raises:
            FunctionError: S3 refuses.
        """
        try:
            self._s3.delete_object(**self._note)
        except (ClientError, BotoCoreError) as error:
            if code_of(error) == "NoSuchBucket":
                return
            raise self._explained(error) from None

    def _put(
        self, movies: list[int], vectors: "npt.NDArray[np.float32]", titles: dict[int, str | None]
    ) -> None:
        size = max(1, min(PUT, PAYLOAD // (vectors.shape[1] * NUMBER)))
        for start in range(0, len(movies), size):
            rows = slice(start, start + size)
            with explained(self._arn):
                self._s3vectors.put_vectors(
                    indexArn=self._arn,
                    vectors=[
                        {
                            "key": str(movie),
                            "data": {"float32": vector},
                            "metadata": {"title": titles[movie]} if titles[movie] else {},
                        }
                        for movie, vector in zip(movies[rows], vectors[rows].tolist(), strict=True)
                    ],
                )

    def _done(self, progress: Progress) -> dict[str, Any]:
        # what refers to these attributes is made or changed once the index is whole
        data = {"IndexArn": self._arn, "Movies": str(progress.movies)}
        return {"IsComplete": True, "Data": data}

    def _noted(self) -> Progress | None:
        try:
            body = self._s3.get_object(**self._note)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            # without s3:ListBucket, S3 says 403 of a missing key
            if code_of(error) in ("NoSuchKey", "AccessDenied", "403"):
                return None
            raise self._explained(error) from None
        return Progress(**json.loads(body))

    def _write(self, progress: Progress) -> None:
        body = json.dumps(asdict(progress)).encode()
        try:
            self._s3.put_object(Body=body, **self._note)
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error) from None

    def _explained(self, error: ClientError | BotoCoreError) -> FunctionError:
        return failure(error, f"s3://{self._note['Bucket']}/{self._note['Key']}: {error}")
