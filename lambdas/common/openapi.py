"""Pieces of the HTTP API's description: each function describes the routes that it answers.

`openapi.py` in the project's root puts them together into docs/openapi.json.
https://spec.openapis.org/oas/v3.1.0
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from common.text import PLAIN

Schema = Mapping[str, Any]

PLAIN_ID: Final[dict[str, Any]] = {"type": "string", "pattern": f"^{PLAIN}$"}
"""The schema of the ids of events and of sessions."""

_ERRORS: Final = {
    "400": "The request is malformed; the message names every problem.",
    "403": "The request is not signed, or its principal lacks `execute-api:Invoke` on the route.",
    "429": "Throttled: more requests than `api.rate` and `api.burst` allow.",
}


def content(schema: Schema, example: Any = None) -> dict[str, Any]:
    """JSON of a schema, with an example if there is one."""
    told: dict[str, Any] = {"schema": schema}
    if example is not None:
        told["example"] = example
    return {"application/json": told}


def record(properties: Mapping[str, Schema], *optional: str) -> dict[str, Any]:
    """The schema of an object; properties are required but for the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required}


def parameter(name: str, where: str, schema: Schema, description: str, **more: Any) -> Schema:
    """A parameter in the `path` or the `query`."""
    told = {"name": name, "in": where, "schema": schema, "description": description, **more}
    return told | ({"required": True} if where == "path" else {})


def operation(
    summary: str,
    answer: Schema,
    *,
    tag: str,
    parameters: Sequence[Schema] = (),
    body: Schema | None = None,
    errors: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a method of a path does.

    Args:
        summary: a sentence.
        answer: the `content` of status 200.
        tag: what it belongs to.
        parameters: of path and query.
        body: the `content` of the request.
        errors: descriptions by status, in addition to those of all routes.
    """
    message = content(record({"message": {"type": "string"}}))
    told: dict[str, Any] = {
        "summary": summary,
        "tags": [tag],
        "responses": {
            "200": {"description": "The answer.", "content": answer},
            **{
                status: {"description": description, "content": message}
                for status, description in sorted({**_ERRORS, **(errors or {})}.items())
            },
        },
    }
    if parameters:
        told["parameters"] = list(parameters)
    if body:
        told["requestBody"] = {"required": True, "content": body}
    return told
