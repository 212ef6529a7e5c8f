"""Hyperparameter tuning jobs: training jobs, one after the other, with values that are chosen.

https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html
"""

import itertools
import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from moto.core.exceptions import ServiceException
from numpy.typing import NDArray

from local_aws.api import NotImplementedByLocalAws
from local_aws.sagemaker import stopping
from local_aws.sagemaker.collection import now
from local_aws.sagemaker.errors import ResourceLimitExceeded, ValidationException, refuse_members
from local_aws.sagemaker.training import TERMINAL, TrainingJob, checked

log = logging.getLogger(__name__)

_PAUSE = 0.1  # seconds between two looks at the training jobs
_IDENTICAL = "IdenticalDataAndAlgorithm"
_MOST_CHANGES = 10  # of hyperparameters in a warm start
_MOST = 750  # training jobs of a tuning job and its parents
_MOST_RANGES = 30  # of a training job definition
_PROGRESS = 0.01  # by which an objective is at least better, where it counts as improved
_UNSUPPORTED = ("Autotune",)
_UNSUPPORTED_OF_DEFINITION = ("HyperParameterTuningResourceConfig",)
# what a definition hands on to its training jobs as it is
_HANDED_ON = (
    *("AlgorithmSpecification", "RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig"),
    *("ResourceConfig", "StoppingCondition", "EnableNetworkIsolation", "Environment"),
    *("EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "CheckpointConfig"),
    "RetryStrategy",
)
Floats = NDArray[np.float64]
Launch = Callable[[dict[str, Any]], TrainingJob]


@dataclass(frozen=True)
class _Number:
    """A range of numbers, seen as the interval from 0 to 1."""

    name: str
    low: float
    high: float
    whole: bool
    scaling: str
    size: int = 1

    @classmethod
    def of(cls, described: Mapping[str, str], whole: bool) -> "_Number":
        name, scaling = described["Name"], described.get("ScalingType", "Auto")
        try:
            low, high = float(described["MinValue"]), float(described["MaxValue"])
        except ValueError:
            low, high = math.nan, math.nan
        if not low <= high or not math.isfinite(high - low):
            raise ValidationException(
                f"The range of hyperparameter {name} is not valid: from {described['MinValue']} "
                f"to {described['MaxValue']}."
            )
        if (scaling == "Logarithmic" and low <= 0) or (
            scaling == "ReverseLogarithmic" and not 0 <= low <= high < 1
        ):
            raise ValidationException(
                f"The range of hyperparameter {name} does not allow {scaling} scaling."
            )
        return cls(name, low, high, whole, scaling)

    def part(self, text: str) -> list[float] | None:
        """The coordinate of a value; None if it is not in the range."""
        try:
            value = float(text)
        except ValueError:
            return None
        if not self.low <= value <= self.high:
            return None
        if self.low == self.high:
            return [0.0]
        if self.scaling == "Logarithmic":
            return [math.log(value / self.low) / math.log(self.high / self.low)]
        if self.scaling == "ReverseLogarithmic":
            return [
                math.log((1 - value) / (1 - self.low)) / math.log((1 - self.high) / (1 - self.low))
            ]
        return [(value - self.low) / (self.high - self.low)]

    def value(self, part: Floats) -> str:
        at = float(part[0])
        if self.scaling == "Logarithmic":
            found = self.low * (self.high / self.low) ** at
        elif self.scaling == "ReverseLogarithmic":
            found = 1 - (1 - self.low) * ((1 - self.high) / (1 - self.low)) ** at
        else:
            found = self.low + (self.high - self.low) * at
        found = min(max(found, self.low), self.high)
        return str(round(found)) if self.whole else repr(found)


@dataclass(frozen=True)
class _Choice:
    """Some values, of which the greatest of as many numbers tells one."""

    name: str
    values: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.values)

    def part(self, text: str) -> list[float] | None:
        """The coordinates of a value; None if it is not one of them."""
        return [float(one == text) for one in self.values] if text in self.values else None

    def value(self, part: Floats) -> str:
        return self.values[int(part.argmax())]


