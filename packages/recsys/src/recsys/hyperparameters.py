"""Hyperparameters as SageMaker hands them over: strings, checked field by field, all at once.

A dataclass lists them, each made by `integers`, `numbers` or `choices`, or by `hyperparameter`;
`parse` reads it, and `read` does for those whose settings depend on one another.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from recsys.errors import InputError

_Settings = TypeVar("_Settings")

# AWS's samples pass the first three and its tuner the last; they say how to run, not what to learn.
IGNORED = frozenset({"_kvstore", "_num_gpus", "_num_kv_servers", "_tuning_objective_metric"})

_Parse = Callable[[str], Any]  # raises ValueError with the words that end "must be …, not …"
_REQUIRED = object()


def integers(low: int, high: int | None = None, default: object = _REQUIRED) -> Any:
    """A field for integers from `low` to `high`."""

    def parse(text: str) -> int:
        if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            value = int(text)
            if low <= value and (high is None or value <= high):
                return value
        raise ValueError(
            f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
        )

    return hyperparameter(parse, default)


def numbers(low: float, high: float = math.inf, default: object = _REQUIRED) -> Any:
    """A field for finite numbers from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text) if "_" not in text else math.nan
        except ValueError:
            value = math.nan
        if low <= value <= high and math.isfinite(value):
            return value
        raise ValueError(
            f"a number of at least {low:g}"
            if high == math.inf
            else f"a number from {low:g} to {high:g}"
        )

    return hyperparameter(parse, default)


def choices(words: tuple[str, ...], default: object = _REQUIRED) -> Any:
    """A field for one of some words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return hyperparameter(parse, default)


def hyperparameter(parse: _Parse, default: object = _REQUIRED) -> Any:
    """A field for what `parse` makes of a string, which may raise ValueError("one of …")."""
    metadata = {"parse": parse}
    if default is _REQUIRED:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def parse(settings: type[_Settings], given: Mapping[str, object], algorithm: str) -> _Settings:
    """Make a settings object of strings.

    Args:
        settings: a dataclass whose fields were made by the functions above.
        given: values by name.
        algorithm: its name, for the messages.

    Raises:
        InputError: with every problem: names that are unknown or missing, values out of range.
    """
    values, problems = read(settings, given, algorithm)
    if problems:
        raise InputError(list(problems.values()))
    return settings(**values)


def read(
    settings: type[Any], given: Mapping[str, object], algorithm: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Of each name, its value (given or by default) or what is wrong with it."""
    fields = {field.name: field for field in dataclasses.fields(settings)}
    values: dict[str, Any] = {}
    problems = {
        name: f"{name}: not a hyperparameter of {algorithm}"
        for name in sorted(set(given) - set(fields) - IGNORED)
    }
    for name, field in fields.items():
        if name in given:
            text = str(given[name]).strip()
            try:
                values[name] = field.metadata["parse"](text)
            except ValueError as error:
                problems[name] = f"{name}: must be {error}, not {text!r}"
        elif field.default is dataclasses.MISSING:
            problems[name] = f"{name}: required, but not given"
        else:
            values[name] = field.default
    return values, problems


def strings(settings: object) -> dict[str, str]:
    """A settings object as the strings that `parse` takes."""
    return {
        name: ", ".join(value) if isinstance(value, tuple) else str(value)
        for name, value in dataclasses.asdict(settings).items()  # type: ignore[call-overload]
    }
