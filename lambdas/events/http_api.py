"""The function behind an HTTP API: `POST /events` and `DELETE /users/{id}`."""

from typing import Any, Final

from common import http
from common.openapi import PLAIN_ID, content, operation, parameter, record
from common.text import LONGEST_ID

from events.request import MOST, EventsError

_ID: Final = {"type": ["string", "integer"], "maxLength": LONGEST_ID}
_COUNT: Final = {"type": "integer", "minimum": 0}
_EVENT: Final = record(
    {
        "user": _ID,
        "item": _ID,
        "timestamp": {"type": "number", "description": "Seconds since 1970."},
        "event_id": PLAIN_ID
        | {"description": "Tells this event from others of the user in that second."},
        "session_id": PLAIN_ID
        | {"description": "The session in which it happened, for experiments on sessions."},
        "recommendation_id": PLAIN_ID
        | {"description": "Of the answer of Amazon Personalize that showed the item."},
        "source": PLAIN_ID
        | {"description": "What showed the item, for Amazon Personalize's metric attribution."},
        "type": {"type": "string", "maxLength": LONGEST_ID},
        "value": {"type": "number", "minimum": 0, "maximum": 1e9},
    },
    *("event_id", "session_id", "recommendation_id", "source", "type", "value"),
) | {"additionalProperties": False}
_BUSY: Final = {"503": "DynamoDB cannot answer now: send the same again."}

OPERATIONS: Final = {
    "POST /events": operation(
        "What users did; written once, however often it is sent.",
        content(record({"written": _COUNT, "unknown_items": {"type": "array"}})),
        tag="lists",
        body=content(
            record({"events": {"type": "array", "minItems": 1, "maxItems": MOST, "items": _EVENT}})
            | {"additionalProperties": False},
            {"events": [{"user": "789", "item": "50", "timestamp": 1764428400, "type": "Watch"}]},
        ),
        errors=_BUSY,
    ),
    "DELETE /users/{id}": operation(
        "Every event of a user is deleted.",
        content(record({"user": {"type": "string"}, "forgotten": _COUNT})),
        tag="lists",
        parameters=[parameter("id", "path", {"type": "string"}, "A user's own id.", example="789")],
        errors=_BUSY,
    ),
}
"""By route, in OpenAPI's terms."""


def event_in(request: dict[str, Any]) -> Any:
    """The event that a request asks for.

    Raises:
        EventsError: the body is no JSON, or would forget a user.
    """
    if request["routeKey"].startswith("DELETE "):
        return {"forget": (request.get("pathParameters") or {}).get("id")}
    event = http.body(request, EventsError)
    if isinstance(event, dict) and "forget" in event:
        raise EventsError("Bad request: users are forgotten by DELETE /users/{id}.")
    return event
