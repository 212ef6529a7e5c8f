"""Filter patterns: words in a line, or conditions on a line that is a JSON object."""

import json
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from lark import Lark, Transformer, v_args
from lark.exceptions import UnexpectedInput, VisitError

from local_aws import wildcards
from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.documents import read_json

Match = Callable[[Any], bool]

_LONGEST: Final = 1024  # characters
_MISSING: Final = object()
_WORD: Final = re.compile(r'([-?]?)(?:"((?:\\.|[^"\\])*)"|(\S+))')
_STEP: Final = re.compile(r'\.([A-Za-z0-9_@-]+)|\["([^"]+)"\]|\[(\d+)\]')
_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONSTANTS: Final = {"NULL": None, "TRUE": True, "FALSE": False}


class FilterPattern:
    """A compiled pattern, in moto's shape.

    Args:
        pattern: as FilterLogEvents takes it; empty matches all.

    Raises:
        AwsError: it is malformed.
        NotImplementedByLocalAws: a pattern of columns, or a regular expression.
    """

    def __init__(self, pattern: str | None) -> None:
        self.matches = _compiled((pattern or "").strip())


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Callable[[str], bool]:
    if pattern.startswith("[") or re.search(r"(^|[\s=])%.+%", pattern):
        raise NotImplementedByLocalAws(f"log filter patterns of columns and of regex: {pattern}")
    if len(pattern) > _LONGEST:
        raise AwsError(
            "InvalidParameterException",
            f"The filter pattern has {len(pattern)} characters, of which {_LONGEST} are allowed",
        )
    if not pattern.startswith("{"):
        return _words(pattern)
    try:
        conditions: Any = _parser().parse(pattern)
    except (UnexpectedInput, ValueError, VisitError):
        raise AwsError("InvalidParameterException", f"Invalid filter pattern: {pattern}") from None

    def matches(line: str) -> bool:
        try:
            event = read_json(line)
        except ValueError:
            return False
        return isinstance(event, dict) and conditions(event)

    return matches


def _words(pattern: str) -> Callable[[str], bool]:
    """Match all words, any of those with `?`, and none of those with `-`."""
    words: dict[str, list[str]] = {"": [], "?": [], "-": []}
    for sign, quoted, bare in _WORD.findall(pattern):
        words[sign].append(re.sub(r"\\(.)", r"\1", quoted) or bare)
    every, some, none = words[""], words["?"], words["-"]
    return lambda line: (
        all(word in line for word in every)
        and (not some or any(word in line for word in some))
        and not any(word in line for word in none)
    )


@lru_cache(maxsize=1)
def _parser() -> Lark:
    grammar = Path(__file__).with_name("patterns.lark").read_text("utf-8")
    # transforms while it parses: a transformation of the tree is limited in depth
    return Lark(grammar, start="pattern", parser="lalr", transformer=_Conditions())


@v_args(inline=True)
class _Conditions(Transformer[Any, Match]):
    """Convert a parsed pattern to a predicate on events."""

    def pattern(self, either: Match) -> Match:
        return either

    def either(self, *parts: Match) -> Match:
        return parts[0] if len(parts) == 1 else lambda event: any(part(event) for part in parts)

    def both(self, *parts: Match) -> Match:
        return parts[0] if len(parts) == 1 else lambda event: all(part(event) for part in parts)

    def string(self, token: str) -> tuple[str, float | None]:
        return str(json.loads(token)), None

    def word(self, token: str) -> tuple[str, float | None]:
        try:
            return str(token), float(token)
        except ValueError:
            return str(token), None

    def compare(self, selector: str, sign: str, value: tuple[str, float | None]) -> Match:
        text, number = value
        order = _ORDERS[sign]
        if number is not None:
            return lambda event: _is_number(found := _at(event, selector)) and order(found, number)
        if sign not in ("=", "!="):
            raise ValueError(f"{sign} compares numbers, not {text}")
        parts = text.split("*")

        def matches(event: Any) -> bool:
            found = _at(event, selector)
            if not isinstance(found, str):
                return False
            return wildcards.matches(parts, found) == (sign == "=")

        return matches

    def is_(self, selector: str, what: str) -> Match:
        return lambda event: _at(event, selector) is _CONSTANTS[what]

    def missing(self, selector: str) -> Match:
        return lambda event: _at(event, selector) is _MISSING


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _at(event: Any, selector: str) -> Any:
    for name, quoted, index in _STEP.findall(selector):
        key = name or quoted
        if key and isinstance(event, dict) and key in event:
            event = event[key]
        elif index and isinstance(event, list) and int(index) < len(event):
            event = event[int(index)]
        else:
            return _MISSING
    return event
