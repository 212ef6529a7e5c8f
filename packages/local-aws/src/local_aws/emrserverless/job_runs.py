"""Job runs: Spark drivers as processes, with EMR Serverless's states and reasons."""

import logging
import math
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import psutil

from local_aws import clients, state
from local_aws.api import NotImplementedByLocalAws
from local_aws.emrserverless import monitoring, spark
from local_aws.emrserverless.applications import Application
from local_aws.emrserverless.errors import Failed, Invalid
from local_aws.environment import machine
from local_aws.processes import Child
from local_aws.sts.models import AccessDenied, assume
from local_aws.workers import JOBS

log = logging.getLogger(__name__)

_allocation = threading.Lock()
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-troubleshooting.html
_ABOVE_MAXIMUM: Final = "Job failed as application has exceeded maximumCapacity settings"
_ABOVE_QUOTA: Final = (
    "Job failed as account has reached the service limit on the maximum vCPU it can use"
    " concurrently"
)

TERMINAL: Final = ("SUCCESS", "FAILED", "CANCELLED")
_TIMEOUT: Final = 720  # minutes
_LEAST_TIMEOUT: Final = 5
_GRACE: Final = 15  # seconds between SIGTERM and SIGKILL
_TASKS: Final = 2  # at the same time
_DETAILS: Final = 256  # characters of stateDetails
_EXCEPTION: Final = re.compile(
    # but not as Hadoop's client names what it then throws
    r"(?!.*\bipc\.RemoteException\()(?:Caused by: |Exception in thread \S+ )?"
    r"[\w.$]*(?:Error|Exception|Exit)\b.*"
)
_SCRIPT: Final = re.compile(r"s3://[^/]+/.+\.(py|jar)")
# features that a process on this machine does not have
_UNSUPPORTED: Final = ("executionIamPolicy", "flexExecution")


