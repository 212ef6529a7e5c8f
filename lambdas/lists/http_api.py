"""The function behind an HTTP API.

GET /users/{id}/recommendations, GET /items/{id}/similar, POST /users/{id}/ranking; and
GET /openapi.json, which describes all of the API.
"""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from common import http
from common.openapi import PLAIN_ID, content, operation, parameter, record
from common.text import LONGEST_ID, decoded, names

from lists.request import MOST, MOST_ITEMS, ListsError

DESCRIPTION: Final = "GET /openapi.json"
_DOCUMENT: Final = Path(__file__).with_name("openapi.json")  # the stack puts it there
_FLAGS: Final = {"true": True, "false": False}
_FRESH: Final = 300  # seconds that an answer about an item may be kept

# What the routes take and answer ------------------------------------------------------------------

_ID: Final = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}
_TITLE: Final = {"type": ["string", "null"]}
_COUNT: Final = {"type": "integer", "minimum": 1, "maximum": MOST}
_FLAG: Final = {"type": "boolean"}
_GENRES: Final = {"type": "array", "items": {"type": "string"}}
_QUERY: Final = (
    parameter("count", "query", _COUNT, "How many items; 10, or all that are ranked.", example=10),
    parameter(
        "exclude_watched",
        "query",
        _FLAG,
        "Leave out what the user has had; true, for a ranking false.",
        example=True,
    ),
    parameter("explain", "query", _FLAG, "Say why; true.", example=True),
    parameter(
        "genres",
        "query",
        _GENRES,
        "An item must have one of them.",
        style="form",
        explode=False,
        example=["Comedy", "Drama"],
    ),
    parameter(
        "years",
        "query",
        {"type": "string", "pattern": r"^\d{0,9}-\d{0,9}$"},
        "The first and the last year; either may be left out.",
        example="1990-1999",
    ),
    parameter(
        "attributes",
        "query",
        {"type": "string"},
        "A JSON object: of each attribute, an item must have one of the listed values.",
        example='{"author": ["Tolstoy"]}',
    ),
)
_SESSION: Final = parameter(
    "session_id",
    "query",
    PLAIN_ID,
    "The session in which the user asks, for experiments on sessions.",
    example="s-4711",
)
_PARAMETERS: Final = tuple(one["name"] for one in (*_QUERY, _SESSION))
_REASON: Final = record({"item": _ID, "title": _TITLE, "share": {"type": "number"}})
_ITEM: Final = record(
    {
        "item": _ID,
        "title": _TITLE,
        "year": {"type": ["integer", "null"]},
        "genres": _GENRES,
        "attributes": {"type": "object", "additionalProperties": _GENRES},
        "score": {"type": "number"},
        "because": {
            "type": "array",
            "items": _REASON,
            "description": "The items of the history that add most to the score.",
        },
        "arm": {"type": "string", "description": "Of an experiment that mixes two arms' lists."},
    },
    *("attributes", "because", "arm"),
)
_BASIS: Final = {
    "enum": ["history", "item", "popular"],
    "description": "`popular` where nothing is known of whom or what was asked for.",
}
_LIST: Final[dict[str, Any]] = {"basis": _BASIS, "items": {"type": "array", "items": _ITEM}}
_ARMS: Final = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "description": "The user's or session's arm in each running experiment that it takes part in.",
}
_USERS: Final = content(record({"user": _ID, **_LIST, "experiments": _ARMS}, "experiments"))
_USER: Final = parameter("id", "path", _ID, "A user's own id.", example="789")
_BUSY: Final = {"503": "DynamoDB cannot answer now: try again."}

