"""The function behind an HTTP API: `POST /rating` and `POST /recommendation`, events as bodies.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
(payload format version 2.0)
"""

import base64
import json
from typing import Any

from rec_engine.logic import RecommendationError, decoded


def is_request(event: object) -> bool:
    """Whether an HTTP API sends this event."""
    return isinstance(event, dict) and "routeKey" in event and "requestContext" in event


def event_in(request: dict[str, Any]) -> dict[str, Any]:
    """The event in a request's body, of the type that its path ends in.

    Raises:
        RecommendationError: the body is no JSON object, or names a type itself.
    """
    body = request.get("body") or ""
    try:
        if request.get("isBase64Encoded"):
            body = base64.b64decode(body)
        event = decoded(body)
    except ValueError as error:  # of base64 too
        raise RecommendationError(f"Bad request: its body is not JSON: {error}.") from None
    if not isinstance(event, dict) or "type" in event:
        raise RecommendationError(
            'Bad request: its body must be a JSON object such as {"user": 789, "movies": [286]}, '
            "without `type`, which the path tells."
        )
    return {**event, "type": str(request["rawPath"]).rsplit("/", 1)[-1]}


def response(status: int, content: object) -> dict[str, Any]:
    """What an HTTP API answers: the content as JSON."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(content, ensure_ascii=False),
    }