class Space:
    """All values that may be tried, as points with coordinates from 0 to 1.

    Args:
        ranges: as CreateHyperParameterTuningJob has them.

    Raises:
        ValidationException: a range is none.
    """

    def __init__(self, ranges: Mapping[str, Any]) -> None:
        if ranges.get("AutoParameters"):
            raise NotImplementedByLocalAws("AutoParameters of a tuning job")
        self.parts: list[_Number | _Choice] = [
            *(_Number.of(one, True) for one in ranges.get("IntegerParameterRanges", [])),
            *(_Number.of(one, False) for one in ranges.get("ContinuousParameterRanges", [])),
            *(
                _Choice(one["Name"], tuple(one["Values"]))
                for one in ranges.get("CategoricalParameterRanges", [])
            ),
        ]
        names = [part.name for part in self.parts]
        if not names or len(set(names)) < len(names):
            raise ValidationException("ParameterRanges must name hyperparameters, each once.")
        if len(names) > _MOST_RANGES:
            raise ValidationException(
                f"At most {_MOST_RANGES} hyperparameters can be tuned, not {len(names)}."
            )
        self.names = frozenset(names)
        self.size = sum(part.size for part in self.parts)

    def values(self, point: Floats) -> dict[str, str]:
        """The hyperparameters of a point."""
        ends = itertools.accumulate(part.size for part in self.parts)
        return {
            part.name: part.value(point[end - part.size : end])
            for part, end in zip(self.parts, ends, strict=True)
        }

    def point(self, values: Mapping[str, str]) -> Floats | None:
        """The point of hyperparameters, the inverse of `values`; None if they have none."""
        found: list[float] = []
        for one in self.parts:
            part = one.part(values.get(one.name, ""))
            if part is None:
                return None
            found += part
        return np.array(found)

    def kinds(self) -> dict[str, str]:
        """Whether each hyperparameter is categorical, continuous or integer."""
        return {
            one.name: "categorical"
            if isinstance(one, _Choice)
            else "integer"
            if one.whole
            else "continuous"
            for one in self.parts
        }

    def combinations(self) -> int:
        """The number of combinations.

        Raises:
            ValidationException: a range is not categorical.
        """
        return math.prod(len(part.values) for part in self._choices())

    def _choices(self) -> "list[_Choice]":
        choices = [part for part in self.parts if isinstance(part, _Choice)]
        if len(choices) < len(self.parts):
            raise ValidationException("The Grid strategy supports only CategoricalParameterRanges.")
        return choices

    def grid(self) -> Iterator[dict[str, str]]:
        """Every combination.

        Raises:
            ValidationException: a range is not categorical.
        """
        choices = self._choices()
        names = [part.name for part in choices]
        for values in itertools.product(*(part.values for part in choices)):
            yield dict(zip(names, values, strict=True))


def promising(tried: Floats, losses: Floats, candidates: Floats) -> int:
    """The candidate of the greatest expected improvement, by a Gaussian process of what was tried.

    Args:
        tried: float64[n, d], points with coordinates from 0 to 1.
        losses: float64[n], of each; lower is better.
        candidates: float64[m, d].
    """
    spread = losses.std() or 1.0
    level = (losses - losses.mean()) / spread

    def kernel(left: Floats, right: Floats) -> Floats:
        squares = ((left[:, None, :] - right[None, :, :]) ** 2).sum(axis=2)
        return np.asarray(np.exp(-squares / (2 * 0.3**2)))

    known = kernel(tried, tried) + 1e-4 * np.eye(len(tried))
    across = kernel(candidates, tried)
    solved = np.linalg.solve(known, np.column_stack([level, across.T]))
    mean = across @ solved[:, 0]
    variance = np.clip(1 - (across * solved[:, 1:].T).sum(axis=1), 1e-12, None)
    deviation = np.sqrt(variance)
    gain = level.min() - mean
    z = gain / deviation
    below = np.array([0.5 * (1 + math.erf(one / math.sqrt(2))) for one in z])
    improvement = gain * below + deviation * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return int(improvement.argmax())


