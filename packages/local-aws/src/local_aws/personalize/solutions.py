"""Solutions and solution versions: training and metrics."""

import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from local_aws import state
from local_aws.api import NotImplementedByLocalAws
from local_aws.personalize import catalogue
from local_aws.personalize.catalogue import Recipe
from local_aws.personalize.data import Events, GroupData
from local_aws.personalize.datasets import (
    INTERACTIONS,
    USER_INTERACTIONS,
    enough_users,
)
from local_aws.personalize.engine import Codes, Training, TrainingFailed, export
from local_aws.personalize.errors import InvalidInput
from local_aws.personalize.resources import (
    Failed,
    Params,
    Registry,
    Resource,
    Stopped,
    given,
    now,
    token,
)

_RATE = re.compile(r"rate\((\d+) days?\)")
_FIRST_TRAINING = (
    3600.0  # seconds after the creation of a solution; AWS documents "within one hour"
)
_TUNED = ("USER_PERSONALIZATION", "PERSONALIZED_RANKING", "RELATED_ITEMS")


@dataclass
class Trained:
    """A trained version: the folder of its model and the mapping of its codes."""

    folder: Path
    codes: Codes
    metrics: dict[str, float]
    tuned: dict[str, str]

    def close(self) -> None:
        """Remove the model's files."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Job:
    """A training that can be stopped."""

    def __init__(self) -> None:
        self._stopped = False
        self._training: Training | None = None
        self._lock = threading.Lock()

    def run(self, folder: Path) -> dict[str, Any]:
        """Train on `folder`; returns the recipe's report. Raises `Stopped` or `Failed`."""
        with self._lock:
            if self._stopped:
                raise Stopped
            self._training = training = Training(folder)
        try:
            return training.result()
        except TrainingFailed as error:
            if self._stopped:
                raise Stopped from None
            raise Failed(str(error)) from None

    def close(self) -> None:
        """Stop it."""
        with self._lock:
            self._stopped = True
            if self._training is not None:
                self._training.stop()


