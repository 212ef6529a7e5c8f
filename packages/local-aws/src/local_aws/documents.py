"""Strict JSON decoding with readable errors."""

import json
from typing import Any

DEPTH = 200
"""The maximum nesting of arrays and objects, because later processing is recursive."""


def read_json(text: str | bytes) -> Any:
    """Decode a JSON text.

    Args:
        text: a string, or bytes in UTF-8.

    Raises:
        ValueError: it is not JSON, is nested deeper than `DEPTH`, or contains a too long number.
    """
    constants: list[str] = []
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        value = json.loads(text, parse_constant=constants.append)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{error.msg} at {place}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except ValueError:  # of int()
        raise ValueError("a number has too many digits") from None
    if constants:
        raise ValueError(f"{constants[0]} is no JSON number")
    if text.count("[") + text.count("{") > DEPTH:
        check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Check that a document is not nested deeper than `DEPTH`.

    Raises:
        ValueError: it is.
    """
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, (dict, list))]:
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"nested too deeply: {DEPTH} levels are allowed")
        level = [inner for one in level for inner in (one.values() if type(one) is dict else one)]
