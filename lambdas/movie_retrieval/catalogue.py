"""The catalogue of a bucket as a model sees it: titles from S3, embeddings from the endpoint.

The model embeds the catalogue once per version, in requests well below an endpoint's payload
limits. A version is what the answer depends on: the endpoint's configuration (a new model is a new
one) and the ETag of catalogue.json. The result stays in memory, and in the bucket for functions
that start later. A stored file is believed only if it is whole, is of this version and holds what
the endpoint answers now for a few of its movies; otherwise it is made anew. Several functions may
write it at once: each writes the same, and S3 keeps the last.
"""

import io
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from botocore.exceptions import BotoCoreError, ClientError
from common.catalogue import Bucket, Version
from common.embedding_model import Model
from common.errors import FunctionError

from movie_retrieval.embeddings import Embeddings, Neighbour
from movie_retrieval.errors import NoNeighboursError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    Vectors = npt.NDArray[np.float32]

FRESH = 60.0  # seconds for which a version that was looked up is taken as the present one
PROBES = 3  # movies that are embedded anew to check a stored file
ATTEMPTS = 3  # at embedding the catalogue while the endpoint changes its model

_log = logging.getLogger("movie_retrieval")


@dataclass(frozen=True)
class Catalogue:
    """The movies that a bucket lists and a model knows."""

    bucket: str
    titles: dict[int, str]
    embeddings: Embeddings

    def title(self, movie: int) -> str:
        """The movie's title; one that has none goes by its number."""
        return self.titles.get(movie) or f"movie {movie}"

    def around(self, movie: int, count: int) -> tuple[str, list[Neighbour]]:
        """The movie's title, and the `count` movies nearest to it, nearest first.

        Raises:
            NoNeighboursError: it is not in the catalogue.
        """
        if movie not in self.embeddings:
            movies = self.embeddings.movies
            raise NoNeighboursError(
                f"Movie {movie} is not among the {len(movies):,} movies that s3://{self.bucket} "
                f"lists and the model knows; ids run from {movies[0]} to {movies[-1]}."
            )
        found = self.embeddings.nearest(movie, count)
        return self.title(movie), [
            Neighbour(other, self.title(other), distance) for other, distance in found
        ]


class Library:
    """Catalogues for one endpoint; keeps the last one in memory.

    Args:
        s3, sagemaker, runtime: boto3 clients.
        endpoint: the name of the Object2Vec endpoint that embeds the movies.
        key: of catalogue.json in a bucket.
        embeddings: prefix in a bucket under which embeddings are kept.
        clock: seconds that only grow.
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
        """The catalogue of `bucket`: from memory, else from the bucket, else made.

        Raises:
            FunctionError: bucket, key or endpoint is missing or refuses; a file is malformed.
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
        """The key under which the embeddings of a version are kept."""
        return f"{self._embeddings}{version.config}.npz"

    def _keep(self, version: Version, catalogue: Catalogue) -> Catalogue:
        self._held, self._fresh_until = (version, catalogue), self._clock() + FRESH
        return catalogue

    def _make(self, version: Version, steady: bool) -> Catalogue:
        items = self._bucket(version.bucket).items(version.etag)
        titles = {item.movie: item.title for item in items if item.title}
        movies = [item.movie for item in items]
        for _ in range(ATTEMPTS):
            known, vectors = self._embed_all(movies)
            before = (version.config, steady)
            config, steady = self._model.version()
            if (config, steady) == before:
                if steady:
                    self._store(version, known, vectors, titles)
                catalogue = Catalogue(version.bucket, titles, Embeddings(known, vectors))
                # while an endpoint changes over, two models may have answered: never keep that
                return self._keep(version, catalogue) if steady else catalogue
            version = replace(version, config=config)
        raise FunctionError(
            f"Endpoint {self._model.endpoint} changed its model while it embedded the movies, "
            f"{ATTEMPTS} times; try again when its update is over."
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
                f"Endpoint {self._model.endpoint} answered embeddings of different lengths."
            ) from None

    def _load(self, version: Version) -> Catalogue | None:
        """The stored catalogue of this version, or None if there is none to be believed."""
        try:
            reply = self._s3.get_object(Bucket=version.bucket, Key=self._stored(version))
            movies, vectors, about = _unpacked(reply["Body"].read())
            if about["version"] != asdict(version):
                return None
            rows = np.linspace(0, len(movies) - 1, PROBES).astype(int)
            now, _ = self._model.embed([movies[row] for row in rows])
        except (FunctionError, ClientError, BotoCoreError) as error:
            _log.info("no embeddings were found for this model: %s", error)
            return None
        if now.shape[1] != vectors.shape[1] or _differ(vectors[rows], now):
            _log.warning("the stored embeddings are not this model's")
            return None
        titles = {int(movie): title for movie, title in about["titles"].items()}
        return Catalogue(version.bucket, titles, Embeddings(movies, vectors))

    def _store(
        self, version: Version, movies: list[int], vectors: "Vectors", titles: dict[int, str]
    ) -> None:
        file = _packed(movies, vectors, {"version": asdict(version), "titles": titles})
        try:
            self._s3.put_object(Bucket=version.bucket, Key=self._stored(version), Body=file)
        except (ClientError, BotoCoreError) as error:
            # the answer does not depend on it, only the next cold start's speed
            _log.warning("the embeddings could not be stored: %s", error)


def _packed(movies: list[int], vectors: "Vectors", about: dict[str, Any]) -> bytes:
    """The stored form: a npz file of `movies`, `vectors` and, as JSON text in bytes, `about`."""
    file = io.BytesIO()
    text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    np.savez(file, movies=np.array(movies, dtype=np.int64), vectors=vectors, about=text)
    return file.getvalue()


def _unpacked(stored: bytes) -> "tuple[list[int], Vectors, dict[str, Any]]":
    """What `_packed` packed.

    Raises:
        FunctionError: the file is damaged, or something else.
    """
    try:
        with np.load(io.BytesIO(stored), allow_pickle=False) as file:
            movies, vectors = file["movies"].tolist(), file["vectors"]
            about = json.loads(file["about"].tobytes())
        sound = (
            vectors.dtype == np.float32 and vectors.ndim == 2 and 0 < len(movies) == len(vectors)
        )
        sound = sound and set(about) == {"version", "titles"} and np.isfinite(vectors).all()
    except Exception as error:  # zip, numpy and JSON fail in many ways on a damaged file
        raise FunctionError(f"the stored file is damaged: {error!r}") from None
    if not sound:
        raise FunctionError("the stored file holds something else")
    return movies, vectors, about


def _differ(some: "Vectors", others: "Vectors") -> bool:
    """Whether two sets of embeddings differ by more than rounding."""
    return bool(np.abs(some - others).max() > 1e-3 * np.abs(others).max())
