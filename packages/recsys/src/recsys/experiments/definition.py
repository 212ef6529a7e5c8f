"""What an experiment is: read from JSON and validated, with every problem at once."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from recsys.errors import InputError

KINDS: Final = ("ab", "interleaving")
UNITS: Final = ("user", "session")
MEASURES: Final = ("rate", "count", "value")
ENGINES: Final = ("object2vec", "deep_mf", "factorization_machines")
"""Engines that put the best items of the trained lists in order."""

MODELS: Final = ("lists", "popular", "personalize", *ENGINES)
"""What an arm answers with: the trained lists, what is popular and trending, what a campaign or
recommender of Amazon Personalize recommends, or the lists in the order of one of `ENGINES`."""

ANSWERS: Final = ("latency", "coverage")
"""Guardrails on the answers themselves; every other guardrail is a type of event."""

MOST: Final = 10
"""The most arms of an experiment, and the most guardrails."""

_NAME: Final = r"[a-z0-9]+(-[a-z0-9]+)*"
_LONGEST: Final = 40  # characters of a name
_FIELDS: Final = (
    *("kind", "unit", "arms", "metric", "window_minutes", "guardrails", "users", "effect"),
)
# Numeric settings of an arm, with their limits; see `recsys.lists.blend.Blend`.
_NUMBERS: Final = {"half_life": (0.1, 1e9), "next_item": (0.0, 100.0)}


@dataclass(frozen=True)
class Arm:
    """A variant.

    Attributes:
        name: the arm's name.
        share: its share of the users in percent.
        settings: how its lists differ from those deployed: `model`, one of `MODELS`; `half_life`
            and `next_item`, as in `recsys.lists.blend.Blend`.
    """

    name: str
    share: float
    settings: Mapping[str, float | str]


@dataclass(frozen=True)
class Metric:
    """What is measured of a user.

    Attributes:
        measure: `rate`, whether it had an event (1 or 0); `count`, how many; `value`, the sum of
            the events' values.
        event: the type of the events; empty for all types.
    """

    measure: str = "rate"
    event: str = ""

    def __str__(self) -> str:
        return f"{self.measure} of {self.event or 'all'} events"


@dataclass(frozen=True)
class Experiment:
    """A valid experiment.

    Attributes:
        name: its name, which decides the assignment.
        kind: `ab`, each user gets the lists of one arm; or `interleaving`, each user gets a mix of
            two arms' lists.
        unit: what is assigned to an arm and has an outcome: each `user`, or each `session`.
        arms: the first is the control, with which the others are compared.
        metric: what decides.
        window_minutes: how long after the first exposure a unit's events count. Only units whose
            window has ended are analysed: their outcome is final.
        guardrails: by what must not become worse, by how many percent it may at most: `latency`,
            `coverage`, or a type of event, counted by the metric's measure.
        users: the number of units that the experiment is planned for; the confidence sequence is
            narrowest there, and valid at any other number.
        effect: the smallest lift that matters, in percent.
    """

    name: str
    kind: str
    unit: str
    arms: tuple[Arm, ...]
    metric: Metric
    window_minutes: int
    guardrails: Mapping[str, float]
    users: int
    effect: float

    @property
    def units(self) -> str:
        """The word for several of the unit."""
        return f"{self.unit}s"

    @property
    def models(self) -> dict[str, str]:
        """The setting `model` of each arm that has one."""
        return {
            arm.name: str(arm.settings["model"]) for arm in self.arms if "model" in arm.settings
        }

    @property
    def control(self) -> Arm:
        """The first arm."""
        return self.arms[0]

    @property
    def shares(self) -> dict[str, float]:
        """The share of each arm, in percent, in the arms' order."""
        return {arm.name: arm.share for arm in self.arms}

    @property
    def told_shares(self) -> str:
        """The shares as an exposure records them; they do not depend on the arms' order."""
        return " ".join(f"{name}:{share:g}" for name, share in sorted(self.shares.items()))

    def as_json(self) -> dict[str, Any]:
        """The experiment as `parse` reads it."""
        return {
            "kind": self.kind,
            "unit": self.unit,
            "arms": {arm.name: {"share": arm.share, **arm.settings} for arm in self.arms},
            "metric": {"measure": self.metric.measure, "event": self.metric.event},
            "window_minutes": self.window_minutes,
            "guardrails": dict(self.guardrails),
            "users": self.users,
            "effect": self.effect,
        }


def parse_all(values: Mapping[str, object]) -> tuple[Experiment, ...]:
    """Read experiments that run at the same time.

    Args:
        values: each experiment as JSON has it, by name.

    Raises:
        InputError: they are malformed, or would change the same lists; it has every problem.
    """
    problems: list[str] = []
    found: list[Experiment] = []
    for name, value in values.items():
        try:
            found.append(parse(name, value))
        except InputError as error:
            problems += error.problems
    owners: dict[str, str] = {}
    for experiment in found:
        changed = {setting for arm in experiment.arms for setting in arm.settings}
        for setting in sorted(changed):
            other = owners.setdefault(setting, experiment.name)
            if other != experiment.name:
                problems.append(
                    f"{experiment.name}: its arms set {setting}, as those of {other} do, which "
                    "runs at the same time: end one of them first"
                )
    mixed = [one.name for one in found if one.kind == "interleaving"]
    if len(mixed) > 1:
        problems.append(f"{' and '.join(mixed)}: a list is mixed by one experiment at a time")
    if problems:
        raise InputError(problems)
    return tuple(found)


