"""The Lambda function `Recommendation_Engine_Object2Vec`.

Environment: ENDPOINT_NAME_RATING and ENDPOINT_NAME_REC name the two Object2Vec endpoints.
Permissions: sagemaker:InvokeEndpoint on these two endpoints.
"""

import logging
import os
import sys
from typing import Any

import boto3
from botocore.config import Config

from rec_engine import http_api
from rec_engine.logic import RecommendationError, Request, answer, parse

_log = logging.getLogger("rec_engine")
_VARIABLES = {"rating": "ENDPOINT_NAME_RATING", "recommendation": "ENDPOINT_NAME_REC"}

_missing = [name for name in _VARIABLES.values() if not os.environ.get(name)]
if _missing:
    raise RecommendationError(
        f"Set {' and '.join(_missing)} in this function's environment, "
        "to the name of the Object2Vec endpoint that it shall ask."
    )

ENDPOINTS = {kind: os.environ[variable] for kind, variable in _VARIABLES.items()}

client = boto3.client(
    "sagemaker-runtime",
    config=Config(
        connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
    ),
)


def handler(event: Any, _context: Any) -> str | dict[str, Any]:
    """Answer one event: see `rec_engine.logic` for its forms, and `http_api` for HTTP's.

    Raises:
        RecommendationError: the event cannot be answered; the message says why.
    """
    sys.tracebacklimit = 1000
    if http_api.is_request(event):
        return _over_http(event)
    try:
        return _answered(parse(event))
    except RecommendationError:
        # Lambda would send a stack trace along; words suffice. A bug above keeps its trace.
        sys.tracebacklimit = 0
        raise


def _over_http(event: dict[str, Any]) -> dict[str, Any]:
    try:
        request = parse(http_api.event_in(event))
    except RecommendationError as error:
        return http_api.response(400, {"message": str(error)})
    try:
        return http_api.response(200, _answered(request))
    except RecommendationError as error:
        _log.error("failed", extra={"error": str(error)})
        return http_api.response(502, {"message": str(error)})


def _answered(request: Request) -> str | dict[str, Any]:
    answered = answer(request, client, ENDPOINTS[request.kind])
    # how many, not who: a log is kept for weeks, and who watches what is personal
    users = len({user for user, _ in request.pairs})
    told = {"kind": request.kind, "users": users, "pairs": len(request.pairs)}
    _log.info("answered", extra=told)
    return answered
