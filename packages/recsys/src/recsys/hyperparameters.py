"""Parses hyperparameters from SageMaker's strings and reports all problems at once.

A dataclass lists them as fields made by `integers`, `numbers`, `choices` or `hyperparameter`.
`parse` reads them; `read` is for algorithms whose settings depend on one another.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from recsys.errors import InputError

_Settings = TypeVar("_Settings")

# AWS's samples pass the first three and its tuner the last; they configure the run, not the model.
IGNORED = frozenset({"_kvstore", "_num_gpus", "_num_kv_servers", "_tuning_objective_metric"})

_Parse = Callable[[str], Any]  # raises ValueError with the text after "must be"
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
    """A field for one of several words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return hyperparameter(parse, default)


def hyperparameter(parse: _Parse, default: object = _REQUIRED) -> Any:
    """A field that `parse` converts from a string; it may raise ValueError("one of …")."""
    metadata = {"parse": parse}
    if default is _REQUIRED:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def parse(settings: type[_Settings], given: Mapping[str, object], algorithm: str) -> _Settings:
    """Create a settings object from strings.

    Args:
        settings: a dataclass whose fields are made by the functions above.
        given: values by name.
        algorithm: the algorithm's name, for messages.

    Raises:
        InputError: with every problem: unknown or missing names, values out of range.
    """
    values, problems = read(settings, given, algorithm)
    if problems:
        raise InputError(list(problems.values()))
    return settings(**values)


def read(
    settings: type[Any], given: Mapping[str, object], algorithm: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """For each name, its value (given or default) or its problem."""
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
    """Convert a settings object to strings that `parse` accepts."""
    return {
        name: ", ".join(value) if isinstance(value, tuple) else str(value)
        for name, value in dataclasses.asdict(settings).items()  # type: ignore[call-overload]
    }