OPERATIONS: Final = {
    "GET /users/{id}/recommendations": operation(
        "The best items for a user, live, with reasons; never cached.",
        _USERS,
        tag="lists",
        parameters=(_USER, *_QUERY, _SESSION),
        errors=_BUSY,
    ),
    "POST /users/{id}/ranking": operation(
        "The given items in the order in which the user will like them.",
        content(
            record(
                {"user": _ID, **_LIST, "unknown_items": {"type": "array", "items": _ID}},
                "unknown_items",
            )
        ),
        tag="lists",
        parameters=(_USER, *_QUERY),
        body=content(
            record(
                {
                    "items": {
                        "type": "array",
                        "items": {"type": ["string", "integer"]},
                        "minItems": 1,
                        "maxItems": MOST_ITEMS,
                    }
                }
            ),
            {"items": ["50", "181"]},
        ),
        errors=_BUSY,
    ),
    "GET /items/{id}/similar": operation(
        "What goes best with an item; may be cached, and has an ETag.",
        content(record({"item": _ID, **_LIST})),
        tag="lists",
        parameters=(parameter("id", "path", _ID, "An item's own id.", example="195"), *_QUERY),
        errors={"304": "As the client has it, by `If-None-Match`."},
    ),
    DESCRIPTION: operation("This document.", content({"type": "object"}), tag="lists"),
}
"""By route, in OpenAPI's terms."""

# Requests and answers -----------------------------------------------------------------------------


def event_in(request: dict[str, Any]) -> dict[str, Any]:
    """The event that a request asks for.

    Raises:
        ListsError: the body is no JSON object, or a parameter is malformed.
    """
    method, path = request["routeKey"].split(" ", 1)
    which = (request.get("pathParameters") or {}).get("id")
    query = dict(request.get("queryStringParameters") or {})
    event: dict[str, Any] = {"item" if path.startswith("/items/") else "user": which}
    if method == "POST":
        event |= _body(request)
    if unknown := [name for name in query if name not in _PARAMETERS]:
        # only the path chooses the user: IAM has let the caller ask for that one
        raise ListsError(
            f"Bad request: unknown parameter {names(unknown)} (the parameters are "
            f"{', '.join(_PARAMETERS)})."
        )
    filters: dict[str, Any] = {}
    for name, value in query.items():
        if name == "count" and value.isdecimal() and len(value) < 10:
            event["count"] = int(value)
        elif name in ("exclude_watched", "explain") and value in _FLAGS:
            event[name] = _FLAGS[value]
        elif name == "genres":
            filters["genres"] = value.split(",")
        elif name == "years":
            filters["years"] = [_year(year) for year in value.split("-")]
        elif name == "attributes":
            filters["attributes"] = _object(value)
        else:
            event[name] = value  # the event's own checks say what is wrong
    return {**event, **({"filters": filters} if filters else {})}


def described(tags: Collection[str]) -> dict[str, Any]:
    """The OpenAPI document, with the operations that have one of these tags."""
    document: dict[str, Any] = json.loads(_DOCUMENT.read_text("utf-8"))
    paths = {
        path: {
            method: operation
            for method, operation in operations.items()
            if not set(tags).isdisjoint(operation["tags"])
        }
        for path, operations in document["paths"].items()
    }
    return {**document, "paths": {path: found for path, found in paths.items() if found}}


def response(request: dict[str, Any], answer: dict[str, Any], model: str) -> dict[str, Any]:
    """What the API answers; what is about an item changes with the model alone, and may be kept.

    Args:
        request: what was asked.
        answer: what is told.
        model: the model's key.
    """
    answered = http.response(200, answer)
    if "user" in answer:
        answered["headers"]["cache-control"] = "no-store"
        return answered
    tag = hashlib.sha256(f"{model}\0{answered['body']}".encode()).hexdigest()[:32]
    headers = {"etag": f'"{tag}"', "cache-control": f"private, max-age={_FRESH}"}
    known = {name.lower(): value for name, value in (request.get("headers") or {}).items()}
    if f'"{tag}"' in known.get("if-none-match", ""):
        return {"statusCode": 304, "headers": headers, "body": ""}
    answered["headers"] |= headers
    return answered


def _body(request: dict[str, Any]) -> dict[str, Any]:
    content = http.body(request, ListsError)
    if not isinstance(content, dict) or "user" in content:
        raise ListsError(
            'Bad request: its body must be a JSON object such as {"items": ["50", "181"]}, without '
            "`user`, whom the path names."
        )
    return content


def _object(text: str) -> Any:
    try:
        return decoded(text)
    except ValueError:
        return text  # the event's own checks say what is wrong


def _year(text: str) -> Any:
    return None if not text else int(text) if text.isdecimal() and len(text) < 10 else text
