"""Deployment settings: read from the CDK context and validated before anything is built.

`cdk deploy -c prefix=anna -c preset=workshop -c rating.epochs=5`, or the same in cdk.json:
`"context": {"prefix": "anna", "rating": {"epochs": 5}}`.
"""

import json
import math
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recsys.experiments.definition import Experiment
from stacks import (
    experiments_settings,
    images,
    operations_settings,
    personalize_settings,
    retrain_settings,
    source_settings,
    transform_settings,
)
from stacks.hyperparameters import DEEP_MF, FACTORIZATION_MACHINES, OBJECT2VEC, Rule, adapted
from stacks.operations_settings import Operations
from stacks.personalize_settings import Personalize
from stacks.prepared_data import PreparedData
from stacks.retrain_settings import Retrain
from stacks.settings import ConfigError, Settings
from stacks.source_settings import Look, Source
from stacks.transform_settings import Transform

PROJECT: Final = Path(__file__).resolve().parent.parent
WAIT_MINUTES: Final = 50
MOST_MEMORY: Final = 10_240  # MB of a function
_TRAINING_MB: Final = 700  # base memory of training lists
_READING_MB: Final = 3008  # to read a Spark job's items: the most in a new account
# The optional engines, by name.
TASKS: Final = ("rating", "recommendation", "retrieval")
"""The tasks of Object2Vec, if the preset has them."""
ENGINES: Final = {"deep_mf": DEEP_MF, "factorization_machines": FACTORIZATION_MACHINES}
LISTS: Final = "lists"
PROFILES: Final = ("full", LISTS)
_LOG_RETENTION: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365)
_INSTANCE: Final = {"pattern": r"ml\.[a-z0-9-]+\.[a-z0-9]+", "allowed": "like ml.m5.xlarge"}
# https://docs.aws.amazon.com/sagemaker/latest/dg/nbi-al2023.html
_TOO_OLD: Final = ("ml.p2.", "ml.p3.", "ml.p3dn.", "ml.inf1.", "ml.g3.")
# of those that have Object2Vec
REGIONS_WITHOUT_S3_VECTORS: Final = ("il-central-1", "me-central-1")
_MOST_IN_MEMORY: Final = 50_000  # items; assumed, not measured on AWS
_MOST_DIMENSIONS: Final = 4096  # maximum dimensions of a vector in Amazon S3 Vectors
# The maximum length that each kind of name adds to the prefix, and AWS's limit for the name.
_LONGEST_NAMES: Final = {
    "endpoint": ("-factorizationMachinesModel", 63),
    "training job": ("-factorization-machines-0123456789", 63),
    "function": ("-Recommendation_Engine_Object2Vec", 64),
    "solution": ("-item-attribute-affinity-0123456789", 63),
}


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of training jobs.

    Attributes:
        instance_type: the instance type.
        volume_gb: the volume size in GB.
        max_minutes: the time limit of a training.
        waits: the number of chained waiters, each of `WAIT_MINUTES`.
        spot: whether to train on spot instances, which are cheaper and may be interrupted.
    """

    instance_type: str
    volume_gb: int
    max_minutes: int
    waits: int
    spot: bool

    @property
    def wait_minutes(self) -> int:
        """How long the stack waits for a training."""
        return self.waits * WAIT_MINUTES


@dataclass(frozen=True, kw_only=True)
class InstanceEndpoint:
    """An endpoint on instances.

    Attributes:
        instance_type: the instance type.
        instances: the number of instances; with scaling, the minimum.
        max_instances: the maximum; more than `instances` turns scaling on.
        invocations: the scaling target in calls per minute and instance.
    """

    instance_type: str
    instances: int
    max_instances: int
    invocations: int

    @property
    def scales(self) -> bool:
        """Whether the number of instances scales with the load."""
        return self.max_instances > self.instances


@dataclass(frozen=True, kw_only=True)
class ServerlessEndpoint:
    """A serverless endpoint, which is billed per call.

    Attributes:
        memory_mb: memory in MB.
        max_concurrency: the maximum number of concurrent calls.
    """

    memory_mb: int
    max_concurrency: int


@dataclass(frozen=True, kw_only=True)
class Api:
    """The HTTP API in front of the functions.

    Attributes:
        rate: the request rate limit per second.
        burst: the burst limit.
    """

    rate: int
    burst: int


@dataclass(frozen=True, kw_only=True)
class Notebook:
    """The notebook instance.

    Attributes:
        instance_type: the instance type.
        volume_gb: the size of its persistent volume in GB.
        idle_minutes: minutes without a running cell after which it stops itself.
    """

    instance_type: str
    volume_gb: int
    idle_minutes: int


@dataclass(frozen=True, kw_only=True)
class Lists:
    """The lists.

    Attributes:
        memory_mb: of the function that trains them.
        validation: the interactions that settings are chosen by: `newest` or `random`.
        expire_days: after which a live event is forgotten; 0 for never.
    """

    memory_mb: int
    validation: str
    expire_days: int

    @property
    def most_items(self) -> int:
        """How many items can be learned in that memory: a matrix of them, and half as much again.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
        """
        return int(math.sqrt(max(1, self.memory_mb - _TRAINING_MB) * (1 << 20) / 6))


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of a deployment.

    Attributes:
        prefix: the first part of every name, so that several deployments can share an account.
        account: the account to deploy to; None for that of the credentials.
        region: the region to deploy to; None for that of the credentials.
        files: the prepared data to upload and train on; None with a source, or without need.
        source: data in a bucket, prepared by a Spark job; None with files.
        left_out: folders of the data that this deployment does not upload.
        upload: the size of the upload in bytes.
        personalize: the settings of Amazon Personalize.
        lists: the settings of lists for every user; None without lists.
        experiments: what is compared by experiments on the lists.
        retrain: how the lists learn from events; None if they do not.
        object2vec: whether Object2Vec and its functions are deployed.
        hyperparameters: Object2Vec's hyperparameters by task, as strings.
        engines: hyperparameters of the optional engines, by engine.
        refit: whether models are trained again on all ratings, evaluated ones for a second time.
        training: settings of training jobs.
        transform: what engines score for all users; None for nothing.
        endpoint: settings of endpoints.
        neighbours: the source of a movie's neighbours: the function's `memory` or `s3vectors`.
        architecture: the functions' architecture: `arm64` or `x86_64`.
        api: the HTTP API; None without one.
        notebook: the notebook instance; None without one.
        kms: whether the bucket is encrypted with a separate key instead of S3's.
        log_days: the retention of logs in days.
        operations: settings of monitoring.
    """

    prefix: str
    account: str | None
    region: str | None
    files: PreparedData | None
    source: Source | None
    left_out: tuple[str, ...]
    upload: int
    personalize: Personalize
    lists: Lists | None
    experiments: tuple[Experiment, ...]
    retrain: Retrain | None
    object2vec: bool
    hyperparameters: Mapping[str, Mapping[str, str]]
    engines: Mapping[str, Mapping[str, str]]
    refit: bool
    training: Training
    transform: Transform | None
    endpoint: InstanceEndpoint | ServerlessEndpoint
    neighbours: str
    architecture: str
    api: Api | None
    notebook: Notebook | None
    kms: bool
    log_days: int
    operations: Operations

    def name(self, part: str) -> str:
        """The name of a part of this deployment, with its prefix."""
        return f"{self.prefix}-{part}"

    @property
    def data(self) -> PreparedData:
        """The prepared data, for stacks that are not deployed with a source."""
        assert self.files, "with a source, settings that need files are refused"
        return self.files

    @property
    def places_movies(self) -> str:
        """The task whose model provides embeddings for movie retrieval."""
        return _places_movies(self.hyperparameters)

    @classmethod
    def from_context(
        cls,
        context: Mapping[str, object],
        *,
        default_region: str | None = None,
        look: Look | None = None,
        deploys: bool = True,
    ) -> "Config":
        """Read and validate all settings.

        Args:
            context: the CDK context; keys with a colon are the CDK's own.
            default_region: the region to deploy to unless the context sets one.
            look: looks at a source's objects; None if they do not matter.
            deploys: whether data must be there; `cdk destroy`, for one, needs none.

        Raises:
            ConfigError: contains all errors.
        """
        settings = Settings(context)
        region = settings.choice("region", "", tuple(images.ACCOUNTS)) or None
        if region is None and default_region and default_region not in images.ACCOUNTS:
            settings.errors.append(
                f"region: SageMaker's Object2Vec is not available in {default_region}, the "
                f"credentials' region; it is in {', '.join(images.ACCOUNTS)}"
            )
        source = source_settings.read(settings, look)
        data = None if context.get("source") else _data(settings, deploys)
        full = settings.choice("profile", "full", PROFILES) == "full"
        personalize = personalize_settings.read(
            settings, data, region or default_region, "custom" if full else "off"
        )
        engines = _engines(settings, data, full)
        preset = settings.choice("preset", "default", tuple(_presets()))
        refit = _refit(settings, data, preset)
        left_out = _left_out(
            data, [group.name for group in personalize.groups], engines, full, refit
        )
        training = _training(settings)
        hyperparameters, others = _hyperparameters(settings, data, engines, preset)
        experiments = experiments_settings.read(settings, engines, full, personalize)
        config = {
            "prefix": _prefix(settings),
            "personalize": personalize,
            "lists": _lists(settings, data, engines),
            "experiments": experiments,
            "retrain": retrain_settings.read(settings, LISTS in engines, source is not None),
            "transform": transform_settings.read(
                settings, engines, _INSTANCE, full=full, source=bool(context.get("source"))
            ),
            "object2vec": full,
            "left_out": left_out,
            "refit": refit,
            "upload": _upload(settings, data, left_out),
            "account": settings.text(
                "account", "", pattern=r"\d{12}", allowed="an account's 12 digits"
            )
            or None,
            "endpoint": _endpoint(settings, len(others) + (len(hyperparameters) if full else 0)),
            "neighbours": _neighbours(
                settings, data if full else None, hyperparameters, region or default_region
            ),
            "architecture": settings.choice("architecture", "arm64", ("arm64", "x86_64")),
            "api": _api(settings),
            "notebook": _notebook(settings),
            "kms": settings.flag("kms", False),
            "log_days": int(settings.choice("log_days", "30", [str(d) for d in _LOG_RETENTION])),
            "operations": operations_settings.read(settings, region or default_region),
        }
        if source:
            _check_source(settings, full, experiments)
        settings.finish()
        assert source or data or not deploys, "settings.finish raises where the data was refused"
        return cls(
            region=region,
            files=data,
            source=source,
            training=training,
            hyperparameters=hyperparameters,
            engines=others,
            **config,  # type: ignore[arg-type]
        )


