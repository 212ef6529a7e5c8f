"""The verdict on an experiment: figures, and sentences that say what they mean."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from recsys.experiments.definition import Arm, Experiment
from recsys.experiments.outcomes import Results, Users, users
from recsys.experiments.sequences import (
    ALPHA,
    MISMATCH,
    Floats,
    Interval,
    Sample,
    adjusted,
    critical,
    lift,
    mean,
    mismatch,
)

_MOST: Final = 1e9  # users; an experiment that needs more is not worth waiting for
_LOOKS: Final = 60
_COVERAGE: Final = 100  # users of each arm from which on their coverage is compared


@dataclass(frozen=True)
class Comparison:
    """An arm against the control.

    Attributes:
        arm: the arm's name.
        users: the users in it; for interleaving, all.
        control, mean: the metric's mean per user in the control and in the arm; for interleaving,
            0 and the mean preference for the arm.
        change, low, high: the lift (0.1 means 10 % more) and its confidence sequence; for
            interleaving, of the preference, from −1 to 1.
        verdict: `better`, `worse`, `equal` (any lift is smaller than what matters) or `open`.
        more: how many more users it takes about; None unless it is open and a number is in reach.
        course: the confidence sequence at up to `_LOOKS` numbers of users, in the order in which
            they were first exposed.
    """

    arm: str
    users: int
    control: float
    mean: float
    change: float
    low: float
    high: float
    verdict: str
    more: int | None
    course: tuple["Look", ...]

    @classmethod
    def of(
        cls,
        arm: Arm,
        sample: Sample,
        found: Interval,
        verdict: str,
        more: int | None,
        course: Iterable["Look"],
        *,
        control: float = 0.0,
    ) -> "Comparison":
        """The comparison of an arm's sample, by the interval that was found."""
        return cls(
            arm=arm.name,
            users=sample.users,
            control=control,
            mean=sample.mean,
            change=float(found.estimate),
            low=float(found.low),
            high=float(found.high),
            verdict=verdict,
            more=more,
            course=tuple(course),
        )


@dataclass(frozen=True)
class Look:
    """The interval at a number of users: of the control and the arm, or of all."""

    users: int
    change: float
    low: float
    high: float


@dataclass(frozen=True)
class Guardrail:
    """What must not become worse in an arm.

    Attributes:
        arm: the arm's name.
        name: the guardrail's name.
        margin: by what share it may be worse, as in the definition but not in percent.
        worse, low, high: by what share it is worse, and its confidence sequence; `coverage` is
            counted, and has none.
        status: `held`, `breached` or `open`.
    """

    arm: str
    name: str
    margin: float
    worse: float
    low: float | None
    high: float | None
    status: str


