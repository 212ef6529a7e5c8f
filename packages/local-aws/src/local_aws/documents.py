"""JSON from outside: read, or refused in words."""

import json
from typing import Any

DEPTH = 200
"""How deeply arrays and objects may be nested: what reads a document further down recurses."""


def read_json(text: str | bytes) -> Any:
    """What a JSON text holds.

    Args:
        text: bytes are UTF-8.

    Raises:
        ValueError: it is not JSON, or no machine's: nested deeper than `DEPTH`, a number too long.
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
    """Make sure that what a document holds is not nested deeper than `DEPTH`.

    Raises:
        ValueError: it is.
    """
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, (dict, list))]:
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"nested too deeply: {DEPTH} levels are allowed")
        level = [inner for one in level for inner in (one.values() if type(one) is dict else one)]