@dataclass(frozen=True, eq=False)
class _Definition:
    """A training job definition: what its training jobs are, and which values they try.

    Attributes:
        name: "" if it has none.
        settings: what it hands on to its training jobs.
        objective: the metric that the values are to better, and whether it is to grow.
        space: the values.
        static: the other hyperparameters.
    """

    name: str
    settings: Mapping[str, Any]
    objective: Mapping[str, str]
    space: Space
    static: Mapping[str, str]

    @classmethod
    def of(cls, told: Mapping[str, Any], region: str) -> "_Definition":
        """A definition with its own objective and ranges.

        Raises:
            ServiceException: it is invalid or not implemented.
        """
        refuse_members(told, _UNSUPPORTED_OF_DEFINITION, "TrainingJobDefinition")
        settings = {name: told[name] for name in _HANDED_ON if name in told}
        program = checked(settings, region)
        if "TuningObjective" not in told:
            raise ValidationException("A HyperParameterTuningJobObjective is needed.")
        own = told["AlgorithmSpecification"].get("MetricDefinitions", [])
        known = [one["Name"] for one in (*program.metrics, *own)]
        if (metric := told["TuningObjective"]["MetricName"]) not in known:
            raise ValidationException(
                f"The objective metric {metric} is not valid for the algorithm: it has the metrics "
                f"[{', '.join(known)}]."
            )
        space = Space(told.get("HyperParameterRanges") or {})
        static = told.get("StaticHyperParameters", {})
        if twice := sorted(space.names & static.keys()):
            raise ValidationException(
                f"The hyperparameters {', '.join(twice)} are both static and in a range."
            )
        return cls(told.get("DefinitionName", ""), settings, told["TuningObjective"], space, static)

    @property
    def sign(self) -> float:
        """By which an objective is multiplied, so that lower is better."""
        return -1.0 if self.objective["Type"] == "Maximize" else 1.0

    @property
    def data(self) -> tuple[Any, Any]:
        """The algorithm and its input, which some warm starts need to be the same."""
        algorithm = self.settings["AlgorithmSpecification"]
        return algorithm["TrainingImage"], self.settings.get("InputDataConfig")


def _defined(params: Mapping[str, Any], region: str) -> list[_Definition]:
    """The training job definitions of a CreateHyperParameterTuningJob request.

    With several, each has its name, objective and ranges; warm starts and early stopping need one.
    https://docs.aws.amazon.com/sagemaker/latest/dg/multiple-algorithm-hpo.html

    Raises:
        ServiceException: they are invalid or not implemented.
    """
    config = params["HyperParameterTuningJobConfig"]
    single, several = params.get("TrainingJobDefinition"), params.get("TrainingJobDefinitions")
    if bool(single) == bool(several):
        raise ValidationException(
            "Specify either a TrainingJobDefinition or TrainingJobDefinitions."
        )
    common = {
        own: config[name]
        for name, own in (
            ("HyperParameterTuningJobObjective", "TuningObjective"),
            ("ParameterRanges", "HyperParameterRanges"),
        )
        if name in config
    }
    if single:
        if twice := sorted(common.keys() & single.keys()):
            raise ValidationException(
                f"{', '.join(twice)} of the TrainingJobDefinition is also told by the "
                "HyperParameterTuningJobConfig."
            )
        return [_Definition.of({**common, **single}, region)]
    assert several
    if common:
        raise ValidationException(
            "With TrainingJobDefinitions, each of them has its TuningObjective and "
            "HyperParameterRanges; the HyperParameterTuningJobConfig can have none."
        )
    names = [one.get("DefinitionName") for one in several]
    if None in names or len(set(names)) < len(names):
        raise ValidationException(
            "TrainingJobDefinitions need DefinitionNames, which must be unique."
        )
    found = [_Definition.of(one, region) for one in several]
    if len(found) > 1:
        if "WarmStartConfig" in params:
            raise ValidationException("Warm start needs a single training job definition.")
        if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
            raise ValidationException("Early stopping needs a single training job definition.")
        if config["Strategy"] == "Hyperband":
            raise NotImplementedByLocalAws("Hyperband with several training job definitions")
        if len({one.objective["Type"] for one in found}) > 1:
            raise NotImplementedByLocalAws(
                "training job definitions of which some minimize and others maximize"
            )
    return found


