"""The Lambda function `Recommendation_Engine_Object2Vec`.

Environment: ENDPOINT_NAME_RATING and ENDPOINT_NAME_REC name the two Object2Vec endpoints.
Permissions: sagemaker:InvokeEndpoint on these two endpoints.
"""

import logging
import os
from typing import Any

from common import clients, http
from common.errors import reported

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

client = clients.client("sagemaker-runtime")


def handler(event: Any, _context: Any) -> str | dict[str, Any]:
    """Answer one event: see `rec_engine.logic` for its forms, and `http_api` for HTTP's.

    Raises:
        RecommendationError: the event cannot be answered; the message says why.
    """
    with reported(RecommendationError):
        if http.is_request(event):
            return _over_http(event)
        return _answered(parse(event))


def _over_http(event: dict[str, Any]) -> dict[str, Any]:
    try:
        request = parse(http_api.event_in(event))
    except RecommendationError as error:
        return http.response(400, {"message": str(error)})
    try:
        return http.response(200, _answered(request))
    except RecommendationError as error:
        _log.error("failed", extra={"error": str(error)})
        return http.response(502, {"message": str(error)})


def _answered(request: Request) -> str | dict[str, Any]:
    answered = answer(request, client, ENDPOINTS[request.kind])
    # how many, not who: a log is kept for weeks, and who watches what is personal
    users = len({user for user, _ in request.pairs})
    told = {"kind": request.kind, "users": users, "pairs": len(request.pairs)}
    _log.info("answered", extra=told)
    return answered
