"""Processing jobs: a script's command as a process, with the processing containers' contract.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html

Scripts name their files by the container's paths, below /opt/ml. On this machine that is a folder
of the job, which takes the place of `/opt/ml` in the command, its arguments, the variables and the
text of the scripts themselves (`.py`, `.sh`, and such files in a `sourcedir.tar.gz`).
"""

import json
import logging
import os
import re
import shutil
import sys
import tarfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws import state
from local_aws.api import NotImplementedByLocalAws
from local_aws.logs.streams import LogStream
from local_aws.paths import UnsafePath, inside, untar
from local_aws.sagemaker import images, quotas, storage
from local_aws.sagemaker.collection import now
from local_aws.sagemaker.container import Container, cores
from local_aws.sagemaker.errors import Failed, ValidationException, refuse_members
from local_aws.sagemaker.roles import Role
from local_aws.sagemaker.storage import Location
from local_aws.sagemaker.training import refuse_selected
from local_aws.workers import JOBS

log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
TERMINAL = ("Completed", "Failed", "Stopped")
_GRACE = 120  # seconds between SIGTERM and SIGKILL
_DEFAULT_RUNTIME = 86_400
_LOOK = 0.5  # seconds between two uploads of an output that is uploaded continuously
_MESSAGE = 1024  # bytes of /opt/ml/output/message
_CONTAINER = "/opt/ml"
_INPUTS = f"{_CONTAINER}/processing/"
_PATHS = re.compile(rb"/opt/ml(?![\w.-])")
_SCRIPTS = (".py", ".sh")
_SOURCES = "sourcedir.tar.gz"  # of the SageMaker SDK's FrameworkProcessor


