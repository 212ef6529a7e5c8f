"""Training jobs: processes with the container contract, described as by SageMaker."""

import json
import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws import state
from local_aws.api import NotImplementedByLocalAws
from local_aws.expressions import Expressions, fault
from local_aws.logs.streams import LogStream
from local_aws.paths import UnsafePath, relative
from local_aws.sagemaker import images, quotas, storage
from local_aws.sagemaker.collection import now
from local_aws.sagemaker.container import Container, cores
from local_aws.sagemaker.errors import Failed, ValidationException, refuse_members
from local_aws.sagemaker.roles import Role
from local_aws.sagemaker.storage import Location
from local_aws.workers import JOBS

log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
TERMINAL = ("Completed", "Failed", "Stopped")
_GRACE = 120  # seconds between SIGTERM and SIGKILL
_CATCH_UP = 30.0  # timeout in seconds for the metrics of a job's last lines
_DEFAULT_RUNTIME = 86_400
_REASON_LENGTH = 1024
_OUT_OF_MEMORY = (
    "Please use an instance type with more memory, or reduce the size of training data processed "
    "on an instance."
)
# features of AWS that a local process does not have
_UNSUPPORTED = (
    "CheckpointConfig",
    "DebugRuleConfigurations",
    "TensorBoardOutputConfig",
    "ExperimentConfig",
    "ProfilerRuleConfigurations",
    "SessionChainingConfig",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
)
# of structures that the SageMaker SDK sends by itself, what only a user would ask for
_UNSUPPORTED_WITHIN = {
    "DebugHookConfig": ("HookParameters", "CollectionConfigurations"),
    "ProfilerConfig": ("ProfilingIntervalInMilliseconds", "ProfilingParameters"),
    "RemoteDebugConfig": ("EnableRemoteDebug",),
}
_UNSUPPORTED_OF_SOURCES = ("FileSystemDataSource", "DatasetSource")
_UNSUPPORTED_OF_S3 = (
    "AttributeNames",
    "InstanceGroupNames",
    "ModelAccessConfig",
    "HubAccessConfig",
)
_SELECTED = ("SelectedInstanceType", "SelectedInstanceCount")
_LONGEST_RUNTIME = 28 * 86_400
_UNSUPPORTED_OF_RESOURCES = (
    "InstanceGroups",
    "KeepAlivePeriodInSeconds",
    "TrainingPlanArn",
    "InstancePlacementConfig",
    "InstancePreferences",
)
_UNSUPPORTED_OF_ALGORITHM = (
    "AlgorithmName",
    "ContainerEntrypoint",
    "ContainerArguments",
    "TrainingImageConfig",
)


