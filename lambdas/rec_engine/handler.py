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

from rec_engine.logic import SHOWN, RecommendationError, answer, parse

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
    """Answer one event; see `rec_engine.logic` for its forms.

    Raises:
        RecommendationError: the event cannot be answered; the message says why.
    """
    sys.tracebacklimit = 1000
    try:
        request = parse(event)
        answered = answer(request, client, ENDPOINTS[request.kind])
    except RecommendationError:
        # Lambda would send a stack trace along; words suffice. A bug above keeps its trace.
        sys.tracebacklimit = 0
        raise
    users = sorted({user for user, _ in request.pairs})
    told = {"kind": request.kind, "users": users[:SHOWN], "pairs": len(request.pairs)}
    _log.info("answered", extra=told)
    return answered