def _prefix(settings: Settings) -> str:
    form = {
        "pattern": r"[a-z][a-z0-9]*(-[a-z0-9]+)*",
        "allowed": "lower-case letters and digits, in words joined by hyphens, a letter first",
    }
    prefix = settings.text("prefix", "recommender", **form)
    suffix = settings.text("suffix", "", **form)
    name = f"{prefix}-{suffix}" if suffix else prefix
    what, (rest, most) = min(_LONGEST_NAMES.items(), key=lambda each: each[1][1] - len(each[1][0]))
    if len(name + rest) > most:
        settings.refuse(
            "prefix with suffix" if suffix else "prefix",
            name,
            f"at most {most - len(rest)} characters long, as the {what} {name + rest} "
            f"would need {len(name + rest)} of the {most} that AWS allows",
        )
    return name


def _data(settings: Settings, needed: bool) -> PreparedData | None:
    text = settings.text("data", "build/data", pattern=r".+", allowed="a folder")
    folder = PROJECT / text
    if not needed and not folder.exists():
        return None
    try:
        return PreparedData.read(folder)
    except ValueError as error:
        if needed:  # an earlier version's data do not keep its deployment from being removed
            settings.errors.append(f"data: {error}")
        return None


def _check_source(settings: Settings, full: bool, experiments: Sequence[Experiment]) -> None:
    """Refuse what reads files that a Spark job does not write."""
    if full:
        settings.errors.append(
            "source: a Spark job prepares lists alone, so far: also set profile=lists, or give a "
            "folder that `make data` has written (data)"
        )
    if settings.text("data", "", pattern=r".+", allowed="a folder"):
        settings.errors.append("source: data names a folder, too; give one of them")
    if any(set(arm.settings) - {"model"} for one in experiments for arm in one.arms):
        settings.errors.append(
            "source: a Spark job learns factors, which have no half_life and next_item; arms of "
            "experiments can only set model"
        )
    if settings.flag("notebook.enabled", False):
        settings.errors.append("source: the notebook needs files; set notebook.enabled=false")


