"""The catalogue of a bucket as a model sees it: titles from S3, embeddings from the endpoint.

The model embeds the catalogue once per version, in requests well below an endpoint's payload
limits. A version is what the answer depends on: the endpoint's configuration (a new model is a new
one) and the ETags of the two files. The result stays in memory, and in the bucket for functions
that start later. A stored file is believed only if it is whole, is of this version and holds what
the endpoint answers now for a few of its movies; otherwise it is made anew. Several functions may
write it at once: each writes the same, and S3 keeps the last.
"""

import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import jsonlines
import numpy as np
import numpy.typing as npt
from botocore.exceptions import BotoCoreError, ClientError

from movie_retrieval.embeddings import Embeddings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    Vectors = npt.NDArray[np.float32]

RATINGS = "object2vec/movielens/ml-100k/ua.base"
ITEMS = "object2vec/movielens/ml-100k/u.item"
STORED = "object2vec/movielens/embeddings/{config}.npz"

FRESH = 60.0  # seconds for which a version that was looked up is taken as the present one
FIRST_CHUNK = 16  # movies in the first request; its answer tells how long an embedding is
ANSWER_BYTES = 1_000_000  # aimed at in later ones; an endpoint may answer 4 MB if serverless
MAX_CHUNK = 4_096
PROBES = 3  # movies that are embedded anew to check a stored file
ATTEMPTS = 3  # at embedding the catalogue while the endpoint changes its model
SHOWN = 10  # problems told in one message

_log = logging.getLogger("movie_retrieval")
_USABLE = ("InService", "Updating", "SystemUpdating", "RollingBack")


class RetrievalError(Exception):
    """The question cannot be answered; the message says why, to a person."""


class _Refused(RetrievalError):
    """The model says that the request is at fault: a movie outside its vocabulary, for one."""


@dataclass(frozen=True)
class Version:
    """What a catalogue was made of: an endpoint configuration and two files' ETags."""

    bucket: str
    config: str
    ratings: str
    items: str


@dataclass(frozen=True)
class Catalogue:
    """The movies that a bucket lists and a model knows."""

    titles: dict[int, str]
    embeddings: Embeddings

    def title(self, movie: int) -> str:
        """The movie's title; one that is rated but not listed goes by its number."""
        return self.titles.get(movie) or f"movie {movie}"


