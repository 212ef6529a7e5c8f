"""The function behind an HTTP API.

GET /users/{id}/recommendations, GET /items/{id}/similar, POST /users/{id}/ranking.
"""

import base64
import hashlib
from typing import Any, Final

from common import http
from common.text import decoded, names

from lists.request import ListsError

_FLAGS: Final = {"true": True, "false": False}
_PARAMETERS: Final = ("count", "exclude_watched", "explain", "genres", "years")
_FRESH: Final = 300  # seconds that an answer about an item may be kept


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
        # nobody chooses another user than the path's, whom IAM has let the caller ask for
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
        else:
            event[name] = value  # the event's own checks say what is wrong
    return {**event, **({"filters": filters} if filters else {})}


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
    body = request.get("body") or ""
    try:
        if request.get("isBase64Encoded"):
            body = base64.b64decode(body)
        content = decoded(body)
    except ValueError as error:  # of base64 too
        raise ListsError(f"Bad request: its body is not JSON: {error}.") from None
    if not isinstance(content, dict) or "user" in content:
        raise ListsError(
            'Bad request: its body must be a JSON object such as {"items": ["50", "181"]}, without '
            "`user`, whom the path names."
        )
    return content


def _year(text: str) -> Any:
    return None if not text else int(text) if text.isdecimal() and len(text) < 10 else text
