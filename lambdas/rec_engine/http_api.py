"""The function's HTTP API: `POST /rating` and `POST /recommendation`, with events as bodies."""

from typing import Any, Final

from common import http
from common.openapi import content, operation, record

from rec_engine.logic import MAX_INSTANCES, POPULARITY_ADJUSTED, RecommendationError

_OWN: Final[dict[str, Any]] = {"type": ["integer", "string"], "description": "The data's own id."}
_PAIRS: Final = {
    "user": _OWN,
    "movies": {"type": "array", "items": _OWN, "minItems": 1, "maxItems": MAX_INSTANCES},
    "top_k": {"type": "integer", "minimum": 1},
}
_FAILED: Final = {"502": "The endpoint does not respond."}
_EXAMPLE: Final = {"user": 789, "movies": [286, 195]}


def _predictions(kind: str, *scores: str) -> dict[str, Any]:
    pair = {"user": _OWN, "movie": _OWN}
    scored = {name: {"type": "boolean" if name == "recommend" else "number"} for name in scores}
    each = record({**pair, **scored}, *(scored if len(scored) > 1 else ()))
    return content(
        record({"type": {"const": kind}, "predictions": {"type": "array", "items": each}})
    )


OPERATIONS: Final = {
    "POST /rating": operation(
        "How a user will rate movies.",
        _predictions("rating", "rating"),
        tag="object2vec",
        body=content(record(_PAIRS, "top_k"), _EXAMPLE),
        errors=_FAILED,
    ),
    "POST /recommendation": operation(
        "Whether a user will like movies, or the best of them.",
        _predictions("recommendation", "recommend", "probability", "score"),
        tag="object2vec",
        body=content(
            record({**_PAIRS, "rank_by": {"const": POPULARITY_ADJUSTED}}, "top_k", "rank_by"),
            _EXAMPLE | {"top_k": 1},
        ),
        errors=_FAILED,
    ),
}
"""By route, in OpenAPI's terms, of the structured form; the workshop's is taken, too."""


def event_in(request: dict[str, Any]) -> dict[str, Any]:
    """Convert a request to an event: the body, with the type from the path.

    Raises:
        RecommendationError: the body is not a JSON object, or contains `type`.
    """
    event = http.body(request, RecommendationError)
    if not isinstance(event, dict) or "type" in event:
        raise RecommendationError(
            'Bad request: its body must be a JSON object such as {"user": 789, "movies": [286]}, '
            "without `type`, which the path determines."
        )
    return {**event, "type": str(request["rawPath"]).rsplit("/", 1)[-1]}