def parse(name: str, value: object) -> Experiment:
    """Read one experiment.

    Args:
        name: its name.
        value: the experiment as JSON has it; see `Experiment` for its fields. `arms` and `metric`
            have no default.

    Raises:
        InputError: it is malformed; it has every problem, each beginning with the name.
    """
    reader = _Reader(name)
    if not (re.fullmatch(_NAME, name) and len(name) <= _LONGEST):
        reader.problem("", f"must be named by {_WORDS}")
    if not isinstance(value, Mapping):
        reader.problem("", f"must be an object with arms and a metric, not {value!r}")
        raise InputError(reader.problems)
    for field in value:
        if field not in _FIELDS:
            near = difflib.get_close_matches(str(field), _FIELDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else f" (the fields are {_listed(_FIELDS)})"
            reader.problem("", f"unknown field {field!r}{hint}")
    kind = reader.choice("kind", value.get("kind", KINDS[0]), KINDS)
    experiment = Experiment(
        name=name,
        kind=kind,
        unit=reader.choice("unit", value.get("unit", UNITS[0]), UNITS),
        arms=_arms(reader, value.get("arms"), kind),
        metric=_metric(reader, value.get("metric")),
        window_minutes=reader.whole(
            "window_minutes", value.get("window_minutes", 1440), 1, 525_600
        ),
        guardrails=_guardrails(reader, value.get("guardrails", {})),
        users=reader.whole("users", value.get("users", 10_000), 100, 10**9),
        effect=reader.number("effect", value.get("effect", 5), 0.01, 1000),
    )
    if reader.problems:
        raise InputError(reader.problems)
    return experiment


_WORDS: Final = (
    f"up to {_LONGEST} lower-case letters and digits, in words joined by hyphens, such as "
    "more-recent"
)


class _Reader:
    """Reads fields and collects the problems of one experiment."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.problems: list[str] = []

    def problem(self, field: str, words: str) -> None:
        place = f"{self._name}.{field}" if field else self._name
        self.problems.append(f"{place}: {words}")

    def choice(self, field: str, given: object, choices: tuple[str, ...]) -> str:
        if given in choices:
            return str(given)
        self.problem(field, f"must be one of {_listed(choices)}, not {given!r}")
        return choices[0]

    def number(self, field: str, given: object, low: float, high: float) -> float:
        if isinstance(given, (int, float)) and not isinstance(given, bool) and low <= given <= high:
            return given
        self.problem(field, f"must be a number from {low:g} to {high:g}, not {given!r}")
        return low

    def whole(self, field: str, given: object, low: int, high: int) -> int:
        if isinstance(given, int) and not isinstance(given, bool) and low <= given <= high:
            return given
        self.problem(field, f"must be a whole number from {low:,} to {high:,}, not {given!r}")
        return low


def _arms(reader: _Reader, value: object, kind: str) -> tuple[Arm, ...]:
    if not isinstance(value, Mapping) or not 2 <= len(value) <= MOST:
        reader.problem(
            "arms",
            f"must be an object of 2 to {MOST} arms, the control first, such as "
            '{"as-is": {"share": 50}, "popular": {"share": 50, "model": "popular"}}',
        )
        return ()
    if kind == "interleaving" and len(value) != 2:
        reader.problem("arms", f"must be two, which interleaving compares, not {len(value)}")
    arms = tuple(_arm(reader, name, arm, kind) for name, arm in value.items())
    total = math.fsum(arm.share for arm in arms)
    if kind == "ab" and abs(total - 100) > 1e-6:
        reader.problem("arms", f"the shares must add up to 100 percent, not {total:g}")
    if len({tuple(sorted(arm.settings.items())) for arm in arms}) == 1 and any(
        arm.settings for arm in arms
    ):
        reader.problem("arms", "all have the same settings: there is nothing to compare")
    return arms


def _arm(reader: _Reader, name: object, value: object, kind: str) -> Arm:
    field = f"arms.{name}"
    if not (isinstance(name, str) and re.fullmatch(_NAME, name) and len(name) <= _LONGEST):
        reader.problem(field, f"must be named by {_WORDS}")
    if not isinstance(value, Mapping):
        reader.problem(field, f"must be an object with a share, not {value!r}")
        return Arm(str(name), 0.0, {})
    known = ("share", "model", *_NUMBERS)
    for setting in value:
        if setting not in known:
            reader.problem(
                field, f"unknown setting {setting!r} (the settings are {_listed(known)})"
            )
    default = 50.0 if kind == "interleaving" else None
    settings: dict[str, float | str] = {}
    if "model" in value:
        settings["model"] = reader.choice(f"{field}.model", value["model"], MODELS)
    for setting, (low, high) in _NUMBERS.items():
        if setting in value:
            settings[setting] = reader.number(f"{field}.{setting}", value[setting], low, high)
    share = reader.number(f"{field}.share", value.get("share", default), 0.01, 99.99)
    return Arm(str(name), share, settings)


def _metric(reader: _Reader, value: object) -> Metric:
    if not isinstance(value, Mapping) or set(value) - {"measure", "event"}:
        reader.problem(
            "metric",
            f'must be an object such as {{"measure": "rate", "event": "Watch"}}, not {value!r}',
        )
        return Metric()
    event = value.get("event", "")
    if not (isinstance(event, str) and event.isprintable() and len(event) <= 256):
        reader.problem("metric.event", f"must be a type of event such as Watch, not {event!r}")
        event = ""
    measure = reader.choice("metric.measure", value.get("measure", MEASURES[0]), MEASURES)
    return Metric(measure, event)


def _guardrails(reader: _Reader, value: object) -> dict[str, float]:
    if not isinstance(value, Mapping) or len(value) > MOST:
        reader.problem(
            "guardrails",
            f'must be an object of at most {MOST}, such as {{"latency": 20, "Purchase": 5}}: by '
            f"how many percent each may be worse; not {value!r}",
        )
        return {}
    return {
        str(name): reader.number(f"guardrails.{name}", most, 0.01, 1000)
        for name, most in value.items()
    }


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words)
