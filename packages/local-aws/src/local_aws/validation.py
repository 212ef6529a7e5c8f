"""Request validation by botocore's service models, with AWS's messages."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.utils import parse_timestamp


def violations(value: Any, shape: Shape | None) -> list[str]:
    """All violations of `shape` by `value`, as AWS-style clauses.

    Checked: required members, unknown members, types, lengths, ranges, patterns and enumerations.
    """
    return [] if shape is None else list(_check(value, shape, ""))


_NUMBERS: Final = ("integer", "long", "float", "double")
_KINDS: Final[dict[type, str]] = {
    bool: "BOOLEAN",
    dict: "OBJECT",
    float: "NUMBER",
    int: "NUMBER",
    list: "LIST",
    str: "STRING",
    type(None): "NULL",
}


def mistyped(value: Any, shape: Shape, path: str = "the body") -> str | None:
    """The first value in a JSON body with a wrong type, as a message; None without one.

    Members in the path or headers, and unknown ones, are ignored.
    """
    kind = shape.type_name
    if isinstance(shape, StructureShape) and shape.is_document_type:
        return None
    if isinstance(shape, (StructureShape, MapShape)):
        right = isinstance(value, dict)
    elif isinstance(shape, ListShape):
        right = isinstance(value, list)
    elif kind == "boolean":
        right = isinstance(value, bool)
    elif kind in _NUMBERS:
        right = isinstance(value, (int, float)) and not isinstance(value, bool)
        if kind in ("float", "double"):
            right = right or value in ("NaN", "Infinity", "-Infinity")  # so JSON says them
        else:
            right = right and value % 1 == 0
    elif kind == "timestamp":
        right = _is_moment(value)
    else:
        right = isinstance(value, str)
    if not right:
        return f"{_KINDS[type(value)]} value at {path} cannot be converted to {kind}"
    inner: Iterator[tuple[Any, Shape, str]] = iter(())
    if isinstance(shape, StructureShape):
        inner = (
            (value.get(member.serialization.get("name", name)), member, f"{path}.{name}")
            for name, member in shape.members.items()
            if "location" not in member.serialization
        )
    elif isinstance(shape, MapShape):
        inner = ((member, shape.value, f"{path}.{key}") for key, member in value.items())
    elif isinstance(shape, ListShape):
        inner = ((member, shape.member, f"{path}[{at}]") for at, member in enumerate(value))
    faults = (mistyped(*one) for one in inner if one[0] is not None)
    return next((fault for fault in faults if fault), None)


def _is_moment(value: Any) -> bool:
    """Whether a timestamp is valid: seconds since 1970 within the years 1 to 9999, or a date."""
    if type(value) not in (int, float, str):
        return False
    try:
        parse_timestamp(value)
    except (ArithmeticError, OSError, RuntimeError, ValueError):
        return False
    return True


def message(broken: list[str]) -> str:
    """The text of AWS's ValidationException for these violations."""
    noun = "error" if len(broken) == 1 else "errors"
    return f"{len(broken)} validation {noun} detected: " + "; ".join(broken)


def _check(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            yield _wrong(value, path, "Member must be a structure")
            return
        required = shape.metadata.get("required", [])
        for name in required:
            if value.get(name) is None:
                yield _wrong(None, _join(path, name), "Member must not be null")
        for name, member in value.items():
            if name not in shape.members:
                if not shape.is_document_type:
                    known = ", ".join(shape.members)
                    yield f"Unknown parameter '{_join(path, name)}', must be one of: {known}"
            elif member is not None:
                yield from _check(member, shape.members[name], _join(path, name))
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield _wrong(value, path, "Member must be a list")
            return
        yield from _length(value, shape, path)
        for index, member in enumerate(value, 1):
            yield from _check(member, shape.member, f"{path}.{index}.member")
    elif isinstance(shape, MapShape):
        if not isinstance(value, dict):
            yield _wrong(value, path, "Member must be a map")
            return
        yield from _length(value, shape, path)
        for key, member in value.items():
            yield from _check(key, shape.key, f"{path}.{key}.key")
            yield from _check(member, shape.value, f"{path}.{key}.member")
    else:
        yield from _scalar(value, shape, path)


def _scalar(value: Any, shape: Shape, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "string":
        if not isinstance(value, str):
            yield _wrong(value, path, "Member must be a string")
            return
        yield from _length(value, shape, path)
        pattern = shape.metadata.get("pattern")
        if pattern and not _matches(pattern, value):
            yield _wrong(value, path, f"Member must satisfy regular expression pattern: {pattern}")
        choices = shape.metadata.get("enum")
        if choices and value not in choices:
            listed = ", ".join(choices)
            yield _wrong(value, path, f"Member must satisfy enum value set: [{listed}]")
    elif kind in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield _wrong(value, path, "Member must be a number")
            return
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if low is not None and value < low:
            yield _wrong(
                value, path, f"Member must have value greater than or equal to {_bound(low)}"
            )
        if high is not None and value > high:
            yield _wrong(
                value, path, f"Member must have value less than or equal to {_bound(high)}"
            )
    elif kind == "boolean" and not isinstance(value, bool):
        yield _wrong(value, path, "Member must be a boolean")


def _length(value: Any, shape: Shape, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and len(value) < low:
        yield _wrong(value, path, f"Member must have length greater than or equal to {low}")
    if high is not None and len(value) > high:
        yield _wrong(value, path, f"Member must have length less than or equal to {high}")


# AWS's patterns are Java's; these classes are always inside brackets
_JAVA = {
    r"\p{L}": r"\w",
    r"\p{M}": r"\u0300-\u036f",
    r"\p{Z}": r"\s",
    r"\p{N}": r"\d",
    r"\p{S}": r"$+<=>^`|~",
    r"\p{P}": r"!-/:-@\[-`{-~",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{Print}": " -~",
    r"\z": r"\Z",
}


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """Convert AWS's pattern to Python; None if it is not supported."""

    def python(java: re.Match[str]) -> str:
        text = java[0]
        for name, members in _JAVA.items():
            text = text.replace(name, members)
        return f"[{text}]" if java[0].startswith(r"\p") else text

    try:
        return re.compile(re.sub(r"\[(?:\\.|[^\]\\])*\]|\\p\{\w+\}|\\z", python, pattern))
    except re.error:  # not supported by Python: skip the check
        return None


def _matches(pattern: str, value: str) -> bool:
    expression = compiled(pattern)
    return expression is None or expression.fullmatch(value) is not None


def _wrong(value: Any, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{str(value)[:200]}'"
    return f"Value {shown} at '{_camel(path)}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _camel(path: str) -> str:
    return ".".join(part[:1].lower() + part[1:] for part in path.split("."))


def _bound(number: float | str) -> str:
    return f"{float(number):g}"
