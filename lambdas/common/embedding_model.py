"""The model that places the movies: an Object2Vec endpoint, asked for embeddings."""

import io
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jsonlines
import numpy as np
import numpy.typing as npt
from botocore.exceptions import BotoCoreError, ClientError

from common.errors import FunctionError, code_of, failure, is_denied, is_throttled, text_of

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    Vectors = npt.NDArray[np.float32]

FIRST_CHUNK = 16  # movies in the first request; its answer tells how long an embedding is
ANSWER_BYTES = 1_000_000  # aimed at in later ones; an endpoint may answer 4 MB if serverless
MAX_CHUNK = 4_096

_log = logging.getLogger("embedding_model")
_USABLE = ("InService", "Updating", "SystemUpdating", "RollingBack")


class NothingKnownError(FunctionError):
    """The model knows none of the movies."""


class _Refused(FunctionError):
    """The model says that the request is at fault: a movie outside its vocabulary, for one."""


class Model:
    """An endpoint that embeds movies.

    Args:
        sagemaker, runtime: boto3 clients.
        endpoint: its name.
    """

    def __init__(
        self, sagemaker: "SageMakerClient", runtime: "SageMakerRuntimeClient", endpoint: str
    ) -> None:
        self._sagemaker, self._runtime = sagemaker, runtime
        self.endpoint = endpoint

    def version(self) -> tuple[str, bool]:
        """The endpoint's configuration, and whether that one alone answers now."""
        try:
            endpoint = self._sagemaker.describe_endpoint(EndpointName=self.endpoint)
        except ClientError as error:
            raise failure(error, self._explained(error)) from None
        except BotoCoreError as error:
            raise failure(error, f"SageMaker could not be reached: {error}") from None
        status = endpoint["EndpointStatus"]
        if status not in _USABLE:
            reason = endpoint.get("FailureReason", "")
            told = "is still being created" if status == "Creating" else f"is {status}"
            raise FunctionError(f"Endpoint {self.endpoint} {told}. {reason}".strip())
        return endpoint["EndpointConfigName"], status == "InService"

    def embedded(self, movies: list[int]) -> "Iterator[tuple[list[int], Vectors]]":
        """Those of `movies` (ascending) that the model knows and their embeddings, part by part.

        A vocabulary is a range of ids from 0, and one id beyond it makes the model refuse the
        whole request. So a refused request is halved until the first unknown movie is found; if
        the last movie is unknown too, so are all between.

        Raises:
            NothingKnownError: it knows none.
            FunctionError: it does not answer.
        """
        known = 0
        start, size, end = 0, FIRST_CHUNK, len(movies)
        while start < len(movies):
            chunk = movies[start : min(start + size, end)]
            try:
                vectors, answered = self.embed(chunk)
            except _Refused as refusal:
                if len(chunk) > 1:
                    size, end = len(chunk) // 2, start + len(chunk)
                    continue
                if start == len(movies) - 1 or not self._knows(movies[-1]):
                    if not known:
                        raise NothingKnownError(f"The model knows no movie. {refusal}") from None
                    break
                start, end = start + 1, len(movies)
                continue
            yield chunk, vectors
            known += len(chunk)
            start += len(chunk)
            end = len(movies) if start >= end else end
            size = min(max(ANSWER_BYTES * len(chunk) // answered, 1), MAX_CHUNK)
        if known < len(movies):
            _log.warning(
                "the model does not know %d of %d movies", len(movies) - known, len(movies)
            )

    def _knows(self, movie: int) -> bool:
        try:
            self.embed([movie])
        except _Refused:
            return False
        return True

    def embed(self, movies: list[int]) -> "tuple[Vectors, int]":
        """The embeddings of `movies`, (n, dimensions), and the bytes that they came in."""
        request = io.StringIO()
        with jsonlines.Writer(request) as lines:
            lines.write_all({"in1": [movie]} for movie in movies)
        try:
            reply = self._runtime.invoke_endpoint(
                EndpointName=self.endpoint,
                ContentType="application/jsonlines",
                Accept="application/jsonlines",
                # as the SageMaker SDK's serializer writes it: no line break ends the last line
                Body=request.getvalue().rstrip("\n").encode(),
            )
            text = reply["Body"].read()
        except ClientError as error:
            told = self._explained(error)
            raise (_Refused(told) if _is_refusal(error) else failure(error, told)) from None
        except BotoCoreError as error:
            raise failure(
                error, f"Endpoint {self.endpoint} could not be reached: {error}"
            ) from None
        try:
            with jsonlines.Reader(text.splitlines()) as answers:
                vectors = np.array([one["embeddings"] for one in answers], dtype=np.float32)
            sound = vectors.ndim == 2 and len(vectors) == len(movies) and vectors.shape[1] > 0
            sound = sound and bool(np.isfinite(vectors).all())
        except (jsonlines.Error, KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            raise FunctionError(
                f"Endpoint {self.endpoint} answered something else than one embedding for each "
                f"of {len(movies)} movie(s). Is it an Object2Vec model? It said: {text[:200]!r}"
            )
        return vectors, len(text)

    def _explained(self, error: ClientError) -> str:
        """The endpoint's error, with what to do about it."""
        code, text, name = code_of(error), text_of(error), self.endpoint
        if code == "ModelError":
            model: dict[str, Any] = dict(error.response)
            verb = "refused the request" if _is_refusal(error) else "failed; its log tells more"
            return f"The model of endpoint {name} {verb}: {model.get('OriginalMessage') or text}"
        if is_throttled(error):
            return f"Endpoint {name} is too busy to answer now; try again in a moment. ({text})"
        if is_denied(error):
            return f"This function's role may not use endpoint {name}: {text}"
        if code in ("ValidationError", "ValidationException"):
            return f"Endpoint {name} cannot be used; does it exist, is it in service? ({text})"
        return f"Endpoint {name} did not answer: {code}: {text}"


def _is_refusal(error: ClientError) -> bool:
    """Whether the model, not the endpoint, says that the request is at fault."""
    response: dict[str, Any] = dict(error.response)
    status = int(response.get("OriginalStatusCode") or 0)
    return response["Error"].get("Code") == "ModelError" and 400 <= status < 500