@dataclass(frozen=True)
class Report:
    """What is known of an experiment.

    Attributes:
        experiment: the definition.
        at: when, in seconds since 1970.
        users: users with a final outcome, by arm; for interleaving, `all`.
        waiting, left_out: as in `recsys.experiments.outcomes.Users`.
        mismatch: the p-value of the assignment; None for interleaving.
        narrowed: the share of the outcomes' variance that activity before the experiment explains.
        comparisons: each arm but the control.
        guardrails: of each arm but the control.
    """

    experiment: Experiment
    at: float
    users: dict[str, int]
    waiting: int
    left_out: int
    mismatch: float | None
    narrowed: float
    comparisons: list[Comparison]
    guardrails: list[Guardrail]

    @property
    def broken(self) -> bool:
        """Whether users were not assigned or recorded by the arms' shares."""
        return self.mismatch is not None and self.mismatch < MISMATCH

    def as_json(self) -> dict[str, Any]:
        """The report as JSON; what is unlimited is null."""
        told = asdict(self)
        told["experiment"] = {"name": self.experiment.name, **self.experiment.as_json()}
        told["verdict"] = self.verdict()
        looks = (look for one in told["comparisons"] for look in one["course"])
        for one in (*told["comparisons"], *told["guardrails"], *looks):
            for name, value in one.items():
                one[name] = None if isinstance(value, float) and not math.isfinite(value) else value
        return told

    def lines(self) -> Iterator[str]:
        """The report for a terminal."""
        experiment = self.experiment
        when, window = (
            datetime.fromtimestamp(self.at, UTC),
            f"{experiment.window_minutes:,} minutes",
        )
        yield f"EXPERIMENT {experiment.name}, {when:%Y-%m-%d %H:%M} UTC"
        yield f"  {experiment.metric} within {window} of the first list"
        yield f"  {self.waiting:,} more {experiment.units} whose {window} have not ended"
        if self.left_out:
            reason = "seen with other shares, or in two arms"
            yield f"  {self.left_out:,} {experiment.units} left out: {reason}"
        if self.mismatch is not None:
            yield f"  assignment by the arms' shares: p = {self.mismatch:.3g}"
        if self.narrowed > 0:
            yield f"  activity before the experiment explains {self.narrowed:.0%} of the variance"
        yield ""
        change = "preference" if experiment.kind == "interleaving" else "lift"
        units = experiment.units
        yield f"  {'arm':<24}{units:>10}{'mean':>10}  {change:>10}   95 % confidence sequence"
        if experiment.kind == "ab":
            control = experiment.control.name
            first = self.comparisons[0].control
            yield f"  {control:<24}{self.users[control]:>10,}{first:>10.4g}"
        for one in self.comparisons:
            yield (
                f"  {one.arm:<24}{one.users:>10,}{one.mean:>10.4g}  {_percent(one.change):>10}   "
                f"{_percent(one.low)} … {_percent(one.high)}"
            )
        for rail in self.guardrails:
            interval = (
                f" ({_percent(rail.low)} … {_percent(rail.high)})"
                if rail.low is not None and rail.high is not None
                else ""
            )
            yield (
                f"  {rail.arm}: {rail.name} is worse by {_percent(rail.worse)}{interval}, "
                f"at most {100 * rail.margin:g}% allowed: {rail.status}"
            )
        yield ""
        yield from self.verdict()

    def verdict(self) -> list[str]:
        """What to conclude, in sentences."""
        units = self.experiment.units
        if self.broken:
            counts = ", ".join(f"{arm} {count:,}" for arm, count in self.users.items())
            shares = ", ".join(
                f"{arm} {share:g} %" for arm, share in self.experiment.shares.items()
            )
            return [
                f"The assignment is broken: the arms have {counts} {units}, and should have "
                f"{shares}. Do not use these results: find out where {units} of one arm are lost, "
                "such as answers that fail or exposures that are not recorded."
            ]
        return [self._sentence(one) for one in self.comparisons]

    def _sentence(self, one: Comparison) -> str:
        experiment, control = self.experiment, self.experiment.control.name
        units = experiment.units
        interval = f"between {_percent(one.low)} and {_percent(one.high)}"
        breached = [
            rail.name
            for rail in self.guardrails
            if rail.arm == one.arm and rail.status == "breached"
        ]
        unknown = [
            rail.name for rail in self.guardrails if rail.arm == one.arm and rail.status == "open"
        ]
        what = "the preference" if experiment.kind == "interleaving" else "the lift"
        if breached:
            return f"Do not use {one.arm}: {', '.join(breached)} became worse than allowed."
        if one.verdict == "better":
            rest = f" Not known yet: {', '.join(unknown)}." if unknown else ""
            return f"{one.arm} is better than {control}: {what} is {interval}.{rest}"
        if one.verdict == "worse":
            return f"{one.arm} is worse than {control}: {what} is {interval}."
        if one.verdict == "equal":
            return (
                f"{one.arm} makes no difference that matters: {what} is {interval}, and "
                f"{experiment.effect:g} % would matter."
            )
        if one.more is None:
            return (
                f"Not decided: {what} of {one.arm} is {interval}. It is so small that no number of "
                f"{units} in reach decides it."
                if self.users and sum(self.users.values()) >= experiment.users
                else f"Not decided yet: {what} of {one.arm} is {interval}. Too few {units} for an "
                f"estimate of how many it takes; {experiment.users:,} are planned."
            )
        return (
            f"Not decided yet: {what} of {one.arm} is {interval}. If it is as now estimated, about "
            f"{float(f'{one.more:.2g}'):,.0f} more {units} decide it."
        )


def analyse(results: Results, at: float) -> Report:
    """Analyse an experiment as it was at a time.

    With more than two arms, each comparison gets an equal part of `ALPHA`.

    Args:
        results: what was recorded.
        at: seconds since 1970.

    Raises:
        InputError: an exposure names an arm that the experiment does not have.
    """
    experiment, found = results.experiment, users(results, at)
    outcome, shared = adjusted(found.outcome, found.before)
    spread = float(found.outcome.var()) if len(found) else 0.0
    narrowed = 1 - float(outcome.var()) / spread if spread > 0 else 0.0
    if experiment.kind == "interleaving":
        counts = {"all": len(found)}
        comparisons = [_preference(experiment, outcome)]
        suspicion = None
    else:
        by_arm = np.bincount(found.arm, minlength=len(experiment.arms))
        counts = {arm.name: int(n) for arm, n in zip(experiment.arms, by_arm, strict=True)}
        suspicion = float(mismatch(by_arm, list(experiment.shares.values())))
        comparisons = [
            _comparison(experiment, arm, place, found.arm, outcome, shared)
            for place, arm in enumerate(experiment.arms)
            if place
        ]
    return Report(
        experiment=experiment,
        at=at,
        users=counts,
        waiting=found.waiting,
        left_out=found.left_out,
        mismatch=suspicion,
        narrowed=max(0.0, narrowed),
        comparisons=comparisons,
        guardrails=list(_guardrails(experiment, found)),
    )


