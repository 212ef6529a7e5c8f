"""The function behind an HTTP API: `POST /rating` and `POST /recommendation`, events as bodies."""

import base64
from typing import Any

from common.text import decoded

from rec_engine.logic import RecommendationError


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