class JobRun:
    """One job run, from StartJobRun's parameters to its end.

    Args:
        params: the request.
        name: its id.
        arn: its ARN.
        application: on which it runs.
        caller: the ARN of who started it.
        region: where.
        room: the vCPUs that the account's quota leaves for it.

    Raises:
        ServiceException: the request is invalid or not implemented.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        name: str,
        arn: str,
        application: Application,
        caller: str,
        region: str,
        room: Callable[[], float],
    ) -> None:
        self.id, self.arn = name, arn
        self.tags: dict[str, str] = dict(params.get("tags") or {})
        self._region, self._application, self._room = region, application, room
        self._endpoint = clients.endpoint_url()
        self._overrides = dict(params.get("configurationOverrides") or {})
        self._driver: dict[str, Any] = _checked(params)
        self._role: str = params["executionRoleArn"]
        self._minutes: int = params.get("executionTimeoutMinutes", _TIMEOUT)
        options, self._options = spark.submitted(self._driver.get("sparkSubmitParameters", ""))
        self._properties = {
            **application.properties,
            **spark.defaults(self._overrides.get("applicationConfiguration") or ()),
            **options,
        }
        self._size = spark.Size.of(self._properties)
        self._monitored = {
            **application.monitored,
            **(self._overrides.get("monitoringConfiguration") or {}),
        }
        monitoring.check(self._monitored)
        spark.installation()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._grace: float = _GRACE
        self._cancel: Callable[[], bool] = lambda: False
        created = datetime.now(UTC)
        self._facts: dict[str, Any] = {
            "state": "SUBMITTED",
            "stateDetails": "",
            "createdAt": created,
            "updatedAt": created,
            "attempt": 1,
            "attemptCreatedAt": created,
            "attemptUpdatedAt": created,
        }
        self._fixed = {
            "applicationId": application.id,
            "arn": arn,
            "createdBy": caller,
            "executionRole": self._role,
            "mode": "BATCH",
            "releaseLabel": application.release,
            **({"name": params["name"]} if "name" in params else {}),
        }
        self._ended: float | None = None
        self.cpu = 0  # vCPUs that it uses

    @property
    def ended(self) -> float | None:
        """The monotonic time of its end; None before."""
        return self._ended

    def start(self) -> None:
        """Start or queue the job; returns at once."""
        self._root = state.folder("emr-serverless", self.id)
        with self._lock:
            if JOBS.full:
                self._enter("PENDING")
            self._cancel = JOBS.submit(self._run)

    def cancel(self, grace: int | None = None) -> None:
        """Cancel it.

        Args:
            grace: seconds until its processes are killed.

        Raises:
            Invalid: it has ended.
        """
        with self._lock:
            if self._facts["state"] in TERMINAL:
                raise Invalid(
                    f"Job run {self.id} is in the state {self._facts['state']} and cannot be "
                    "cancelled"
                )
            self._enter("CANCELLING")
        if grace is not None:
            self._grace = grace
        self._stop.set()
        if self._cancel():  # it was queued
            self._finish("CANCELLED")

    def abandon(self) -> None:
        """End it without output, because the server stops."""
        self._grace = 0
        self._stop.set()
        self._cancel()

    def summary(self) -> dict[str, Any]:
        """The job run as ListJobRuns shows it."""
        with self._lock:
            return {**self._fixed, **self._facts, "id": self.id, "type": "Spark"}

    def description(self) -> dict[str, Any]:
        """The job run as GetJobRun shows it."""
        with self._lock:
            shown = {
                **self._fixed,
                **self._facts,
                "jobRunId": self.id,
                "jobDriver": {"sparkSubmit": self._driver},
                "executionTimeoutMinutes": self._minutes,
                "retryPolicy": {"maxAttempts": 1},
                "tags": dict(self.tags),
            }
            if self._overrides:
                shown["configurationOverrides"] = self._overrides
            if self._application.network:
                shown["networkConfiguration"] = self._application.network
            return shown

    def _enter(self, to: str, details: str = "") -> None:
        with self._lock:
            moment = max(datetime.now(UTC), self._facts["updatedAt"])  # the clock may be set back
            self._facts.update(
                state=to, stateDetails=details, updatedAt=moment, attemptUpdatedAt=moment
            )

    def _advance(self, to: str) -> None:
        """Enter a state unless the job is being cancelled."""
        with self._lock:
            if not self._stop.is_set():
                self._enter(to)

    def _finish(self, to: str, details: str = "") -> None:
        with self._lock:
            self._enter(to, details[:_DETAILS])
            self._facts["endedAt"] = self._facts["updatedAt"]
            self._ended, self.cpu = time.monotonic(), 0

    def _run(self) -> None:
        try:
            self._finish(*self._work())
        except Failed as failure:
            self._finish("FAILED", str(failure))
        except Exception as error:
            log.exception("job run %s", self.id)
            self._finish("FAILED", f"Internal error: {type(error).__name__}: {error}")
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def _work(self) -> tuple[str, str]:
        """Run the job; returns the final state and its details."""
        self._advance("SCHEDULED")
        size = self._allocated()
        while self._application.state == "STARTING" and not self._stop.wait(0.05):
            pass
        if self._stop.is_set():
            return "CANCELLED", ""
        credentials = self._credentials()
        where = f"applications/{self._application.id}/jobs/{self.id}"
        output = monitoring.Output(self._monitored, where, self._root, self._client)
        began = time.monotonic()
        try:
            child = self._child(credentials, output)
            with self._lock:
                self._advance("RUNNING")
                self._facts["startedAt"] = self._facts["updatedAt"]
            status = self._wait(child, began)
            status = status if status >= 0 else 128 - status
        except BaseException:
            output.abandon()
            raise
        seconds = time.monotonic() - began
        with self._lock:
            self._facts |= {
                "totalExecutionDurationSeconds": math.ceil(seconds),
                "totalResourceUtilization": size.utilization(seconds, billed=False),
                "billedResourceUtilization": size.utilization(seconds, billed=True),
            }
        if clients.endpoint_url() != self._endpoint:
            output.abandon()
            raise Failed("the local AWS was stopped")
        output.close()
        if self._stop.is_set():
            return "CANCELLED", self._facts["stateDetails"]
        return ("SUCCESS", "") if status == 0 else ("FAILED", _reason(status, output))

    def _allocated(self) -> spark.Size:
        """The workers that the job gets.

        Raises:
            Failed: there is no room for them.
        """
        size = self._size.within(self._application.maximum, _ABOVE_MAXIMUM)
        with _allocation:
            size = size.within({"cpu": self._room()}, _ABOVE_QUOTA)
            self.cpu = size.cpu
        return size

    def _wait(self, child: Child, began: float) -> int:
        """Wait for the driver's end, or bring it about; returns its exit status."""
        try:
            while True:
                try:
                    return child.wait(0.1)
                except subprocess.TimeoutExpired:
                    if self._minutes and time.monotonic() - began > 60 * self._minutes:
                        with self._lock:
                            if not self._stop.is_set():
                                told = f"Job run timed out after {self._minutes} minutes."
                                self._enter("CANCELLING", told)
                                self._stop.set()
                    if self._stop.is_set():
                        return child.terminate(self._grace)
        finally:
            child.kill()  # remaining descendants

    def _child(self, credentials: clients.Credentials, output: monitoring.Output) -> Child:
        installed = spark.installation()
        folders = {name: self._root / name for name in ("work", "conf", "temporary")}
        for folder in folders.values():
            folder.mkdir()
        variables = spark.variables(self._properties)
        for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
            if name in variables:
                output.write(
                    "stderr",
                    f"{name}={variables.pop(name)} is not used by the local AWS: "
                    f"the job runs in {sys.executable}, with its packages.",
                )
        child = Child(
            ["-m", "local_aws.emrserverless.runner", str(folders["conf"]), *self._arguments()],
            env={
                **variables,
                **credentials.environment(),
                "AWS_REGION": self._region,
                "AWS_DEFAULT_REGION": self._region,
                "JAVA_HOME": str(installed.java),
                "PYSPARK_PYTHON": sys.executable,
                "PYTHONUNBUFFERED": "1",
                "SPARK_CONF_DIR": str(folders["conf"]),
                "SPARK_HOME": str(installed.home),
                "SPARK_LOCAL_DIRS": str(folders["temporary"]),
                "SPARK_LOCAL_IP": "127.0.0.1",
                "TMPDIR": str(folders["temporary"]),
            },
            inherited=machine(),
            home=folders["work"],
            cwd=folders["work"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in monitoring.STREAMS:
            output.read(name, getattr(child.popen, name))
        return child

    def _arguments(self) -> list[str]:
        """spark-submit's arguments."""
        asked = spark.gib(self._properties.get("spark.driver.memory", spark.DRIVER_MEMORY))
        have = psutil.virtual_memory().total / 2**30
        properties = {
            # no host is nearer to an object than another, and each question costs a request
            "spark.sql.sources.ignoreDataLocality": "true",
            "spark.app.name": self._fixed.get("name", self.id),
            **{
                name: value
                for name, value in self._properties.items()
                if not name.startswith("spark.emr-serverless.")
            },
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": f"{int(1024 * min(asked, have / 2))}m",
            "spark.ui.enabled": "false",
        }
        return [
            *("--master", f"local[{_TASKS}]"),
            *(word for name, value in properties.items() for word in ("--conf", f"{name}={value}")),
            *self._options,
            self._driver["entryPoint"],
            *self._driver.get("entryPointArguments", ()),
        ]

    def _credentials(self) -> clients.Credentials:
        try:
            return assume(
                self._role, service="emr-serverless", session_name=self.id, region=self._region
            )
        except AccessDenied:
            raise Failed(
                f"Could not assume execution role {self._role} because it does not exist or is "
                "not set up with the required trust relationship."
            ) from None

    def _client(self, service: str) -> Any:
        return clients.client(service, self._region, self._credentials())


def _checked(params: Mapping[str, Any]) -> dict[str, Any]:
    """The Spark job of a request.

    Raises:
        ServiceException: the request is invalid or not implemented.
    """
    refused = [name for name in _UNSUPPORTED if params.get(name)]
    if params.get("mode", "BATCH") != "BATCH":
        refused.append("mode STREAMING")
    policy = params.get("retryPolicy") or {}
    if policy.get("maxAttempts", 1) > 1:
        refused.append("retryPolicy with further attempts")
    if "maxFailedAttemptsPerHour" in policy:
        refused.append("retryPolicy.maxFailedAttemptsPerHour")
    if (params.get("configurationOverrides") or {}).get("diskEncryptionConfiguration"):
        refused.append("configurationOverrides.diskEncryptionConfiguration")
    driver = params.get("jobDriver") or {}
    if "hive" in driver:
        refused.append("jobDriver.hive")
    if refused:
        raise NotImplementedByLocalAws(f"{', '.join(refused)} of a job run")
    if "sparkSubmit" not in driver:
        raise Invalid("The jobDriver must have sparkSubmit")
    minutes = params.get("executionTimeoutMinutes", _TIMEOUT)
    if 0 < minutes < _LEAST_TIMEOUT:
        raise Invalid(f"RunTimeout must be at least {_LEAST_TIMEOUT} minutes.")
    entry = driver["sparkSubmit"]["entryPoint"]
    if not _SCRIPT.fullmatch(entry):
        raise NotImplementedByLocalAws(
            f"the entry point {entry}, but s3://bucket/key of a .py or .jar file only"
        )
    return dict(driver["sparkSubmit"])


def _reason(status: int, output: monitoring.Output) -> str:
    """The stateDetails of a driver that failed."""
    found: list[str] = []
    for name in monitoring.STREAMS:  # a script's errors are on standard output, by spark-submit
        with output.path(name).open(errors="replace") as lines:
            last = deque((one.strip() for one in lines if _EXCEPTION.fullmatch(one.strip())), 2)
        found += reversed(last)
    told = (
        "Job failed, please check complete logs in configured logging destination. "
        f"ExitCode: {status}."
    )
    if found:
        told += " Last few exceptions: " + "\n".join(found)
    return told if len(told) <= _DETAILS else told[: _DETAILS - 3] + "..."
