"""Endpoints whose model scores pairs of a user and an item."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import (
    BusyError,
    FunctionError,
    code_of,
    failure,
    is_denied,
    is_throttled,
    text_of,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

CHUNK = (
    1_000  # instances per request: about 40 KB, far below an endpoint's 4 MB (serverless) or 6 MB
)


class Form(Protocol):
    """The form of a model's requests and responses."""

    @property
    def width(self) -> int:
        """The number of scores of a pair."""

    def instance(self, user: int, item: int) -> dict[str, Any]:
        """The request's part for a pair of the model's numbers."""

    def scores(self, prediction: Any) -> Any:
        """The scores in the response's part for a pair."""


@dataclass(frozen=True)
class Tokens:
    """Object2Vec's form, and deep matrix factorization's: tokens of two sides.

    Args:
        width: the number of scores of a pair.
    """

    width: int

    def instance(self, user: int, item: int) -> dict[str, Any]:
        """See `Form`."""
        return {"in0": [user], "in1": [item]}

    def scores(self, prediction: Any) -> Any:
        """See `Form`."""
        return prediction["scores"]


@dataclass(frozen=True)
class Columns:
    """The form of factorization machines: a user and an item are columns of a sparse row.

    Args:
        users: the number of users' columns, after which the items' come.
        items: the number of these.
    """

    users: int
    items: int
    width: int = 1

    def instance(self, user: int, item: int) -> dict[str, Any]:
        """See `Form`."""
        keys, shape = [user, self.users + item], [self.users + self.items]
        return {"data": {"features": {"keys": keys, "shape": shape, "values": [1, 1]}}}

    def scores(self, prediction: Any) -> Any:
        """See `Form`."""
        return [prediction["score"]]


def scored(
    client: "SageMakerRuntimeClient", endpoint: str, form: Form, pairs: Sequence[tuple[int, int]]
) -> list[list[float]]:
    """Score pairs.

    Args:
        client: a client of SageMaker's runtime.
        endpoint: the endpoint's name.
        form: of its requests and responses.
        pairs: a user's and an item's number each, as the model has them.

    Returns:
        The scores of each pair.

    Raises:
        FunctionError: the endpoint is missing, refuses the pairs or returns an invalid answer; a
            `BusyError` if it may answer in a moment.
    """
    found: list[list[float]] = []
    for start in range(0, len(pairs), CHUNK):
        found += _invoke(client, endpoint, form, pairs[start : start + CHUNK])
    return found


def _invoke(
    client: "SageMakerRuntimeClient", endpoint: str, form: Form, pairs: Sequence[tuple[int, int]]
) -> list[list[float]]:
    body = json.dumps({"instances": [form.instance(user, item) for user, item in pairs]})
    try:
        reply = client.invoke_endpoint(
            EndpointName=endpoint, ContentType="application/json", Body=body.encode()
        )
        text = reply["Body"].read()
    except ClientError as error:
        raise _explained(error, endpoint) from None
    except BotoCoreError as error:
        words = f"Endpoint {endpoint} could not be reached: {error}"
        raise failure(error, words) from None
    try:
        scores = [form.scores(one) for one in json.loads(text)["predictions"]]
        sound = len(scores) == len(pairs) and all(_sound(score, form.width) for score in scores)
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise FunctionError(
            f"Endpoint {endpoint} did not return {form.width} score(s) for each of "
            f"{len(pairs)} instance(s). Is it the right model? It returned: {text[:200]!r}"
        )
    return scores


def _sound(score: Any, width: int) -> bool:
    return (
        isinstance(score, list)
        and len(score) == width
        and all(isinstance(x, (int, float)) and math.isfinite(x) for x in score)
    )


def _explained(error: ClientError, endpoint: str) -> FunctionError:
    """An endpoint's error, and what to do about it."""
    code, text = code_of(error), text_of(error)
    if code == "ModelError":
        model: dict[str, Any] = dict(error.response)
        said = str(model.get("OriginalMessage") or text)
        if 400 <= int(model.get("OriginalStatusCode") or 500) < 500:
            return FunctionError(
                f"The model behind endpoint {endpoint} refused the request: {said}"
            )
        return FunctionError(
            f"The model behind endpoint {endpoint} failed; see its log. It returned: {said}"
        )
    if code in ("ValidationError", "ValidationException"):  # of an endpoint that is not there now
        return BusyError(
            f"Endpoint {endpoint} cannot be invoked; does it exist, and is it in service? ({text})"
        )
    if code == "ModelNotReadyException":
        words = f"Endpoint {endpoint} is still loading its model; try again in a moment. ({text})"
    elif is_throttled(error):
        words = f"Endpoint {endpoint} is too busy to answer now; try again in a moment. ({text})"
    elif is_denied(error):
        words = f"This function's role may not invoke endpoint {endpoint}: {text}"
    else:
        words = f"Endpoint {endpoint} did not respond: {code}: {text}"
    return failure(error, words)
