"""A bucket's catalogue with a model's embeddings: titles from S3, embeddings from the endpoint.

The model embeds the catalogue once per version, in requests well below an endpoint's payload
limits. A version consists of the endpoint's configuration, which changes with the model, and the
ETag of catalogue.json. The result is kept in memory, and in the bucket for functions that start
later. A stored file is used only if it is complete, has this version, and matches the endpoint's
current embeddings of a few of its movies; otherwise it is created again. Several functions may
write it at the same time: they write the same content, and S3 keeps the last.
"""

import io
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from botocore.exceptions import BotoCoreError, ClientError
from common.catalogue import Bucket, Version
from common.embedding_model import Model
from common.errors import FunctionError
from common.text import told_id

from movie_retrieval.embeddings import Embeddings, Neighbour
from movie_retrieval.errors import NoNeighboursError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    Vectors = npt.NDArray[np.float32]

FRESH = 60.0  # seconds for which a looked-up version counts as current
PROBES = 3  # movies that are embedded again to check a stored file
ATTEMPTS = 3  # attempts to embed the catalogue while the endpoint changes its model

_log = logging.getLogger("movie_retrieval")


@dataclass(frozen=True)
class Catalogue:
    """The movies that are in both a bucket's catalogue and a model's vocabulary.

    Attributes:
        bucket: the bucket.
        titles: of movies that have one, by the engines' number.
        ids: the data's own ids by the engines' number, where they differ.
        embeddings: by the engines' number.
    """

    bucket: str
    titles: dict[int, str]
    ids: dict[int, str]
    embeddings: Embeddings

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {own: movie for movie, own in self.ids.items() if movie in self.embeddings}

    def _number(self, own: str) -> int | None:
        """The engines' number of an own id; None if there is no such movie."""
        if own in self._numbers:
            return self._numbers[own]
        number = told_id(own)
        known = isinstance(number, int) and number in self.embeddings and number not in self.ids
        return int(number) if known else None

    def _id(self, movie: int) -> str:
        return self.ids.get(movie, str(movie))

    def _title(self, movie: int) -> str:
        return self.titles.get(movie) or f"movie {self._id(movie)}"

    def around(self, movie: str, count: int) -> tuple[str, list[Neighbour]]:
        """The movie's title and its `count` nearest movies, nearest first.

        Args:
            movie: the data's own id.
            count: how many.

        Raises:
            NoNeighboursError: the movie is not in the catalogue.
        """
        number = self._number(movie)
        if number is None:
            movies = self.embeddings.movies
            first, last = self._id(int(movies[0])), self._id(int(movies[-1]))
            raise NoNeighboursError(
                f"Movie {movie} is not among the {len(movies):,} movies that are in "
                f"s3://{self.bucket} and known to the model; ids range from {first} to {last}."
            )
        return self._title(number), [
            Neighbour(self._id(other), self._title(other), distance)
            for other, distance in self.embeddings.nearest(number, count)
        ]