class TrainingJob:
    """One training job, from CreateTrainingJob's parameters to its artifact.

    Raises:
        ServiceException: the request is invalid or not implemented.
    """

    def __init__(self, params: dict[str, Any], arn: str, region: str) -> None:
        self._request = {key: value for key, value in params.items() if key != "Tags"}
        self.name: str = params["TrainingJobName"]
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        self._program = checked(params, region)
        self._definitions = [
            *self._program.metrics,
            *params["AlgorithmSpecification"].get("MetricDefinitions", []),
        ]
        self._role = Role(params["RoleArn"], arn, region)
        self._region = region
        for channel in params.get("InputDataConfig", []):
            self._check_objects(channel)
        self._output = Location.of(params["OutputDataConfig"]["S3OutputPath"])
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._grace = _GRACE
        self._metrics: dict[str, dict[str, Any]] = {}  # the last value of each metric
        self._series: list[dict[str, Any]] = []  # every value, for CloudWatch
        self._tail: deque[str] = deque(maxlen=5)
        created = now()
        self._facts: dict[str, Any] = {
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        self._transitions: list[dict[str, Any]] = []
        self._enter("Starting", "Starting the training job")
        self._began: float | None = None
        self._cancel: Callable[[], bool] = lambda: False

    @property
    def status(self) -> str:
        """`InProgress`, `Stopping`, or one of `TERMINAL`."""
        return str(self._facts["TrainingJobStatus"])

    @property
    def use(self) -> quotas.Use:
        """Its current use of quotas."""
        ended = self.status in TERMINAL
        return quotas.Use() if ended else quotas.of_training_job(self._request)

    def start(self) -> None:
        """Start or queue the job; returns at once."""
        self._root = state.folder("training", f"{self.name}-{time.time_ns()}")
        with self._lock:
            if JOBS.full:
                self._enter("Pending", "Waiting for other jobs on this machine to end")
            self._cancel = JOBS.submit(self._run)

    def stop(self) -> None:
        """Stop a running job; its current model is kept.

        Raises:
            ValidationException: it has ended.
        """
        with self._lock:
            if self.status in TERMINAL:
                raise ValidationException(
                    f"The request was rejected because the training job is in status {self.status}."
                )
            self._facts["TrainingJobStatus"] = "Stopping"
            self._enter("Stopping", "Stopping the training job")
        self._stop.set()
        if self._cancel():  # it was queued
            self._finish("Stopped", "Stopped", "Training job stopped")

    def tuned_by(self, arn: str) -> None:
        """Tell which tuning job has begun it."""
        with self._lock:
            self._facts["TuningJobArn"] = arn

    def values_of(self, metric: str) -> list[float]:
        """The values of a metric so far, the oldest first."""
        return [one["Value"] for one in list(self._series) if one["MetricName"] == metric]

    def abandon(self) -> None:
        """End it without output, because the server stops."""
        self._grace = 0
        self._stop.set()
        self._cancel()

    def summary(self) -> dict[str, Any]:
        """The job as ListTrainingJobs shows it."""
        with self._lock:
            return {"TrainingJobName": self.name, "TrainingJobArn": self.arn, **self._facts}

    def description(self) -> dict[str, Any]:
        """The job as DescribeTrainingJob shows it."""
        with self._lock:
            algorithm = {
                "EnableSageMakerMetricsTimeSeries": False,
                **self._request["AlgorithmSpecification"],
                "MetricDefinitions": self._definitions,
            }
            return {
                "EnableNetworkIsolation": False,
                "EnableInterContainerTrafficEncryption": False,
                "EnableManagedSpotTraining": False,
                **self._request,
                "AlgorithmSpecification": algorithm,
                **self._with_defaults(),
                "StoppingCondition": self._stopping_condition(),
                "TrainingJobArn": self.arn,
                **self._facts,
                "SecondaryStatusTransitions": [dict(each) for each in self._transitions],
                "FinalMetricDataList": list(self._metrics.values()),
            }

    def _with_defaults(self) -> dict[str, Any]:
        """The request, completed with SageMaker's defaults."""
        output = {"KmsKeyId": "", "CompressionType": "GZIP", **self._request["OutputDataConfig"]}
        if "InputDataConfig" not in self._request:
            return {"OutputDataConfig": output}
        channels = []
        for channel in self._request["InputDataConfig"]:
            source = {
                "S3DataDistributionType": "FullyReplicated",
                **channel["DataSource"]["S3DataSource"],
            }
            kept = {**channel, "DataSource": {"S3DataSource": source}}
            channels.append({"CompressionType": "None", "RecordWrapperType": "None", **kept})
        return {"InputDataConfig": channels, "OutputDataConfig": output}

    def _stopping_condition(self) -> dict[str, int]:
        return {
            "MaxRuntimeInSeconds": _DEFAULT_RUNTIME,
            **self._request.get("StoppingCondition", {}),
        }

    def _objects_of(self, channel: dict[str, Any]) -> Iterator[tuple[Location, str]]:
        source = channel["DataSource"]["S3DataSource"]
        prefix = Location.of(source["S3Uri"])
        return storage.listed(self._role.client("s3"), prefix, source["S3DataType"])

    def _check_objects(self, channel: dict[str, Any]) -> None:
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        prefix = Location.of(uri)
        try:
            found = next(self._objects_of(channel), None)
            cause = ""
        except ValueError as error:
            raise ValidationException(f"Invalid InputDataConfig: {error}.") from None
        except ClientError as error:
            found = None
            cause = f" Error message from S3: {error.response['Error'].get('Message')}"
        if found is None:
            raise ValidationException(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please '
                f"ensure that the bucket exists in the selected region ({self._region}), that "
                f'objects exist under that S3 prefix, and that the role "{self._role.arn}" has '
                f'"s3:ListBucket" permissions on bucket "{prefix.bucket}".{cause}'
            )

    def _enter(self, status: str, message: str) -> None:
        with self._lock:
            moment = now()
            if self._transitions:
                moment = max(
                    moment, self._transitions[-1]["StartTime"]
                )  # the clock may be set back
                self._transitions[-1].setdefault("EndTime", moment)
            self._transitions.append(
                {"Status": status, "StartTime": moment, "StatusMessage": message}
            )
            self._facts.update(SecondaryStatus=status, LastModifiedTime=moment)

    def _run(self) -> None:
        try:
            ending = self._work()
        except Failed as failure:
            self._finish("Failed", "Failed", "Training job failed", reason=str(failure))
        except Exception as error:
            log.exception("training job %s", self.name)
            reason = f"InternalServerError: {type(error).__name__}: {error}"
            self._finish("Failed", "Failed", "Training job failed", reason=reason)
        else:
            self._finish(*ending)

    def _work(self) -> tuple[str, str, str]:
        """Run the job; returns the final status, secondary status and message."""
        with self._lock:
            if self._facts["SecondaryStatus"] == "Pending":
                self._enter("Starting", "Starting the training job")
            self._facts["TrainingStartTime"] = now()
        self._began = time.monotonic()
        stream = LogStream(
            self._role.client("logs"), LOG_GROUP, f"{self.name}/algo-1-{int(time.time())}"
        )
        try:
            if not self._stop.is_set():
                self._enter("Downloading", "Downloading input data")
                self._stage()
            ending = ("Stopped", "Stopped", "Training job stopped")
            if not self._stop.is_set():
                self._enter("Training", "Training image download completed. Training in progress.")
                ending = self._train(stream)
        finally:
            stream.close()
            self._publish()
        self._keep()
        return ending

    def _stage(self) -> None:
        s3 = self._role.client("s3")
        channels = {}
        for channel in self._request.get("InputDataConfig", []):
            name = channel["ChannelName"]
            folder = self._root / "input" / "data" / name
            folder.mkdir(parents=True)
            source = channel["DataSource"]["S3DataSource"]
            place = source["S3Uri"]
            try:
                for place, path in self._objects_of(channel):
                    storage.download(s3, place, folder, path)
            except ClientError as error:
                code, text = error.response["Error"]["Code"], error.response["Error"]["Message"]
                raise Failed(
                    f"ClientError: Data download failed:{code}: {text} ({place})"
                ) from None
            except (OSError, ValueError) as error:
                raise Failed(f"ClientError: Data download failed:{error}") from None
            channels[name] = {
                "TrainingInputMode": "File",
                "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
                "RecordWrapperType": "None",
                **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            }
        resources = self._request["ResourceConfig"]
        self._write("hyperparameters", self._request.get("HyperParameters", {}))
        self._write("inputdataconfig", channels)
        self._write(
            "resourceconfig",
            {
                "current_host": "algo-1",
                "current_instance_type": resources["InstanceType"],
                "hosts": ["algo-1"],
                "network_interface_name": "lo",
            },
        )
        for part in ("model", "output", "output/data"):
            (self._root / part).mkdir(parents=True, exist_ok=True)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        path = self._root / "input" / "config" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    def _train(self, stream: LogStream) -> tuple[str, str, str]:
        def slow(index: int) -> None:
            name = self._definitions[index]["Name"]
            stream.write(f"The metric {name} is given up: its regular expression is too slow here.")

        if not self._definitions:
            return self._run_container(stream, None)
        patterns = [definition["Regex"] for definition in self._definitions]
        metrics = Expressions(patterns, on_match=self._observe, on_slow=slow)
        try:
            return self._run_container(stream, metrics)
        finally:
            if not metrics.close(_CATCH_UP):
                stream.write("The last metrics are missing: the regular expressions are too slow.")

    def _run_container(
        self, stream: LogStream, metrics: Expressions | None
    ) -> tuple[str, str, str]:
        def on_line(line: str) -> None:
            stream.write(line)
            self._tail.append(line)
            if metrics is not None:
                metrics.feed(time.time(), line)

        container = Container(
            self._program.run("train"),
            self._root,
            {
                **self._request.get("Environment", {}),
                "TRAINING_JOB_NAME": self.name,
                "TRAINING_JOB_ARN": self.arn,
            },
            role=self._role,
            isolated=self._request.get("EnableNetworkIsolation", False),
            # two jobs at a time are the common case: the rating and the recommendation model
            threads=max(1, cores() // 2),
            on_line=on_line,
        )
        deadline = time.monotonic() + self._stopping_condition()["MaxRuntimeInSeconds"]
        while (status := container.wait(0.1)) is None:
            if self._stop.is_set():
                container.terminate(self._grace)
                return "Stopped", "Stopped", "Training job stopped"
            if time.monotonic() > deadline:
                container.terminate(self._grace)
                text = "Training job runtime exceeded MaxRuntimeInSeconds provided"
                return "Stopped", "MaxRuntimeExceeded", text
        if status:
            raise Failed(self._reason(status))
        return "Completed", "Completed", "Training job completed"

    def _observe(self, moment: float, index: int, text: str | None) -> None:
        """Record a metric's value from a log line."""
        try:
            value = float(text)  # type: ignore[arg-type]
        except (TypeError, ValueError):  # no group, or not a number
            return
        name = self._definitions[index]["Name"]
        point = {
            "MetricName": name,
            "Value": value,
            "Timestamp": datetime.fromtimestamp(moment, UTC),
        }
        with self._lock:
            self._metrics[name] = point
        self._series.append(
            {**point, "Dimensions": [{"Name": "Host", "Value": f"{self.name}/algo-1"}]}
        )

    def _publish(self) -> None:
        """Send the metrics' history to CloudWatch; a missing permission does not fail the job."""
        with suppress(ClientError, BotoCoreError):
            for start in range(0, len(self._series), 1000):
                self._role.client("cloudwatch").put_metric_data(
                    Namespace=LOG_GROUP, MetricData=self._series[start : start + 1000]
                )

    def _reason(self, status: int) -> str:
        failure = self._root / "output" / "failure"
        text = failure.read_text(errors="replace").strip() if failure.is_file() else ""
        if not text:
            text = _OUT_OF_MEMORY if status == -9 else "\n".join(self._tail)
        if text.startswith("ClientError"):
            return text[:_REASON_LENGTH]
        # the shell's exit status for a signal
        ending = f", exit code: {status if status > 0 else 128 - status}"
        text = text.removeprefix("AlgorithmError: ")
        return f"AlgorithmError: {text[: _REASON_LENGTH - 40]}{ending}"

    def _keep(self) -> None:
        """Upload the program's files: the model, and further output if any."""
        kept = [
            (folder, archive)
            for folder, archive in (
                (self._root / "model", self._root / "model.tar.gz"),
                (self._root / "output" / "data", self._root / "output.tar.gz"),
            )
            if folder.is_dir() and any(folder.iterdir())
        ]
        if not kept:
            return
        self._enter("Uploading", "Uploading generated training model")
        encryption = storage.encryption(self._request["OutputDataConfig"])
        for folder, archive in kept:
            target = self._output.child(f"{self.name}/output/{archive.name}")
            try:
                storage.pack(folder, archive)
                with archive.open("rb") as body:
                    self._role.client("s3").put_object(
                        Bucket=target.bucket, Key=target.key, Body=body, **encryption
                    )
            except (ClientError, BotoCoreError, OSError) as error:
                raise Failed(f"ClientError: Artifact upload failed:{error}") from None
            if archive.name == "model.tar.gz":
                with self._lock:
                    self._facts["ModelArtifacts"] = {"S3ModelArtifacts": str(target)}

    def _finish(self, status: str, secondary: str, message: str, reason: str = "") -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        with self._lock:
            self._enter(secondary, message)
            ended = self._transitions[-1]["EndTime"] = self._transitions[-1]["StartTime"]
            self._facts.update(
                TrainingJobStatus=status, TrainingEndTime=ended, LastModifiedTime=ended
            )
            if self._began is not None:
                seconds = max(1, round(time.monotonic() - self._began))
                self._facts.update(TrainingTimeInSeconds=seconds, BillableTimeInSeconds=seconds)
            if reason:
                self._facts["FailureReason"] = reason[:_REASON_LENGTH]


def checked(params: Mapping[str, Any], region: str) -> images.Program:
    """Validate CreateTrainingJob's parameters without the name, and return the job's program.

    Raises:
        ServiceException: the request is invalid or not implemented.
    """
    refuse_members(params, _UNSUPPORTED, "CreateTrainingJob")
    for part, names in _UNSUPPORTED_WITHIN.items():
        refuse_members(params.get(part, {}), names, part)
    algorithm = params.get("AlgorithmSpecification", {})
    refuse_members(algorithm, _UNSUPPORTED_OF_ALGORITHM, "AlgorithmSpecification")
    if "TrainingImage" not in algorithm:
        raise ValidationException("AlgorithmSpecification needs a TrainingImage.")
    program = images.find(algorithm["TrainingImage"], region)
    definitions = algorithm.get("MetricDefinitions", [])
    if definitions and program.metrics:
        raise ValidationException(
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please "
            "retry the request without specifying metric definitions."
        )
    for definition in definitions:
        if why := fault(definition["Regex"]):
            raise ValidationException(
                f"Invalid MetricDefinitions: the regular expression of {definition['Name']} "
                f"cannot be used: {why}"
            )
    channels = params.get("InputDataConfig", [])
    modes = {
        algorithm["TrainingInputMode"],
        *(each["InputMode"] for each in channels if "InputMode" in each),
    }
    if modes != {"File"}:
        raise NotImplementedByLocalAws(f"TrainingInputMode {'/'.join(sorted(modes - {'File'}))}")
    resources = params.get("ResourceConfig", {})
    refuse_members(resources, _UNSUPPORTED_OF_RESOURCES, "ResourceConfig")
    refuse_selected(resources, "ResourceConfig")
    if "InstanceType" not in resources:
        raise ValidationException("ResourceConfig needs an InstanceType.")
    if resources.get("InstanceCount", 1) != 1:
        raise NotImplementedByLocalAws("training on more than one instance")
    if params["OutputDataConfig"].get("CompressionType") == "NONE":
        raise NotImplementedByLocalAws("OutputDataConfig.CompressionType NONE")
    seen: set[str] = set()
    for channel in channels:
        name = channel["ChannelName"]
        if name in seen:
            raise ValidationException(f"Duplicate channel name '{name}' in InputDataConfig.")
        seen.add(name)
        try:
            relative(name)
        except UnsafePath as error:
            raise ValidationException(
                f"Invalid channel name in InputDataConfig: {error}."
            ) from None
        refuse_members(channel["DataSource"], _UNSUPPORTED_OF_SOURCES, f"channel {name}")
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise ValidationException(f"The DataSource of channel {name} needs an S3DataSource.")
        refuse_members(source, _UNSUPPORTED_OF_S3, f"channel {name}")
        if source["S3DataType"] not in storage.KINDS:
            raise NotImplementedByLocalAws(f"channel {name}: S3DataType {source['S3DataType']}")
        for member in ("CompressionType", "RecordWrapperType"):
            if channel.get(member, "None") != "None":
                raise NotImplementedByLocalAws(f"channel {name}: {member} {channel[member]}")
        refuse_members(channel, ("ShuffleConfig",), f"channel {name}")
    stopping = params.get("StoppingCondition", {})
    longest = stopping.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME)
    if longest > _LONGEST_RUNTIME:
        raise ValidationException(
            f"MaxRuntimeInSeconds must be at most {_LONGEST_RUNTIME}, which are 28 days."
        )
    spot = params.get("EnableManagedSpotTraining")
    if spot and stopping.get("MaxWaitTimeInSeconds", 0) < longest:
        raise ValidationException(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds"
        )
    return program


def refuse_selected(machines: Mapping[str, Any], where: str) -> None:
    """Refuse the members that only descriptions have.

    Raises:
        ValidationException: names those that are set.
    """
    if present := [name for name in _SELECTED if name in machines]:
        raise ValidationException(f"{', '.join(present)} of {where} cannot be set: SageMaker does.")