def _upload(settings: Settings, data: PreparedData | None, left_out: tuple[str, ...]) -> int:
    try:
        return data.size(left_out) if data else 0
    except ValueError as error:
        settings.errors.append(f"data: {error}")
        return 0


def _training(settings: Settings) -> Training:
    waits = settings.whole("training.waits", 3, low=1, high=20)
    most = waits * WAIT_MINUTES
    training = Training(
        instance_type=settings.text("training.instance_type", "ml.m5.xlarge", **_INSTANCE),
        volume_gb=settings.whole("training.volume_gb", 10, low=1, high=16_384),
        max_minutes=settings.whole("training.max_minutes", min(150, most), low=1, high=1000),
        waits=waits,
        spot=settings.flag("training.spot", False),
    )
    if training.max_minutes > most:
        settings.refuse(
            "training.max_minutes",
            str(training.max_minutes),
            f"at most {most}, the total of {waits} waiters of {WAIT_MINUTES} minutes; "
            "increase training.waits too",
        )
    return training


def _endpoint(settings: Settings, endpoints: int) -> InstanceEndpoint | ServerlessEndpoint:
    """How models are served, by this many endpoints in all."""
    # Both kinds are read, whichever is chosen, so that all settings are validated.
    instances = settings.whole("endpoint.instances", 1, low=1, high=100)
    machines = InstanceEndpoint(
        instance_type=settings.text("endpoint.instance_type", "ml.m5.large", **_INSTANCE),
        instances=instances,
        max_instances=settings.whole("endpoint.max_instances", instances, low=1, high=100),
        invocations=settings.whole("endpoint.invocations", 1000, low=1, high=1_000_000),
    )
    if machines.max_instances < instances:
        settings.refuse(
            "endpoint.max_instances",
            str(machines.max_instances),
            f"at least endpoint.instances, which is {instances}",
        )
    quota = settings.whole("quotas.serverless_concurrency", 10, low=1, high=10_000)
    share = max(1, min(5, quota // max(1, endpoints)))
    serverless = ServerlessEndpoint(
        memory_mb=settings.whole("endpoint.memory_mb", 2048, low=1024, high=6144, step=1024),
        max_concurrency=settings.whole("endpoint.max_concurrency", share, low=1, high=200),
    )
    kind = settings.choice("endpoint.kind", "instance", ("instance", "serverless"))
    if kind == "instance":
        return machines
    if endpoints * serverless.max_concurrency > quota:
        settings.refuse(
            "endpoint.max_concurrency",
            str(serverless.max_concurrency),
            f"possible for each of {endpoints} endpoints: an account has {quota} in all, and so at "
            f"most {quota // endpoints} each. Where AWS has raised that quota, set "
            "quotas.serverless_concurrency to it",
        )
    return serverless


def _places_movies(tasks: Container[str]) -> str:
    # the workshop uses the embeddings of the recommendation model; a preset may have a better one
    return "retrieval" if "retrieval" in tasks else "recommendation"


def _neighbours(
    settings: Settings,
    data: PreparedData | None,
    hyperparameters: Mapping[str, Mapping[str, str]],
    region: str | None,
) -> str:
    chosen = settings.choice("neighbours", "memory", ("memory", "s3vectors"))
    if chosen == "memory" and hyperparameters and data and data.items > _MOST_IN_MEMORY:
        settings.errors.append(
            f"neighbours: with memory, the first call embeds all {data.items:,} items and has 30 "
            f"seconds, which is assumed to suffice for {_MOST_IN_MEMORY:,}; set it to s3vectors, "
            "which embeds them during the deployment"
        )
    if chosen == "s3vectors":
        if region in REGIONS_WITHOUT_S3_VECTORS:
            settings.errors.append(
                f"neighbours: Amazon S3 Vectors is not available in {region}; set it to memory"
            )
        task = _places_movies(hyperparameters)
        dimensions = hyperparameters[task]["enc_dim"]
        if dimensions.isdigit() and int(dimensions) > _MOST_DIMENSIONS:
            settings.errors.append(
                f"neighbours: Amazon S3 Vectors supports vectors of at most {_MOST_DIMENSIONS} "
                f"dimensions, and {task}.enc_dim is {dimensions}"
            )
    return chosen


def _engines(settings: Settings, data: PreparedData | None, full: bool) -> tuple[str, ...]:
    """The optional engines; with the profile of lists, only these."""
    chosen = settings.words("engines", LISTS, (LISTS, *ENGINES, "none"))
    if "none" in chosen and len(chosen) > 1:
        settings.refuse("engines", ",".join(chosen), "either none or some of the others")
    if not full and chosen != (LISTS,):
        settings.refuse("engines", ",".join(chosen), "lists alone, as profile=lists deploys them")
    if data and "rating" not in data.keys.input and set(chosen) & set(ENGINES):
        settings.errors.append(
            f"engines: {' and '.join(ENGINES)} learn ratings, and the data are events without any: "
            f"leave them out of {','.join(chosen)!r}"
        )
    return tuple(name for name in chosen if name != "none")


def _lists(settings: Settings, data: PreparedData | None, engines: Sequence[str]) -> Lists | None:
    needed = _training_memory(data) if data else _READING_MB
    lists = Lists(
        memory_mb=settings.whole(
            "lists.memory_mb", min(MOST_MEMORY, needed), low=1024, high=MOST_MEMORY
        ),
        validation=settings.choice("lists.validation", "newest", ("newest", "random")),
        expire_days=settings.whole("lists.expire_days", 0, low=0, high=3650),
    )
    return lists if LISTS in engines else None


def _training_memory(data: PreparedData) -> int:
    """MB that training takes: the items' matrix and half as much again, and the interactions."""
    matrix = 6 * data.items**2 >> 20
    return max(1769, _TRAINING_MB + matrix + (150 * data.ratings >> 20))


def _api(settings: Settings) -> Api | None:
    api = Api(
        rate=settings.whole("api.rate", 10, low=1, high=10_000),
        burst=settings.whole("api.burst", 20, low=1, high=5_000),
    )
    return api if settings.flag("api.http", False) else None


def _notebook(settings: Settings) -> Notebook | None:
    notebook = Notebook(
        instance_type=settings.text(
            "notebook.instance_type",
            "ml.t3.medium",
            pattern=rf"(?!{'|'.join(map(re.escape, _TOO_OLD))}){_INSTANCE['pattern']}",
            allowed=f"{_INSTANCE['allowed']}, and none of {' '.join(_TOO_OLD)}, which do not run "
            "Amazon Linux 2023",
        ),
        volume_gb=settings.whole("notebook.volume_gb", 10, low=5, high=16_384),
        idle_minutes=settings.whole("notebook.idle_minutes", 60, low=15, high=1440),
    )
    return notebook if settings.flag("notebook.enabled", False) else None


def _presets() -> dict[str, dict[str, dict[str, str]]]:
    """Hyperparameters by preset and task or engine."""
    path = Path(__file__).parent / "presets.json"
    presets: dict[str, dict[str, dict[str, str]]] = json.loads(path.read_text(encoding="utf-8"))
    return presets


def _refit(settings: Settings, data: PreparedData | None, preset: str) -> bool:
    """Whether models learn from everything in the end; the workshop's learn from its split.

    A teacher's opinions cannot be mixed with the held-out ratings, which it has not seen.
    """
    taught = data is not None and data.taught
    refit = settings.flag("refit", not (preset == "workshop" or taught))
    if refit and taught:
        settings.refuse("refit", "true", "false, as data prepared with --teacher need")
    return refit


def _left_out(
    data: PreparedData | None,
    groups: Sequence[str],
    engines: Sequence[str],
    full: bool,
    refit: bool,
) -> tuple[str, ...]:
    """The folders and files of the data that these dataset groups and engines do not need."""
    if data is None:
        return ()
    unused = [
        f"{data.keys.personalize}{name}"
        for name in personalize_settings.GROUPS
        if name not in groups
    ]
    # their parent folder, so that no empty folders are uploaded
    records = data.keys.input.get("factorization_machines")
    unneeded = (
        [records["train"].split("/", 1)[0]]
        if records and "factorization_machines" not in engines
        else []
    )
    unneeded += [] if LISTS in engines else [data.keys.lists.rstrip("/")]
    unneeded += [] if refit else data.keys.rest.values()
    if not full:
        inputs = [data.keys.input[task]["train"] for task in TASKS if task in data.keys.input]
        unneeded += sorted({key.rsplit("/", 2)[0] for key in inputs})
    return (*unused, *unneeded)


def _hyperparameters(
    settings: Settings, data: PreparedData | None, engines: Sequence[str], chosen: str
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """The hyperparameters of Object2Vec's tasks and of the optional engines."""
    presets = _presets()
    preset = presets["default"] | presets[chosen]
    if data and chosen != "workshop":
        preset = {
            name: adapted(name, values, data.users, data.train, data.spread)
            for name, values in preset.items()
        }
    vocabulary = data.vocabulary if data else {}
    tasks: dict[str, dict[str, str]] = {
        task: _chosen(settings, task, preset[task], OBJECT2VEC, vocabulary)
        for task in TASKS
        if task in presets[chosen] and (data is None or task in data.keys.input)
    }
    if not tasks:
        settings.refuse("preset", chosen, "default, because the data are events without ratings")
    # Settings of engines that are not trained are also read, so that they are validated.
    others = {name: _chosen(settings, name, preset[name], rules) for name, rules in ENGINES.items()}
    others["factorization_machines"]["feature_dim"] = str(sum(vocabulary.values()))
    return tasks, {name: others[name] for name in engines if name in others}


def _chosen(
    settings: Settings,
    section: str,
    preset: Mapping[str, str],
    rules: Mapping[str, Rule],
    least: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """A preset's hyperparameters, overridden by the user's.

    Args:
        settings: the user's settings.
        section: the section of the hyperparameters.
        preset: the preset's values.
        rules: the allowed values.
        least: minimum values that the data require, which are also the defaults.
    """
    least = least or {}
    values = {name: str(value) for name, value in {**preset, **least}.items()}
    values |= {
        name: value.capitalize() if value in ("true", "false") else value
        for name, value in settings.section(section).items()
    }
    for name, value in values.items():
        if name not in rules:
            settings.errors.append(
                f"{section}.{name}: not a known hyperparameter; known are {', '.join(rules)}"
            )
        elif not rules[name].accepts(value):
            settings.refuse(f"{section}.{name}", value, str(rules[name]))
        elif int(least.get(name, 0)) > int(value if name in least else 0):
            settings.refuse(
                f"{section}.{name}",
                value,
                f"at least {least[name]}, which the ids in the data need",
            )
    return values


__all__ = ["Config", "ConfigError", "InstanceEndpoint", "ServerlessEndpoint", "Training"]