class Library:
    """Catalogues for one endpoint; keeps the last one in memory.

    Args:
        s3, sagemaker, runtime: boto3 clients.
        endpoint: the name of the Object2Vec endpoint that embeds the movies.
        key: the key of catalogue.json in a bucket.
        embeddings: the prefix in a bucket under which embeddings are stored.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        s3: "S3Client",
        sagemaker: "SageMakerClient",
        runtime: "SageMakerRuntimeClient",
        endpoint: str,
        key: str,
        embeddings: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3, self._clock = s3, clock
        self._key, self._embeddings = key, embeddings
        self._model = Model(sagemaker, runtime, endpoint)
        self._held: tuple[Version, Catalogue] | None = None
        self._fresh_until = 0.0

    def catalogue(self, bucket: str) -> Catalogue:
        """Get the catalogue of `bucket` from memory, or from the bucket, or by embedding it.

        Raises:
            FunctionError: bucket, key or endpoint is missing or access is denied, or a file is
                malformed.
        """
        held = self._held
        if held and held[0].bucket == bucket and self._clock() < self._fresh_until:
            return held[1]
        config, steady = self._model.version()
        version = Version(bucket, config, self._bucket(bucket).etag())
        if held and held[0] == version:
            return self._keep(version, held[1])
        if stored := self._load(version):
            return self._keep(version, stored)
        return self._make(version, steady)

    def _bucket(self, name: str) -> Bucket:
        return Bucket(self._s3, name, self._key)

    def _stored(self, version: Version) -> str:
        """The key under which the embeddings of a version are stored."""
        return f"{self._embeddings}{version.config}.npz"

    def _keep(self, version: Version, catalogue: Catalogue) -> Catalogue:
        self._held, self._fresh_until = (version, catalogue), self._clock() + FRESH
        return catalogue

    def _make(self, version: Version, steady: bool) -> Catalogue:
        items = self._bucket(version.bucket).items(version.etag)
        titles = {item.movie: item.title for item in items if item.title}
        ids = {item.movie: item.id for item in items if item.id != str(item.movie)}
        movies = [item.movie for item in items]
        for _ in range(ATTEMPTS):
            known, vectors = self._embed_all(movies)
            before = (version.config, steady)
            config, steady = self._model.version()
            if (config, steady) == before:
                if steady:
                    about = {"version": asdict(version), "titles": titles, "ids": ids}
                    self._store(version, _packed(known, vectors, about))
                catalogue = Catalogue(version.bucket, titles, ids, Embeddings(known, vectors))
                # during an endpoint's update, two models may have answered: never keep that
                return self._keep(version, catalogue) if steady else catalogue
            version = replace(version, config=config)
        raise FunctionError(
            f"Endpoint {self._model.endpoint} changed its model {ATTEMPTS} times while embedding "
            "the movies; try again after its update."
        )

    def _embed_all(self, movies: list[int]) -> "tuple[list[int], Vectors]":
        known: list[int] = []
        parts: list[Vectors] = []
        for some, vectors in self._model.embedded(movies):
            known += some
            parts.append(vectors)
        try:
            return known, np.concatenate(parts)
        except ValueError:
            raise FunctionError(
                f"Endpoint {self._model.endpoint} returned embeddings of different lengths."
            ) from None

    def _load(self, version: Version) -> Catalogue | None:
        """Load the stored catalogue of this version, or None if there is no valid one."""
        try:
            reply = self._s3.get_object(Bucket=version.bucket, Key=self._stored(version))
            movies, vectors, about = _unpacked(reply["Body"].read())
            if about["version"] != asdict(version):
                return None
            rows = np.linspace(0, len(movies) - 1, PROBES).astype(int)
            now, _ = self._model.embed([movies[row] for row in rows])
        except (FunctionError, ClientError, BotoCoreError) as error:
            _log.info("no stored embeddings of this model: %s", error)
            return None
        if now.shape[1] != vectors.shape[1] or _differ(vectors[rows], now):
            _log.warning("the stored embeddings do not match this model")
            return None
        titles, ids = (
            {int(movie): text for movie, text in about[name].items()} for name in ("titles", "ids")
        )
        return Catalogue(version.bucket, titles, ids, Embeddings(movies, vectors))

    def _store(self, version: Version, file: bytes) -> None:
        try:
            self._s3.put_object(Bucket=version.bucket, Key=self._stored(version), Body=file)
        except (ClientError, BotoCoreError) as error:
            # this only affects the speed of the next cold start
            _log.warning("the embeddings could not be stored: %s", error)


def _packed(movies: list[int], vectors: "Vectors", about: dict[str, Any]) -> bytes:
    """Serialize to an npz file of `movies`, `vectors` and, as JSON text in bytes, `about`."""
    file = io.BytesIO()
    text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    np.savez(file, movies=np.array(movies, dtype=np.int64), vectors=vectors, about=text)
    return file.getvalue()


def _unpacked(stored: bytes) -> "tuple[list[int], Vectors, dict[str, Any]]":
    """Load what `_packed` wrote.

    Raises:
        FunctionError: the file is damaged, or is not such a file.
    """
    try:
        with np.load(io.BytesIO(stored), allow_pickle=False) as file:
            movies, vectors = file["movies"].tolist(), file["vectors"]
            about = json.loads(file["about"].tobytes())
        sound = (
            vectors.dtype == np.float32 and vectors.ndim == 2 and 0 < len(movies) == len(vectors)
        )
        sound = sound and set(about) == {"version", "titles", "ids"} and np.isfinite(vectors).all()
    except Exception as error:  # zip, numpy and JSON raise many exceptions for a damaged file
        raise FunctionError(f"the stored file is damaged: {error!r}") from None
    if not sound:
        raise FunctionError("the stored file has unexpected content")
    return movies, vectors, about


def _differ(some: "Vectors", others: "Vectors") -> bool:
    """Whether two sets of embeddings differ by more than rounding."""
    return bool(np.abs(some - others).max() > 1e-3 * np.abs(others).max())