class Solutions:
    """Operations of solutions and solution versions.

    Attributes:
        gate: limits concurrent trainings, of solution versions and recommenders.
        on_ready: called with a solution and its version that has become ACTIVE.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.on_ready: list[Callable[[Resource, Resource], None]] = []
        self.gate = threading.Semaphore(max(1, os.cpu_count() or 1))

    def create_solution(self, params: Params) -> Params:
        """CreateSolution: a recipe, its settings, and when to train."""
        group = self._registry.find("datasetGroup", params["datasetGroupArn"], ready=True)
        if params.get("performAutoML"):
            raise InvalidInput(
                "AutoML chose among the HRNN recipes, which are no longer available. Use recipeArn "
                "arn:aws:personalize:::recipe/aws-user-personalization-v2."
            )
        if not params.get("recipeArn"):
            raise InvalidInput("recipeArn is needed.")
        recipe = catalogue.find(params["recipeArn"])
        if recipe.domain:
            raise InvalidInput(f"{recipe.name} is a domain use case. Make a recommender for it.")
        config = params.get("solutionConfig") or {}
        _check_config(recipe, params, config)
        self._check_objective(recipe, group.arn, config.get("optimizationObjective"))
        catalogue.require_model(recipe)
        arn = self._registry.arn_of("solution", params["name"])
        attributes = given(
            params, ("name", "recipeArn", "datasetGroupArn", "eventType", "solutionConfig")
        )
        attributes["performAutoML"] = False
        attributes["performHPO"] = bool(params.get("performHPO"))
        attributes["performAutoTraining"] = params.get("performAutoTraining", True)
        attributes["performIncrementalUpdate"] = False
        with self._registry.lock:
            if arn not in self._registry.resources:
                there = self._registry.all("solution", datasetGroupArn=group.arn)
                self._registry.quota(len(there), "Active solutions per dataset group")
            solution = self._registry.add("solution", arn, group.arn, attributes, params)
            solution.inner = _Schedule(self._registry, self, solution)
            self._registry.work(solution, "CREATE", "ACTIVE", then=solution.inner.set)
        return {"solutionArn": arn}

    def _check_objective(self, recipe: Recipe, group: str, objective: Params | None) -> None:
        if not objective:
            return
        if recipe.type != "USER_PERSONALIZATION":
            raise InvalidInput(
                f"{recipe.name} does not support optimizationObjective; the User-Personalization "
                "recipes do."
            )
        name = objective.get("itemAttribute")
        schema = self._registry.data(group).schema("ITEMS")
        field = schema.field(name) if schema and name else None
        if field is None or not field.numeric:
            raise InvalidInput(
                f"optimizationObjective needs an itemAttribute that is a number of the Items "
                f"dataset, not {name}."
            )

    def update_solution(self, params: Params) -> Params:
        """UpdateSolution: automatic training, its schedule, and the events' weights."""
        if params.get("performIncrementalUpdate"):
            raise NotImplementedByLocalAws("incremental updates (performIncrementalUpdate)")
        solution = self._registry.find("solution", params["solutionArn"], ready=True)
        changes = params.get("solutionUpdateConfig") or {}
        _check_schedule(changes)
        update = given(params, ("performAutoTraining", "solutionUpdateConfig"))
        update["creationDateTime"] = now()

        def then() -> None:
            if "performAutoTraining" in params:
                solution.attributes["performAutoTraining"] = params["performAutoTraining"]
            if changes:
                config = solution["solutionConfig"] or {}
                solution.attributes["solutionConfig"] = {**config, **changes}
            solution.inner.set()

        with self._registry.lock:
            self._registry.idle(solution)
            solution.attributes["latestSolutionUpdate"] = update
            self._registry.work(solution, "CREATE", "ACTIVE", layer=update, then=then)
        return {"solutionArn": solution.arn}

    def delete_solution(self, params: Params) -> None:
        """DeleteSolution: with its versions; none may be in training or served."""
        solution = self._registry.find("solution", params["solutionArn"])
        with self._registry.lock:
            self._registry.idle(solution)
            versions = self._registry.all("solutionVersion", solutionArn=solution.arn)
            self._registry.unused(solution, [version for version in versions if version.busy])
            self._registry.unused(
                solution, self._registry.all("campaign", solutionArn=solution.arn)
            )
            jobs = self._registry.all("batchInferenceJob") + self._registry.all("batchSegmentJob")
            arns = {version.arn for version in versions}
            self._registry.unused(
                solution, [j for j in jobs if j.busy and j["solutionVersionArn"] in arns]
            )

            def task() -> None:
                solution.inner.close()
                with self._registry.lock:
                    for version in versions:
                        if version.inner is not None:
                            version.inner.close()
                        self._registry.resources.pop(version.arn, None)
                    for job in jobs:
                        if job["solutionVersionArn"] in arns:
                            self._registry.resources.pop(job.arn, None)

            self._registry.delete(solution, task)

    def create_solution_version(self, params: Params) -> Params:
        """CreateSolutionVersion: train now."""
        solution = self._registry.find("solution", params["solutionArn"], ready=True)
        mode = params.get("trainingMode", "FULL")
        if mode == "AUTOTRAIN":
            raise InvalidInput("trainingMode AUTOTRAIN is the service's own; use FULL or UPDATE.")
        version = self.train_version(solution, mode, "MANUAL", params)
        return {"solutionVersionArn": version.arn}

    def train_version(self, solution: Resource, mode: str, why: str, params: Params) -> Resource:
        """Start training a new version of `solution`."""
        recipe = catalogue.find(solution["recipeArn"])
        previous = self.latest_version(solution) if mode == "UPDATE" else None
        if mode == "UPDATE" and (recipe.name != "aws-user-personalization" or previous is None):
            raise InvalidInput(
                "trainingMode UPDATE needs recipe aws-user-personalization and an ACTIVE version "
                "that was trained in mode FULL."
            )
        attributes = given(
            solution.attributes,
            (
                *("solutionArn", "recipeArn", "datasetGroupArn", "eventType", "solutionConfig"),
                *("performHPO", "performAutoML", "performIncrementalUpdate"),
            ),
        )
        attributes |= given(params, ("name",))
        attributes |= {"trainingMode": mode, "trainingType": why}
        job = Job()
        with self._registry.lock:
            running = [version for version in self._registry.all("solutionVersion") if version.busy]
            self._registry.quota(len(running), "Pending or In Progress solution versions")
            name = params.get("name") or token()
            arn = self._registry.arn_of("solutionVersion", solution["name"], name)
            version = self._registry.add("solutionVersion", arn, solution.group, attributes, params)
            version.inner = job
            solution.attributes["latestSolutionVersion"] = version.attributes
            asked = {
                "event_type": solution["eventType"],
                "config": solution["solutionConfig"] or {},
                "hpo": bool(solution["performHPO"]),
                "previous": str(previous.inner.folder) if previous else None,
            }

            def task() -> None:
                began = time.monotonic()
                trained = self.train(recipe, solution.group, asked, job)
                hours = (time.monotonic() - began) / 3600
                version.attributes["trainingHours"] = round(hours, 4)
                if asked["hpo"]:
                    version.attributes["tunedHPOParams"] = {
                        "algorithmHyperParameters": trained.tuned
                    }
                with self._registry.lock:
                    version.inner = trained

            self._registry.work(
                version,
                "CREATE",
                "ACTIVE",
                task,
                gate=self.gate,
                then=lambda: self._ready(solution, version),
            )
        return version

    def _ready(self, solution: Resource, version: Resource) -> None:
        for each in self.on_ready:
            each(solution, version)

    def latest_version(self, solution: Resource) -> Resource | None:
        """The newest ACTIVE version of `solution`."""
        versions = self._registry.all("solutionVersion", solutionArn=solution.arn)
        ready = [v for v in versions if isinstance(v.inner, Trained)]
        return ready[-1] if ready else None

    def stop_solution_version_creation(self, params: Params) -> None:
        """StopSolutionVersionCreation: of a version that is pending or in progress."""
        version = self._registry.find("solutionVersion", params["solutionVersionArn"])
        with self._registry.lock:
            if version.status == "CREATE PENDING":
                self._registry.turn(version.attributes, "CREATE STOPPED")
                return
            if version.status != "CREATE IN_PROGRESS":
                raise InvalidInput(
                    f"{version.arn} is in status {version.status}; only a version that is "
                    "pending or in progress can be stopped."
                )
            self._registry.turn(version.attributes, "CREATE STOPPING")
        job = version.inner
        if isinstance(job, Job):
            threading.Thread(target=job.close, daemon=True).start()

    def get_solution_metrics(self, params: Params) -> Params:
        """GetSolutionMetrics: of an ACTIVE version."""
        version = self._registry.find("solutionVersion", params["solutionVersionArn"], ready=True)
        return {"solutionVersionArn": version.arn, "metrics": version.inner.metrics}

    def train(self, recipe: Recipe, group: str, asked: dict[str, Any], job: Job) -> Trained:
        """Train `recipe` on the data of `group`, in this thread.

        Raises:
            Failed: the data are insufficient, or training failed.
            Stopped: `job` was stopped.
        """
        data = self._registry.data(group)
        config = asked["config"]
        folder = state.folder("personalize", self._registry.region_name) / secrets.token_hex(8)
        with data.lock:
            excluded = excluded_columns(config.get("trainingDataConfig") or {}, data)
            if recipe.semantic:
                _need_texts(recipe, data, excluded)
            events = _selected(recipe, data, asked)
            weights = {
                each["eventType"]: float(each.get("weight", 1.0))
                for each in (config.get("eventsConfig") or {}).get("eventParametersList", [])
            }
            codes = export(
                data,
                events,
                excluded,
                {
                    "recipe": recipe.name,
                    "hyperparameters": config.get("algorithmHyperParameters") or {},
                    "feature_transformation": config.get("featureTransformationParameters") or {},
                    "hpo": config.get("hpoConfig") or {} if asked.get("hpo") else None,
                    "objective": config.get("optimizationObjective") or None,
                    "event_weights": weights,
                    "previous": asked.get("previous"),
                    "exclude_event_types": list(recipe.exclude),
                    "seed": 0,
                },
                folder,
            )
        try:
            result = job.run(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Trained(folder, codes, result["metrics"], result.get("hyperparameters") or {})


def excluded_columns(config: Params, data: GroupData) -> dict[str, list[str]]:
    """The columns that are not trained on, by type of dataset."""
    excluded = {
        kind.upper(): list(names)
        for kind, names in (config.get("excludedDatasetColumns") or {}).items()
    }
    for kind, names in (config.get("includedDatasetColumns") or {}).items():
        schema = data.schema(kind.upper())
        left = [field.name for field in schema.fields if field.name not in names] if schema else []
        excluded[kind.upper()] = excluded.get(kind.upper(), []) + left
    return excluded


def check_influence(config: Params, recipe: Recipe, data: GroupData) -> None:
    """Check the rankingInfluence of a campaign or a batch inference job.

    Raises:
        NotImplementedByLocalAws: the recipe is not aws-semantic-similarity.
        InvalidInput: the data that a factor is computed from do not exist.
    """
    influence = config.get("rankingInfluence") or {}
    if not influence:
        return
    if not recipe.semantic:
        raise NotImplementedByLocalAws(
            f"rankingInfluence with {recipe.name}; aws-semantic-similarity is documented to use it"
        )
    items = data.schema("ITEMS")
    if influence.get("POPULARITY") and data.interactions is None:
        raise InvalidInput("rankingInfluence POPULARITY needs an Interactions dataset.")
    if influence.get("FRESHNESS") and not (items and items.field("CREATION_TIMESTAMP")):
        raise InvalidInput(
            "rankingInfluence FRESHNESS needs the field CREATION_TIMESTAMP in the Items schema."
        )


def _need_texts(recipe: Recipe, data: GroupData, excluded: dict[str, list[str]]) -> None:
    """Raise Failed unless the items have a name and a description to train on."""
    schema = data.schema("ITEMS")
    used = [f for f in schema.fields if f.name not in excluded.get("ITEMS", ())] if schema else []
    missing = [
        what
        for what, there in (
            ("a field with itemName true", any(field.item_name for field in used)),
            ("a textual field", any(field.textual for field in used)),
        )
        if not there
    ]
    if missing:
        raise Failed(f"{recipe.name} needs {' and '.join(missing)} in the Items schema.")


def _selected(recipe: Recipe, data: GroupData, asked: dict[str, Any]) -> Events:
    """The interactions to train on; none if the recipe needs none and there are none.

    Raises:
        Failed: they are too few.
    """
    for kind in recipe.datasets:
        table = data.metadata.get(kind)
        if (data.interactions is None) if kind == "INTERACTIONS" else not (table and table.rows):
            raise Failed(f"{recipe.name} needs data in the {kind.capitalize()} dataset.")
    events = data.interactions.all() if data.interactions else Events.of([], {})
    keep = np.ones(len(events), dtype=bool)
    config, told = asked["config"], []
    listed = (config.get("eventsConfig") or {}).get("eventParametersList") or []
    if asked.get("event_type"):
        listed = [
            {
                "eventType": asked["event_type"],
                "eventValueThreshold": config.get("eventValueThreshold"),
            }
        ]
    if listed:
        keep[:] = False
        for each in listed:
            of_type = events.event_type == data.event_types.find(each["eventType"])
            if each.get("eventValueThreshold") is not None:
                of_type &= events.event_value >= float(each["eventValueThreshold"])
            keep |= of_type
            told.append(each["eventType"])
        keep &= events.event_type >= 0
    for name, least in recipe.events:
        count = int((events.event_type == data.event_types.find(name)).sum()) if name else 0
        if count < least:
            raise Failed(
                f"{recipe.name} needs {least} interactions of event type {name}; there are {count}."
            )
    if recipe.learns:
        kinds = [data.event_types.find(name) for name in recipe.learns]
        keep &= np.isin(events.event_type, [kind for kind in kinds if kind >= 0])
    events = events if keep.all() else events.take(np.flatnonzero(keep))
    if "INTERACTIONS" not in recipe.datasets:
        return events
    unique = _distinct(events)
    if unique < INTERACTIONS:
        after = f" after filtering by event type {', '.join(told)}" if told else ""
        raise Failed(
            f"The dataset group has {unique} unique interactions{after}; "
            f"at least {INTERACTIONS} are needed."
        )
    counts = np.bincount(events.user)
    enough_users(int((counts >= USER_INTERACTIONS).sum()), int((counts > 0).sum()))
    return events


def _distinct(events: Events) -> int:
    """The number of distinct interactions, counted only up to the required minimum."""
    rows = np.stack([events.user, events.item, events.timestamp, events.event_type])
    few = np.unique(rows[:, : 10 * INTERACTIONS], axis=1).shape[1]
    return few if few >= INTERACTIONS else int(np.unique(rows, axis=1).shape[1])


def _check_config(recipe: Recipe, params: Params, config: Params) -> None:
    known = dict(recipe.hyperparameters)
    wrong = [
        f"{recipe.name} has no hyperparameter '{name}', only {', '.join(known) or 'none'}"
        for name in config.get("algorithmHyperParameters") or {}
        if name not in known
    ]
    tuned = recipe.type in _TUNED and not (recipe.name.endswith("-v2") or recipe.semantic)
    if params.get("performHPO") and not tuned:
        wrong.append(f"{recipe.name} does not support hyperparameter optimization (performHPO)")
    if config.get("hpoConfig") and not params.get("performHPO"):
        wrong.append("hpoConfig needs performHPO")
    if config.get("autoMLConfig"):
        wrong.append("autoMLConfig needs AutoML, which is retired")
    if params.get("eventType") and config.get("eventsConfig"):
        wrong.append("eventType and eventsConfig cannot be used together")
    if config.get("eventValueThreshold") and not params.get("eventType"):
        wrong.append("eventValueThreshold needs eventType")
    if wrong:
        raise InvalidInput(f"Invalid solution: {'; '.join(wrong)}.")
    _check_schedule(config)
    if params.get("performIncrementalUpdate"):
        raise NotImplementedByLocalAws("incremental updates (performIncrementalUpdate)")


def _check_schedule(config: Params) -> None:
    expression = (config.get("autoTrainingConfig") or {}).get("schedulingExpression")
    if expression is None:
        return
    match = _RATE.fullmatch(expression)
    if match is None or not 1 <= int(match[1]) <= 30:
        raise InvalidInput(
            f"schedulingExpression must be rate(1 day) to rate(30 days), not {expression}."
        )


class _Schedule:
    """Automatic training: the first within an hour, then at the configured interval."""

    def __init__(self, registry: Registry, solutions: Solutions, solution: Resource) -> None:
        self._registry = registry
        self._solutions = solutions
        self._solution = solution
        self._timer: threading.Timer | None = None

    def set(self) -> None:
        """Restart the schedule with the solution's current settings."""
        self.close()
        if self._solution["performAutoTraining"]:
            self._wait(_FIRST_TRAINING, first=True)

    def close(self) -> None:
        """Stop the schedule."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, seconds: float, *, first: bool = False) -> None:
        self._timer = threading.Timer(seconds, self._train, (first,))
        self._timer.daemon = True
        self._timer.start()

    def _train(self, first: bool) -> None:
        config = (self._solution["solutionConfig"] or {}).get("autoTrainingConfig") or {}
        match = _RATE.fullmatch(config.get("schedulingExpression") or "rate(7 days)")
        assert match is not None
        self._wait(int(match[1]) * 86_400.0)
        versions = self._registry.all("solutionVersion", solutionArn=self._solution.arn)
        if not (first and versions):  # a manually created version replaces the first one
            self._solutions.train_version(self._solution, "FULL", "AUTOMATIC", {})
