"""JSON from outside: read, or refused in words."""

import json
from typing import Any


def read_json(text: str | bytes) -> Any:
    """What a JSON text holds.

    Raises:
        ValueError: it is not JSON, or no machine's: nested too deeply, a number too long.
    """
    constants: list[str] = []
    try:
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
    return value
