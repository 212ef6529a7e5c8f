"""JSON read strictly, and values and problems as messages tell them."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

SHOWN: Final = 10  # problems told in one message
LONGEST_ID: Final = 256  # characters, as Amazon Personalize has it
PLAIN: Final = r"[\x21-\x7e]{1,100}"
"""The form of the ids of events and of sessions."""
_DIGITS: Final = 16  # of a number that every reader of JSON reads exactly, and one more


def decoded(text: str | bytes, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """What a JSON text holds.

    Args:
        text: in UTF-8, if it is bytes.
        object_hook: what makes something else of each object.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or holds a number that is too long.
    """
    constants: list[str] = []
    try:
        value = json.loads(text, parse_constant=constants.append, object_hook=object_hook)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{error.msg} at {place}") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:  # of int()
        raise ValueError("a number has too many digits") from None
    if constants:
        raise ValueError(f"{constants[0]} is no JSON number")
    return value


def shown(value: object) -> str:
    """`value` as JSON, cut to a readable length."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = type(value).__name__
    text = text if len(text) <= 60 else text[:57] + "..."
    return text.encode(errors="backslashreplace").decode()  # half a character cannot be sent


def names(unknown: Sequence[object]) -> str:
    """Unknown fields, the first of many."""
    return ", ".join(shown(name) for name in unknown[:SHOWN])


def listed(problems: Iterable[str]) -> str:
    """Problems in one sentence, the first of many."""
    told = list(problems)
    more = len(told) - SHOWN
    return "; ".join(told[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


def told_id(own: str) -> int | str:
    """One of the data's own ids as answers have it: a number where it is written as one."""
    return int(own) if len(own) < _DIGITS and own.isdecimal() and str(int(own)) == own else own


def plain_of(value: object, where: str, problems: list[str]) -> str:
    """A text that may be a part of a key of DynamoDB, as `PLAIN`; else the problem is noted.

    Args:
        value: what was given.
        where: what names it in a message.
        problems: takes the problem.
    """
    if isinstance(value, str) and re.fullmatch(PLAIN, value):
        return value
    problems.append(
        f"{where} must be 1 to 100 printable ASCII characters without spaces, not {shown(value)}"
    )
    return ""


def id_of(value: object, where: str, problems: list[str]) -> str:
    """An id of the data's, a text or a whole number, as a text; else the problem is noted.

    Args:
        value: what was given.
        where: what names it in a message.
        problems: takes the problem.
    """
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
    if whole or (isinstance(value, str) and 1 <= len(value) <= LONGEST_ID and value.isprintable()):
        return str(value)
    problems.append(
        f"{where} must be an id, a text of 1 to {LONGEST_ID} characters or a whole number, "
        f"not {shown(value)}"
    )
    return ""