@dataclass
class _Trial:
    """A training job of a tuning job: its values, the point they are, and its objective."""

    of: _Definition
    job: TrainingJob
    values: dict[str, str]
    point: Floats | None
    objective: float | None = None
    over: bool = False
    judged: int = 0  # epochs after which was decided whether to stop it early
    early: bool = False


@dataclass
class _Limits:
    """When a tuning job ends, from its ResourceLimits and completion criteria."""

    jobs: int
    parallel: int
    seconds: float
    target: float | None
    patience: int | None
    ended_by: dict[str, Any] = field(default_factory=dict)


class TuningJob:
    """One tuning job.

    Args:
        params: of CreateHyperParameterTuningJob.
        arn: the job's.
        region: where.
        launch: makes and begins a training job from CreateTrainingJob's parameters.
        parents: the tuning jobs of its warm start.

    Raises:
        ServiceException: the request is invalid or not implemented.
    """

    def __init__(
        self,
        params: dict[str, Any],
        arn: str,
        region: str,
        launch: Launch,
        parents: "Sequence[TuningJob]" = (),
    ) -> None:
        refuse_members(params, _UNSUPPORTED, "CreateHyperParameterTuningJob")
        self.name: str = params["HyperParameterTuningJobName"]
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        self._launch = launch
        self._config: dict[str, Any] = params["HyperParameterTuningJobConfig"]
        criteria = self._config.get("TuningJobCompletionCriteria", {})
        refuse_members(criteria, ("ConvergenceDetected",), "TuningJobCompletionCriteria")
        names = ("TrainingJobDefinition", "TrainingJobDefinitions")
        self._told = {name: params[name] for name in names if params.get(name)}
        self._definitions = _defined(params, region)
        self._rule = stopping.rule(self._config, self._first.static)
        self._parents = parents
        self._warm: dict[str, Any] = params.get("WarmStartConfig", {})
        self._check_parents()
        self._rng = np.random.default_rng(self._config.get("RandomSeed"))
        grid = self._config["Strategy"] == "Grid"
        self._grid = self._combined() if grid else None
        combinations = sum(one.space.combinations() for one in self._definitions) if grid else None
        self._limits = self._limited(combinations)
        self._trials: list[_Trial] = []
        self._lock = threading.RLock()
        self._stop, self._abandoned = threading.Event(), False
        created = now()
        self._facts: dict[str, Any] = {
            "HyperParameterTuningJobStatus": "InProgress",
            "CreationTime": created,
            "LastModifiedTime": created,
        }

    @property
    def _first(self) -> _Definition:
        """The only definition, where there must be one."""
        return self._definitions[0]

    def _combined(self) -> Iterator[tuple[_Definition, dict[str, str]]]:
        for one in self._definitions:
            for values in one.space.grid():
                yield one, values

    def _check_parents(self) -> None:
        """Check what must be the same in the tuning jobs of a warm start.

        https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-warm-start.html
        """
        ours = self._first
        kinds, numbers = ours.space.kinds(), len(ours.space.names) + len(ours.static)
        for parent in self._parents:
            theirs = parent._first.space.kinds()
            wrong = ""
            if parent.status in ("InProgress", "Stopping"):
                wrong = f"is {parent.status}; it must have ended"
            elif len(parent._definitions) > 1:
                wrong = "has several training job definitions"
            elif parent._first.objective != ours.objective:
                wrong = "has another objective metric"
            elif len(theirs) + len(parent._first.static) != numbers:
                wrong = "has another number of static and tunable hyperparameters"
            elif changed := [
                name for name in kinds if theirs.get(name, kinds[name]) != kinds[name]
            ]:
                wrong = f"has another type of {', '.join(changed)}"
            elif (changes := self._changes(parent)) > _MOST_CHANGES:
                wrong = f"has hyperparameters with {changes} changes; {_MOST_CHANGES} are allowed"
            elif self._warm["WarmStartType"] == _IDENTICAL and parent._first.data != ours.data:
                wrong = f"has other data or another image, which {_IDENTICAL} does not allow"
            if wrong:
                raise ValidationException(
                    f"The parent hyperparameter tuning job {parent.name} {wrong}."
                )

    def _changes(self, parent: "TuningJob") -> int:
        """The changes of a parent's ranges to static values, and of its static values."""
        ours, theirs = self._first.static, parent._first.static
        fixed = (part for part in parent._first.space.parts if part.name in ours)
        # each value of a category counts, of which a static hyperparameter has one
        ranges = sum(len(part.values) if isinstance(part, _Choice) else 1 for part in fixed)
        both = ours.keys() & theirs.keys()
        return ranges + 2 * sum(ours[name] != theirs[name] for name in both)

    def _limited(self, combinations: int | None) -> _Limits:
        told = self._config["ResourceLimits"]
        criteria = self._config.get("TuningJobCompletionCriteria", {})
        jobs = told.get("MaxNumberOfTrainingJobs") or combinations
        if combinations is not None and jobs != combinations:
            raise ValidationException(
                f"The Grid strategy makes {combinations} training jobs: MaxNumberOfTrainingJobs "
                f"cannot be {jobs}."
            )
        earlier = sum(len(parent._trials) for parent in self._parents)
        if not jobs or not 0 < jobs <= _MOST - earlier:
            raise ValidationException(
                f"MaxNumberOfTrainingJobs must be from 1 to {_MOST - earlier}."
            )
        patience = criteria.get("BestObjectiveNotImproving", {})
        return _Limits(
            jobs=jobs,
            parallel=told["MaxParallelTrainingJobs"],
            seconds=told.get("MaxRuntimeInSeconds") or math.inf,
            target=criteria.get("TargetObjectiveMetricValue"),
            patience=patience.get("MaxNumberOfTrainingJobsNotImproving"),
        )

    @property
    def status(self) -> str:
        """One of SageMaker's statuses of tuning jobs."""
        return str(self._facts["HyperParameterTuningJobStatus"])

    def start(self) -> None:
        """Begin; returns at once."""
        threading.Thread(target=self._run, name=self.name, daemon=True).start()

    def stop(self) -> None:
        """Begin no more training jobs, and stop those that run.

        Raises:
            ValidationException: it has ended.
        """
        with self._lock:
            if self.status not in ("InProgress", "Stopping"):
                raise ValidationException(
                    f"The request was rejected because the hyperparameter tuning job is in status "
                    f"{self.status}."
                )
            self._facts.update(HyperParameterTuningJobStatus="Stopping", LastModifiedTime=now())
        self._stop.set()

    def abandon(self) -> None:
        """End it without output, because the server stops."""
        self._abandoned = True
        self._stop.set()

    def summary(self) -> dict[str, Any]:
        """The job as ListHyperParameterTuningJobs shows it."""
        with self._lock:
            return {
                "HyperParameterTuningJobName": self.name,
                "HyperParameterTuningJobArn": self.arn,
                "Strategy": self._config["Strategy"],
                "ResourceLimits": self._config["ResourceLimits"],
                "TrainingJobStatusCounters": self._counters(),
                "ObjectiveStatusCounters": self._objectives(),
                **self._facts,
            }

    def description(self) -> dict[str, Any]:
        """The job as DescribeHyperParameterTuningJob shows it."""
        with self._lock:
            best = self._best()
            return {
                **self.summary(),
                "HyperParameterTuningJobConfig": self._config,
                **self._told,
                **({"BestTrainingJob": self._shown(best)} if best else {}),
                **({"WarmStartConfig": self._warm} if self._warm else {}),
                **self._overall(),
            }

    def _overall(self) -> dict[str, Any]:
        """The best training job of this tuning job and its parents, whose data are the same."""
        if self._warm.get("WarmStartType") != _IDENTICAL:
            return {}
        bests = [(one, best) for one in (self, *self._parents) if (best := one._best())]
        if not bests:
            return {}
        job, best = min(bests, key=lambda pair: self._loss(pair[1]))
        return {"OverallBestTrainingJob": {**job._shown(best), "TuningJobName": job.name}}

    def trainings(self) -> list[dict[str, Any]]:
        """The training jobs as ListTrainingJobsForHyperParameterTuningJob shows them."""
        with self._lock:
            return [self._shown(trial) for trial in self._trials]

    def _shown(self, trial: _Trial) -> dict[str, Any]:
        told = trial.job.description()
        names = (
            *("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingJobStatus"),
            *("TrainingStartTime", "TrainingEndTime", "FailureReason"),
        )
        shown = {name: told[name] for name in names if name in told}
        if trial.of.name:
            shown["TrainingJobDefinitionName"] = trial.of.name
        shown["TunedHyperParameters"] = trial.values
        shown["ObjectiveStatus"] = "Pending"
        if trial.over:
            shown["ObjectiveStatus"] = "Failed" if trial.objective is None else "Succeeded"
        if trial.objective is not None:
            shown["FinalHyperParameterTuningJobObjectiveMetric"] = {
                **trial.of.objective,
                "Value": trial.objective,
            }
        return shown

    def _best(self) -> _Trial | None:
        done = [trial for trial in self._trials if trial.objective is not None]
        return min(done, key=self._loss, default=None)

    def _loss(self, trial: _Trial) -> float:
        assert trial.objective is not None
        return trial.of.sign * trial.objective

    def _counters(self) -> dict[str, int]:
        names = {"Completed": "Completed", "Failed": "NonRetryableError", "Stopped": "Stopped"}
        counters = dict.fromkeys(
            ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0
        )
        for trial in self._trials:
            counters[names.get(trial.job.status, "InProgress")] += 1
        return counters

    def _objectives(self) -> dict[str, int]:
        over = [trial for trial in self._trials if trial.over]
        succeeded = sum(trial.objective is not None for trial in over)
        pending = len(self._trials) - len(over)
        return {"Succeeded": succeeded, "Pending": pending, "Failed": len(over) - succeeded}

    def _run(self) -> None:
        reason = ""
        try:
            self._work()
        except ServiceException as error:
            reason = str(error.message)
        except Exception as error:
            log.exception("tuning job %s", self.name)
            reason = f"InternalServerError: {type(error).__name__}: {error}"
        if self._abandoned:
            return
        with self._lock:
            stopped = self._stop.is_set()
            if not reason and not stopped and self._best() is None:
                reason = (
                    "All training jobs failed. Please take a look at the training jobs failures "
                    "to get more details."
                )
            ended = now()
            self._facts.update(HyperParameterTuningEndTime=ended, LastModifiedTime=ended)
            self._facts["HyperParameterTuningJobStatus"] = (
                "Failed" if reason else "Stopped" if stopped else "Completed"
            )
            if reason:
                self._facts["FailureReason"] = reason[:1024]

    def _work(self) -> None:
        deadline = time.monotonic() + self._limits.seconds
        try:
            while not self._stop.is_set() and time.monotonic() < deadline:
                self._collect()
                self._stop_early()
                if self._enough():
                    return
                running = sum(not trial.over for trial in self._trials)
                if running < self._limits.parallel and len(self._trials) < self._limits.jobs:
                    if self._begin():
                        continue
                elif not running:
                    return
                self._stop.wait(_PAUSE)
        finally:
            self._end_trials()

    def _begin(self) -> bool:
        """Begin another training job; whether there was room for it."""
        definition, point, values = self._next()
        number = len(self._trials) + 1
        request = {
            **definition.settings,
            "TrainingJobName": f"{self.name}-{number:03d}-{uuid.uuid4().hex[:8]}",
            "HyperParameters": {**definition.static, **values},
        }
        while not self._stop.is_set():
            try:
                job = self._launch(request)
            except ResourceLimitExceeded:  # until one of the account's others ends
                self._stop.wait(10 * _PAUSE)
                continue
            job.tuned_by(self.arn)
            with self._lock:
                self._trials.append(_Trial(definition, job, values, point))
            return True
        return False

    def _next(self) -> tuple[_Definition, Floats | None, dict[str, str]]:
        if self._grid is not None:
            definition, values = next(self._grid)
            return definition, None, values
        # how AWS shares the jobs among several definitions is not documented: here in turn
        definition = self._definitions[len(self._trials) % len(self._definitions)]
        space = definition.space
        point = self._rng.random(space.size)
        if self._config["Strategy"] == "Bayesian":
            known = list(self._known(definition))
            if len(known) > 1:
                candidates = self._rng.random((512, space.size))
                tried = np.array([one for one, _ in known])
                losses = np.array([loss for _, loss in known])
                point = candidates[promising(tried, losses, candidates)]
        return definition, point, space.values(point)

    def _known(self, definition: _Definition) -> Iterator[tuple[Floats, float]]:
        """The points of a definition that were tried, also by parents, with their losses."""
        for job in (self, *self._parents):
            for trial in job._trials:
                if job is self and trial.of is not definition:
                    continue
                point = trial.point
                if job is not self:  # whose ranges may be others
                    point = definition.space.point({**trial.of.static, **trial.values})
                if point is not None and trial.objective is not None:
                    yield point, self._loss(trial)

    def _collect(self) -> None:
        """Note the objective of each training job that has ended."""
        for trial in self._trials:
            if trial.over or trial.job.status not in TERMINAL:
                continue
            metrics = trial.job.description()["FinalMetricDataList"]
            with self._lock:
                if trial.job.status == "Completed" or trial.early:
                    named = trial.of.objective["MetricName"]
                    found = [one["Value"] for one in metrics if one["MetricName"] == named]
                    trial.objective = found[-1] if found and math.isfinite(found[-1]) else None
                trial.over = True

    def _stop_early(self) -> None:
        """Stop the training jobs that the rule stops after an epoch that they have completed."""
        if self._rule is None:
            return
        metric, sign = self._first.objective["MetricName"], self._first.sign
        losses = [[sign * one for one in trial.job.values_of(metric)] for trial in self._trials]
        for number, trial in enumerate(self._trials):
            others = losses[:number] + losses[number + 1 :]
            while not (trial.over or trial.early) and trial.judged < len(losses[number]):
                trial.judged += 1
                if self._rule(losses[number][: trial.judged], others):
                    with suppress(ValidationException):  # it has just ended
                        trial.job.stop()
                        trial.early = True

    def _enough(self) -> bool:
        """Whether a completion criterion is met."""
        best = self._best()
        if best is None:
            return False
        if self._limits.target is not None and (
            self._loss(best) <= best.of.sign * self._limits.target
        ):
            return True
        return self._limits.patience is not None and self._wasted() >= self._limits.patience

    def _wasted(self) -> int:
        """The training jobs since the objective was bettered by 1 % or more."""
        least, count = math.inf, 0
        for trial in self._trials:
            if not trial.over:
                continue
            loss = math.inf if trial.objective is None else self._loss(trial)
            step = _PROGRESS * abs(least) if math.isfinite(least) else 0.0
            if loss < least and least - loss >= step:
                least, count = loss, 0
            else:
                count += 1
        return count

    def _end_trials(self) -> None:
        for trial in self._trials:
            if trial.job.status not in TERMINAL and not self._abandoned:
                with suppress(ValidationException):  # it has just ended
                    trial.job.stop()
        while not self._abandoned and any(one.job.status not in TERMINAL for one in self._trials):
            time.sleep(_PAUSE)
        self._collect()
