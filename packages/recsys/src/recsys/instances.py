"""JSON from outside: strictly read, and the instances that a request holds."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from recsys.errors import InputError, Problems

JSON = "application/json"
JSON_LINES = "application/jsonlines"


def decode(text: str) -> Any:
    """Decode strict JSON.

    Raises:
        ValueError: in words; also for NaN, for too deep nesting, and for a number too long.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at column {error.pos + 1}") from None
    except _NoNumber:
        raise
    except ValueError:  # of int()
        raise ValueError("holds a number of too many digits") from None


def shown(value: object) -> str:
    """A decoded value as JSON, cut to a readable length."""
    try:
        return json.dumps(value)[:40]
    except RecursionError:  # decoded a few frames below the limit
        return f"a {type(value).__name__} nested deeply"


def read(body: bytes, kind: str) -> list[Any]:
    """The instances of a request: of `{"instances": [...]}`, or one a line in JSON Lines.

    Raises:
        InputError: it is not such a request, or holds none.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("the request is not UTF-8 text") from None
    if kind == JSON:
        try:
            document = decode(text)
        except ValueError as error:
            raise InputError(f"the request {error}") from None
        if not isinstance(document, dict) or not isinstance(document.get("instances"), list):
            raise InputError('the request must be {"instances": [...]}')
        instances: list[Any] = document["instances"]
    else:
        instances, problems = [], Problems(10)
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    instances.append(decode(line.strip()))
                except ValueError as error:
                    problems.add(f"line {number} {error}")
        problems.raise_if_any()
    if not instances:
        raise InputError("the request has no instances")
    return instances


class _NoNumber(ValueError):
    """NaN or an infinity, which JSON does not have."""


def _refuse_constant(name: str) -> NoReturn:
    raise _NoNumber(f"holds {name}, which is not a number in JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