def _comparison(
    experiment: Experiment, arm: Arm, place: int, arms: Any, outcome: Floats, shared: float
) -> Comparison:
    chosen = (arms == 0) | (arms == place)
    outcome, arms = outcome[chosen], arms[chosen]
    alpha = ALPHA / (len(experiment.arms) - 1)

    def samples(users: int) -> tuple[Sample, Sample]:
        seen, own = outcome[:users], arms[:users]
        return Sample.of(seen[own == 0]), Sample.of(seen[own == place])

    def interval(users: int) -> Interval:
        return lift(*samples(users), experiment.users, alpha, shared)

    control, treated = samples(len(outcome))
    found = interval(len(outcome))
    count = control.users + treated.users
    matters = experiment.effect / 100
    verdict = _verdict(found, matters)
    more = None
    if verdict == "open" and control.users > 1 and treated.users > 1 and control.mean > 0:
        one = math.sqrt(
            count * (control.variance / control.users + treated.variance / treated.users)
        )
        difference = abs(treated.mean - control.mean)
        margin = matters * control.mean - difference
        more = _more(count, experiment.users, alpha, one, max(difference, margin))
    course = _course(len(outcome), interval)
    return Comparison.of(arm, treated, found, verdict, more, course, control=control.mean)


def _preference(experiment: Experiment, outcome: Floats) -> Comparison:
    sample = Sample.of(outcome)
    found = mean(sample, experiment.users)
    verdict = _verdict(found, 0.0)
    more = None
    if verdict == "open" and sample.variance > 0:
        one = math.sqrt(sample.variance)
        more = _more(sample.users, experiment.users, ALPHA, one, abs(sample.mean))

    def interval(users: int) -> Interval:
        return mean(Sample.of(outcome[:users]), experiment.users)

    course = _course(len(outcome), interval)
    return Comparison.of(experiment.arms[1], sample, found, verdict, more, course)


def _course(users: int, interval: Callable[[int], Interval]) -> Iterator[Look]:
    """The interval as it was when there were fewer users.

    Final outcomes do not change, but what activity before explains is taken out as by all users.
    """
    numbers = np.unique(np.linspace(0, users, _LOOKS + 1).round().astype(int))[1:]
    for number in numbers.tolist():
        found = interval(number)
        if np.isfinite(found.estimate):
            yield Look(number, float(found.estimate), float(found.low), float(found.high))


def _verdict(found: Interval, matters: float) -> str:
    if found.low > 0:
        return "better"
    if found.high < 0:
        return "worse"
    return "equal" if -matters <= found.low and found.high <= matters else "open"


def _more(users: int, planned: int, alpha: float, one: float, distance: float) -> int | None:
    """How many more users make the half-width smaller than a distance.

    Args:
        users: the present number.
        planned, alpha: as for `critical`.
        one: the standard deviation of one user's contribution.
        distance: what the half-width must become.
    """

    def decided(count: float) -> bool:
        return bool(critical(count, planned, alpha) * one / math.sqrt(count) <= distance)

    if distance <= 0 or not decided(_MOST):
        return None
    low, high = float(users), _MOST
    while high - low > max(1.0, low / 100):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if decided(middle) else (middle, high)
    return max(1, math.ceil(high) - users)


def _guardrails(experiment: Experiment, found: Users) -> Iterator[Guardrail]:
    for place, arm in enumerate(experiment.arms):
        if not place or experiment.kind == "interleaving":
            continue
        for name, percent in experiment.guardrails.items():
            margin = percent / 100
            if name == "coverage":
                yield _coverage(found, place, arm.name, margin)
                continue
            values, _ = adjusted(found.guardrails[name], found.before)
            control, treated = (Sample.of(values[found.arm == one]) for one in (0, place))
            change = lift(control, treated, experiment.users)
            # latency becomes worse by becoming more, all others by becoming less
            sign = 1 if name == "latency" else -1
            worse = sorted((sign * float(change.low), sign * float(change.high)))
            status = "held" if worse[1] <= margin else "breached" if worse[0] > margin else "open"
            yield Guardrail(
                arm.name, name, margin, sign * float(change.estimate), worse[0], worse[1], status
            )


def _coverage(found: Users, place: int, arm: str, margin: float) -> Guardrail:
    """How many different items the first lists show, for as many users of both arms."""
    lists = [
        [items for items, one in zip(found.items, found.arm, strict=True) if one == which]
        for which in (0, place)
    ]
    count = min(map(len, lists))
    control, treated = (_different(some[:count]) for some in lists)
    if count < _COVERAGE or not control:
        return Guardrail(arm, "coverage", margin, math.nan, None, None, "open")
    worse = 1 - treated / control
    return Guardrail(
        arm, "coverage", margin, worse, None, None, "held" if worse <= margin else "breached"
    )


def _different(lists: Sequence[Sequence[str]]) -> int:
    return len({item for items in lists for item in items})


def _percent(value: float) -> str:
    if math.isnan(value):
        return "?"
    return "unlimited" if math.isinf(value) else f"{value:+.1%}"
