"""Parses a recipe's hyperparameters from strings."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from recsys.errors import Problems

_NOT_USED = {
    "hidden_dimension",
    "bptt",
    "item_id_hidden_dimension",
    "item_metadata_hidden_dimension",
    "recurrent_neural_network_hidden_dimension",
    "min_item_interaction_count_percentile",
    "max_item_interaction_count_percentile",
    "min_user_history_length_percentile",
    "max_user_history_length_percentile",
    "trend_discovery_frequency",
}
"""Hyperparameters of networks and samplers, which have no counterpart in these models."""


class Given:
    """Parses the hyperparameters of a recipe and reports all problems together.

    Call `number` or `flag` for each known name, then `close`.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._left = dict(values)
        self._problems = Problems()

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Parse a number from `low` to `high`."""
        text = self._left.pop(name, None)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            self._problems.add(
                f"hyperparameter {name} is {text!r}; it must be a number from {low:g} to {high:g}"
            )
            return default
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Parse `true` or `false`."""
        text = self._left.pop(name, None)
        if text is None:
            return default
        if text.lower() not in ("true", "false"):
            self._problems.add(f"hyperparameter {name} is {text!r}; it must be true or false")
        return text.lower() == "true"

    def close(self) -> None:
        """Raise InputError with all problems; print names that have no counterpart here."""
        for name, value in self._left.items():
            if name in _NOT_USED:
                print(f"hyperparameter {name}={value} has no counterpart in this model: not used")
            else:
                self._problems.add(f"hyperparameter {name} is not one of this recipe's")
        self._problems.raise_if_any()


def grid(choices: Mapping[str, tuple[float, ...]], hpo: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the combinations to try, at most `maxNumberOfTrainingJobs` of the hpoConfig.

    Args:
        choices: the values of each hyperparameter; those with a range in the hpoConfig take
            five values across it instead.
        hpo: the hpoConfig.
    """
    values = {name: tuple(f"{value:g}" for value in each) for name, each in choices.items()}
    ranges = hpo.get("algorithmHyperParameterRanges") or {}
    for kind in ("integerHyperParameterRanges", "continuousHyperParameterRanges"):
        for each in ranges.get(kind) or []:
            low, high = float(each["minValue"]), float(each["maxValue"])
            points = [low + (high - low) * step / 4 for step in range(5)]
            if kind.startswith("integer"):
                points = sorted({float(round(point)) for point in points})
            if each["name"] in values:
                values[each["name"]] = tuple(f"{point:g}" for point in points)
            else:
                print(f"hyperparameter {each['name']} has no counterpart in this model: not tuned")
    for each in ranges.get("categoricalHyperParameterRanges") or []:
        print(f"hyperparameter {each['name']} is not tuned")
    most = (hpo.get("hpoResourceConfig") or {}).get("maxNumberOfTrainingJobs")
    combinations = (
        dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())
    )
    return itertools.islice(combinations, int(most) if most else None)