class ProcessingJob:
    """One processing job, from CreateProcessingJob's parameters to its outputs in S3.

    Raises:
        ServiceException: the request is invalid or not implemented.
    """

    def __init__(self, params: dict[str, Any], arn: str, region: str) -> None:
        self._request = {key: value for key, value in params.items() if key != "Tags"}
        self.name: str = params["ProcessingJobName"]
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        _check(params, region)
        self._inputs: list[dict[str, Any]] = [
            one["S3Input"] for one in params.get("ProcessingInputs", [])
        ]
        self._outputs: list[dict[str, Any]] = [
            one["S3Output"] for one in params.get("ProcessingOutputConfig", {}).get("Outputs", [])
        ]
        self._role = Role(params["RoleArn"], arn, region)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._grace = _GRACE
        self._uploaded: dict[Path, tuple[int, int]] = {}  # time of change and size
        self._cancel: Callable[[], bool] = lambda: False
        created = now()
        self._facts: dict[str, Any] = {
            "ProcessingJobStatus": "InProgress",
            "CreationTime": created,
            "LastModifiedTime": created,
        }

    @property
    def status(self) -> str:
        """`InProgress`, `Stopping`, or one of `TERMINAL`."""
        return str(self._facts["ProcessingJobStatus"])

    @property
    def use(self) -> quotas.Use:
        """Its current use of quotas."""
        ended = self.status in TERMINAL
        return quotas.Use() if ended else quotas.of_processing_job(self._request)

    def start(self) -> None:
        """Start or queue the job; returns at once."""
        self._root = state.folder("processing", f"{self.name}-{time.time_ns()}")
        self._cancel = JOBS.submit(self._run)

    def stop(self) -> None:
        """Stop a running job.

        Raises:
            ValidationException: it has ended.
        """
        with self._lock:
            if self.status in TERMINAL:
                raise ValidationException(
                    "The request was rejected because the processing job is in status "
                    f"{self.status}."
                )
            self._facts.update(ProcessingJobStatus="Stopping", LastModifiedTime=now())
        self._stop.set()
        if self._cancel():  # it was queued
            self._end("Stopped")

    def abandon(self) -> None:
        """End it without output, because the server stops."""
        self._grace = 0
        self._stop.set()
        self._cancel()

    def summary(self) -> dict[str, Any]:
        """The job as ListProcessingJobs shows it."""
        with self._lock:
            return {"ProcessingJobName": self.name, "ProcessingJobArn": self.arn, **self._facts}

    def description(self) -> dict[str, Any]:
        """The job as DescribeProcessingJob shows it."""
        return {
            **self._request,
            "StoppingCondition": {"MaxRuntimeInSeconds": self._longest},
            **self.summary(),
        }

    @property
    def _longest(self) -> int:
        condition = self._request.get("StoppingCondition", {})
        return int(condition.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME))

    def _run(self) -> None:
        status, reason = "Failed", ""
        try:
            status = self._work()
        except Failed as failure:
            reason = str(failure)
        except Exception as error:
            log.exception("processing job %s", self.name)
            reason = f"InternalServerError: {type(error).__name__}: {error}"
        self._end(status, reason)

    def _end(self, status: str, reason: str = "") -> None:
        message = self._root / "output" / "message"
        said = b""
        if message.is_file():
            with message.open("rb") as file:
                said = file.read(_MESSAGE)
        try:
            text = said.decode() if len(said) < _MESSAGE else said.decode(errors="ignore")
        except UnicodeDecodeError:
            status, text = "Failed", ""
            reason = "ClientError: /opt/ml/output/message is not encoded in UTF-8"
        shutil.rmtree(self._root, ignore_errors=True)
        with self._lock:
            ended = now()
            self._facts.update(
                ProcessingJobStatus=status, ProcessingEndTime=ended, LastModifiedTime=ended
            )
            if text:
                self._facts["ExitMessage"] = text
            if reason:
                self._facts["FailureReason"] = reason[:1024]

    def _work(self) -> str:
        """Run the job; returns its final status."""
        with self._lock:
            self._facts["ProcessingStartTime"] = now()
        stream = LogStream(
            self._role.client("logs"), LOG_GROUP, f"{self.name}/algo-1-{time.time_ns() // 10**6}"
        )
        try:
            self._stage()
            completed = not self._stop.is_set() and self._process(stream)
        finally:
            stream.close()
        if completed:
            self._upload(self._outputs)
        return "Completed" if completed else "Stopped"

    def _stage(self) -> None:
        """Write the container's files: configuration, inputs, folders of outputs."""
        for name in ("config", "output", *(self._path(one) for one in self._outputs)):
            (self._root / name).mkdir(parents=True, exist_ok=True)
        application = {"ContainerEntrypoint": None, "ContainerArguments": None}
        told = {
            "ProcessingJobArn": self.arn,
            "Environment": {},
            **{key: value for key, value in self._request.items() if key != "NetworkConfig"},
            "AppSpecification": {**application, **self._request["AppSpecification"]},
            "StoppingCondition": {"MaxRuntimeInSeconds": self._longest},
        }
        for name, content in (
            ("processingjobconfig", told),
            ("resourceconfig", {"current_host": "algo-1", "hosts": ["algo-1"]}),
        ):
            text = self._translated(json.dumps(content).encode())
            (self._root / "config" / f"{name}.json").write_bytes(text)
        for one in self._inputs:
            folder = self._root / self._path(one)
            folder.mkdir(parents=True, exist_ok=True)
            self._download(one, folder)
            for path in sorted(folder.rglob("*")):
                self._translate(path)

    def _download(self, source: dict[str, Any], folder: Path) -> None:
        uri, s3 = source["S3Uri"], self._role.client("s3")
        place: object = uri
        found = False
        try:
            for place, name in storage.listed(s3, Location.of(uri), source["S3DataType"]):
                storage.download(s3, place, folder, name)
                found = True
        except ClientError as error:
            code, text = error.response["Error"]["Code"], error.response["Error"]["Message"]
            raise Failed(f"ClientError: Data download failed:{code}: {text} ({place})") from None
        except (BotoCoreError, OSError, ValueError) as error:
            raise Failed(f"ClientError: Data download failed:{error}") from None
        if not found:
            raise Failed(
                f'ClientError: No S3 objects found under S3 URL "{uri}" given in input data source.'
            )

    @staticmethod
    def _path(place: dict[str, Any]) -> str:
        """The path of an input or output below /opt/ml."""
        return str(place["LocalPath"]).removeprefix(f"{_CONTAINER}/")

    def _translated(self, text: bytes) -> bytes:
        """A text with the job's folder for /opt/ml."""
        return _PATHS.sub(lambda _: str(self._root).encode(), text)

    def _translate(self, path: Path) -> None:
        """Translate the paths in a script, or in the scripts of an archive of sources."""
        if path.suffix in _SCRIPTS and path.is_file():
            path.write_bytes(self._translated(path.read_bytes()))
        elif path.name == _SOURCES:
            sources = self._root / "sources"
            try:
                untar(path, sources)
            except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
                raise Failed(f"ClientError: {path.name} cannot be unpacked: {error}") from None
            for each in sorted(sources.rglob("*")):
                if each.name != _SOURCES:
                    self._translate(each)
            storage.pack(sources, path)
            shutil.rmtree(sources)

    def _process(self, stream: LogStream) -> bool:
        """Run the command; returns whether it ended by itself.

        Raises:
            Failed: it ended with another exit status than 0.
        """
        continuous = [one for one in self._outputs if one["S3UploadMode"] == "Continuous"]
        application = self._request["AppSpecification"]
        command = [
            self._translated(part.encode()).decode()
            for part in (
                *application["ContainerEntrypoint"],
                *application.get("ContainerArguments", []),
            )
        ]
        packages = self._root / "packages"  # what the script installs stays in the job's folder
        container = Container(
            ["--", *command],
            self._root,
            {
                "PATH": os.pathsep.join(
                    [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
                ),
                "PIP_TARGET": str(packages),
                "PYTHONPATH": str(packages),
                **{
                    name: self._translated(value.encode()).decode()
                    for name, value in self._request.get("Environment", {}).items()
                },
            },
            role=self._role,
            isolated=self._request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
            threads=max(1, cores() // 2),
            on_line=stream.write,
        )
        deadline = time.monotonic() + self._longest
        while (status := container.wait(_LOOK if continuous else 0.1)) is None:
            self._upload(continuous)
            if self._stop.is_set() or time.monotonic() > deadline:
                container.terminate(self._grace)
                break
        self._upload(continuous)
        if status:
            raise Failed("AlgorithmError: See job logs for more information")
        return status is not None

    def _upload(self, outputs: list[dict[str, Any]]) -> None:
        """Upload new and changed files of outputs."""
        key = self._request.get("ProcessingOutputConfig", {}).get("KmsKeyId")
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        for one in outputs:
            folder, target = self._root / self._path(one), Location.of(one["S3Uri"])
            for path, changed in _files(folder):
                if self._uploaded.get(path) == changed:
                    continue
                place = target.child(path.relative_to(folder).as_posix())
                try:
                    with path.open("rb") as body:
                        self._role.client("s3").put_object(
                            Bucket=place.bucket, Key=place.key, Body=body, **encryption
                        )
                except (ClientError, BotoCoreError, OSError) as error:
                    raise Failed(f"ClientError: Upload to {place} failed: {error}") from None
                self._uploaded[path] = changed


def _files(folder: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    """The plain files below a folder, with the time of their last change and size."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            facts = path.stat()
            yield path, (facts.st_mtime_ns, facts.st_size)


def _check(params: dict[str, Any], region: str) -> None:
    """Validate a CreateProcessingJob request."""
    refuse_members(params, ("ExperimentConfig",), "CreateProcessingJob")
    cluster = params["ProcessingResources"]["ClusterConfig"]
    refuse_members(cluster, ("InstancePreferences",), "ClusterConfig")
    refuse_selected(cluster, "ClusterConfig")
    if "InstanceType" not in cluster:
        raise ValidationException("ClusterConfig needs an InstanceType.")
    if cluster.get("InstanceCount", 1) != 1:
        raise NotImplementedByLocalAws("processing on more than one instance")
    application = params["AppSpecification"]
    images.check_processing(application["ImageUri"], region)
    if not application.get("ContainerEntrypoint"):
        raise NotImplementedByLocalAws(
            "an image's own entrypoint: give AppSpecification a ContainerEntrypoint, as the "
            "SageMaker SDK's processors do"
        )
    inputs = params.get("ProcessingInputs", [])
    outputs = params.get("ProcessingOutputConfig", {}).get("Outputs", [])
    for kind, places in (("input", inputs), ("output", outputs)):
        names = [place[f"{kind.title()}Name"] for place in places]
        if len(set(names)) < len(names):
            raise ValidationException(f"The names of processing {kind}s must be unique.")
    for one in inputs:
        name = f"processing input {one['InputName']}"
        refuse_members(one, ("AppManaged", "DatasetDefinition"), name)
        source = one.get("S3Input")
        if source is None:
            raise ValidationException(f"The {name} needs an S3Input.")
        _check_path(source, _INPUTS, name)
        for member, value in (("S3InputMode", "File"), ("S3CompressionType", "None")):
            if source.get(member, value) != value:
                raise NotImplementedByLocalAws(f"{name}: {member} {source[member]}")
        Location.of(source["S3Uri"])
    paths = [one["S3Input"]["LocalPath"].rstrip("/") for one in inputs]
    if len(set(paths)) < len(paths):
        raise ValidationException("The LocalPaths of processing inputs must be unique.")
    for one in outputs:
        name = f"processing output {one['OutputName']}"
        refuse_members(one, ("AppManaged", "FeatureStoreOutput"), name)
        if "S3Output" not in one:
            raise ValidationException(f"The {name} needs an S3Output.")
        _check_path(one["S3Output"], f"{_CONTAINER}/", name)
        Location.of(one["S3Output"]["S3Uri"])


def _check_path(place: dict[str, Any], start: str, name: str) -> None:
    path = place.get("LocalPath", "")
    if not path.startswith(start):
        raise ValidationException(f"The LocalPath of {name} must start with {start}")
    try:
        inside(Path(_CONTAINER), path.removeprefix(f"{_CONTAINER}/"))
    except UnsafePath as error:
        raise ValidationException(f"The LocalPath of {name}: {error}.") from None