class Library:
    """Catalogues for one endpoint; keeps the last one in memory.

    Args:
        s3, sagemaker, runtime: boto3 clients.
        endpoint: the name of the Object2Vec endpoint that embeds the movies.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        s3: "S3Client",
        sagemaker: "SageMakerClient",
        runtime: "SageMakerRuntimeClient",
        endpoint: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3, self._sagemaker, self._runtime = s3, sagemaker, runtime
        self._endpoint, self._clock = endpoint, clock
        self._held: tuple[Version, Catalogue] | None = None
        self._fresh_until = 0.0

    def catalogue(self, bucket: str) -> Catalogue:
        """The catalogue of `bucket`: from memory, else from the bucket, else made.

        Raises:
            RetrievalError: bucket, key or endpoint is missing or refuses; a file is malformed.
        """
        held = self._held
        if held and held[0].bucket == bucket and self._clock() < self._fresh_until:
            return held[1]
        config, steady = self._model()
        version = Version(bucket, config, self._etag(bucket, RATINGS), self._etag(bucket, ITEMS))
        if held and held[0] == version:
            return self._keep(version, held[1])
        if stored := self._load(version):
            return self._keep(version, stored)
        return self._make(version, steady)

    def _keep(self, version: Version, catalogue: Catalogue) -> Catalogue:
        self._held, self._fresh_until = (version, catalogue), self._clock() + FRESH
        return catalogue

    def _make(self, version: Version, steady: bool) -> Catalogue:
        titles = self._titles(version)
        movies = sorted(titles.keys() | self._rated(version))
        if not movies:
            raise RetrievalError(f"s3://{version.bucket}/{ITEMS} lists no movies.")
        for _ in range(ATTEMPTS):
            known, vectors = self._embed_all(movies)
            before = (version.config, steady)
            config, steady = self._model()
            if (config, steady) == before:
                if steady:
                    self._store(version, known, vectors, titles)
                catalogue = Catalogue(titles, Embeddings(known, vectors))
                # while an endpoint changes over, two models may have answered: never keep that
                return self._keep(version, catalogue) if steady else catalogue
            version = Version(version.bucket, config, version.ratings, version.items)
        raise RetrievalError(
            f"Endpoint {self._endpoint} changed its model while it embedded the movies, "
            f"{ATTEMPTS} times; try again when its update is over."
        )

    # The endpoint --------------------------------------------------------------------------------

    def _model(self) -> tuple[str, bool]:
        """The endpoint's configuration, and whether that one alone answers now."""
        try:
            endpoint = self._sagemaker.describe_endpoint(EndpointName=self._endpoint)
        except ClientError as error:
            raise RetrievalError(self._explained(error)) from None
        except BotoCoreError as error:
            raise RetrievalError(f"SageMaker could not be reached: {error}") from None
        status = endpoint["EndpointStatus"]
        if status not in _USABLE:
            reason = endpoint.get("FailureReason", "")
            told = "is still being created" if status == "Creating" else f"is {status}"
            raise RetrievalError(f"Endpoint {self._endpoint} {told}. {reason}".strip())
        return endpoint["EndpointConfigName"], status == "InService"

    def _embed_all(self, movies: list[int]) -> "tuple[list[int], Vectors]":
        """Those of `movies` (ascending) that the model knows, and their embeddings.

        A vocabulary is a range of ids from 0, and one id beyond it makes the model refuse the
        whole request. So a refused request is halved until the first unknown movie is found; if
        the last movie is unknown too, so are all between.
        """
        known: list[int] = []
        parts: list[Vectors] = []
        start, size, end = 0, FIRST_CHUNK, len(movies)
        while start < len(movies):
            chunk = movies[start : min(start + size, end)]
            try:
                vectors, answered = self._embed(chunk)
            except _Refused as refusal:
                if len(chunk) > 1:
                    size, end = len(chunk) // 2, start + len(chunk)
                    continue
                if start == len(movies) - 1 or not self._knows(movies[-1]):
                    if not known:
                        raise RetrievalError(f"The model knows no movie. {refusal}") from None
                    break
                start, end = start + 1, len(movies)
                continue
            known += chunk
            parts.append(vectors)
            start += len(chunk)
            end = len(movies) if start >= end else end
            size = min(max(ANSWER_BYTES * len(chunk) // answered, 1), MAX_CHUNK)
        if len(known) < len(movies):
            unknown = len(movies) - len(known)
            _log.warning("the model does not know %d of %d movies", unknown, len(movies))
        try:
            return known, np.concatenate(parts)
        except ValueError:
            raise RetrievalError(
                f"Endpoint {self._endpoint} answered embeddings of different lengths."
            ) from None

    def _knows(self, movie: int) -> bool:
        try:
            self._embed([movie])
        except _Refused:
            return False
        return True

    def _embed(self, movies: list[int]) -> "tuple[Vectors, int]":
        """The embeddings of `movies`, (n, dimensions), and the bytes that they came in."""
        request = io.StringIO()
        with jsonlines.Writer(request) as lines:
            lines.write_all({"in1": [movie]} for movie in movies)
        try:
            reply = self._runtime.invoke_endpoint(
                EndpointName=self._endpoint,
                ContentType="application/jsonlines",
                Accept="application/jsonlines",
                Body=request.getvalue().encode(),
            )
            text = reply["Body"].read()
        except ClientError as error:
            kind = _Refused if _is_refusal(error) else RetrievalError
            raise kind(self._explained(error)) from None
        except BotoCoreError as error:
            raise RetrievalError(
                f"Endpoint {self._endpoint} could not be reached: {error}"
            ) from None
        try:
            with jsonlines.Reader(text.splitlines()) as answers:
                vectors = np.array([one["embeddings"] for one in answers], dtype=np.float32)
            sound = vectors.ndim == 2 and len(vectors) == len(movies) and vectors.shape[1] > 0
            sound = sound and bool(np.isfinite(vectors).all())
        except (jsonlines.Error, KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            raise RetrievalError(
                f"Endpoint {self._endpoint} answered something else than one embedding for each "
                f"of {len(movies)} movie(s). Is it an Object2Vec model? It said: {text[:200]!r}"
            )
        return vectors, len(text)

    def _explained(self, error: ClientError) -> str:
        """The endpoint's error in words that tell what to do."""
        code = error.response["Error"].get("Code", "")
        text = error.response["Error"].get("Message", "") or str(error)
        name = self._endpoint
        if code == "ModelError":
            model: dict[str, Any] = dict(error.response)
            verb = "refused the request" if _is_refusal(error) else "failed; its log tells more"
            return f"The model of endpoint {name} {verb}: {model.get('OriginalMessage') or text}"
        if re.search("Throttl|TooManyRequests|ServiceUnavailable|ModelNotReady", code):
            return f"Endpoint {name} is too busy to answer now; try again in a moment. ({text})"
        if "AccessDenied" in code:
            return f"This function's role may not use endpoint {name}: {text}"
        if code in ("ValidationError", "ValidationException"):
            return f"Endpoint {name} cannot be used; does it exist, is it in service? ({text})"
        return f"Endpoint {name} did not answer: {code}: {text}"

    # The bucket ----------------------------------------------------------------------------------

    def _etag(self, bucket: str, key: str) -> str:
        try:
            return self._s3.head_object(Bucket=bucket, Key=key)["ETag"]
        except (ClientError, BotoCoreError):
            # only the answer to a GET says in words what is wrong
            body = self._get(bucket, key)
            body["Body"].close()
            return str(body["ETag"])

    def _get(self, bucket: str, key: str, **conditions: str) -> dict[str, Any]:
        try:
            return dict(self._s3.get_object(Bucket=bucket, Key=key, **conditions))  # type: ignore[arg-type]
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            text = error.response["Error"].get("Message", "")
        except BotoCoreError as error:
            code, text = "", str(error)
        path = f"s3://{bucket}/{key}"
        if code == "NoSuchBucket":
            raise RetrievalError(f"Bucket {bucket} does not exist.")
        if code in ("NoSuchKey", "404"):
            raise RetrievalError(f"{path} does not exist: upload the prepared data to this key.")
        if code in ("AccessDenied", "403"):
            raise RetrievalError(
                f"{path} does not exist, or this function may not read it: "
                "its role reads the project's own bucket only."
            )
        if code == "PreconditionFailed":
            raise RetrievalError(f"{path} was replaced while it was being read; try again.")
        raise RetrievalError(f"{path} cannot be read: {code} {text}")

    def _titles(self, version: Version) -> dict[int, str]:
        """Titles by movie id, from u.item."""
        body = self._get(version.bucket, ITEMS, IfMatch=version.items)["Body"].read()
        titles, problems = {}, []
        for number, line in enumerate(body.decode("latin-1").split("\n"), 1):
            if not line.strip():
                continue
            fields = line.rstrip("\r").split("|")
            if len(fields) < 2 or not _is_id(fields[0]):
                problems.append(f"line {number} must begin with a movie id, | and a title")
            else:
                titles[int(fields[0])] = fields[1]
        _refuse(f"s3://{version.bucket}/{ITEMS}", problems)
        return titles

    def _rated(self, version: Version) -> set[int]:
        """The movies in ua.base, read piece by piece: it may be much larger than memory."""
        body = self._get(version.bucket, RATINGS, IfMatch=version.ratings)["Body"]
        movies: set[bytes] = set()
        problems: list[str] = []
        rest, before = b"", 0
        for piece in _and_end(body.iter_chunks(1 << 20)):
            *lines, rest = (rest + piece).split(b"\n")
            found = {field for line in lines for field in line.split(b"\t", 2)[1:2]}
            bad = {field for field in found - movies if not _is_id(field)}
            if bad or any(line and b"\t" not in line for line in lines):
                problems += [
                    f"line {before + number} must hold a user id, a tab and a movie id"
                    for number, line in enumerate(lines, 1)
                    if line.strip() and (b"\t" not in line or line.split(b"\t", 2)[1] in bad)
                ]
            movies |= found - bad
            before += len(lines)
        _refuse(f"s3://{version.bucket}/{RATINGS}", problems)
        return {int(movie) for movie in movies}

    def _load(self, version: Version) -> Catalogue | None:
        """The stored catalogue of this version, or None if there is none to be believed."""
        key = STORED.format(config=version.config)
        try:
            reply = self._s3.get_object(Bucket=version.bucket, Key=key)
            movies, vectors, about = _unpacked(reply["Body"].read())
            if about["version"] != asdict(version):
                return None
            rows = np.linspace(0, len(movies) - 1, PROBES).astype(int)
            now, _ = self._embed([movies[row] for row in rows])
        except (RetrievalError, ClientError, BotoCoreError) as error:
            _log.info("no embeddings were found for this model: %s", error)
            return None
        if now.shape[1] != vectors.shape[1] or _differ(vectors[rows], now):
            _log.warning("the stored embeddings are not this model's")
            return None
        titles = {int(movie): title for movie, title in about["titles"].items()}
        return Catalogue(titles, Embeddings(movies, vectors))

    def _store(
        self, version: Version, movies: list[int], vectors: "Vectors", titles: dict[int, str]
    ) -> None:
        file = _packed(movies, vectors, {"version": asdict(version), "titles": titles})
        key = STORED.format(config=version.config)
        try:
            self._s3.put_object(Bucket=version.bucket, Key=key, Body=file)
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
        RetrievalError: the file is damaged, or something else.
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
        raise RetrievalError(f"the stored file is damaged: {error!r}") from None
    if not sound:
        raise RetrievalError("the stored file holds something else")
    return movies, vectors, about


def _differ(some: "Vectors", others: "Vectors") -> bool:
    """Whether two sets of embeddings differ by more than rounding."""
    return bool(np.abs(some - others).max() > 1e-3 * np.abs(others).max())


def _is_refusal(error: ClientError) -> bool:
    """Whether the model, not the endpoint, says that the request is at fault."""
    response: dict[str, Any] = dict(error.response)
    status = int(response.get("OriginalStatusCode") or 0)
    return response["Error"].get("Code") == "ModelError" and 400 <= status < 500


def _is_id(text: str | bytes) -> bool:
    return text.isdigit() and text.isascii() and len(text) < 19


def _and_end(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """The pieces and a last line's end, should the file lack it."""
    yield from pieces
    yield b"\n"


def _refuse(path: str, problems: list[str]) -> None:
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise RetrievalError(f"{path} is malformed: {'; '.join(problems[:SHOWN])}{more}.")
