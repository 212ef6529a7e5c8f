"""Strict JSON decoding, and the instances of inference requests."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from recsys.errors import InputError, Problems

JSON = "application/json"
JSON_LINES = "application/jsonlines"


def decode(text: str) -> Any:
    """Decode strict JSON.

    Raises:
        ValueError: with a readable message; also for NaN, deep nesting, and numbers that are too
            long.
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
        raise ValueError("contains a number with too many digits") from None


def shown(value: object) -> str:
    """Format a decoded value as JSON, truncated to a readable length."""
    try:
        return json.dumps(value)[:40]
    except RecursionError:  # it was decoded just below the recursion limit
        return f"a deeply nested {type(value).__name__}"


def read(body: bytes, kind: str) -> list[Any]:
    """Read the instances of a request: `{"instances": [...]}`, or JSON Lines with one per line.

    Raises:
        InputError: the request is invalid or has no instances.
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
    raise _NoNumber(f"contains {name}, which is not valid JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
