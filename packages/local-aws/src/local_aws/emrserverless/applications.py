"""Applications: settings, states, and the job runs that keep them from stopping."""

import re
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from local_aws.api import NotImplementedByLocalAws
from local_aws.emrserverless import monitoring, spark
from local_aws.emrserverless.errors import Invalid

if TYPE_CHECKING:
    from local_aws.emrserverless.job_runs import JobRun

_UNIT: Final = re.compile(r"\D+")
_PASSING: Final = 0.3  # seconds of a state on the way to another
# features that a process on this machine does not have
_UNSUPPORTED: Final = (
    "diskEncryptionConfiguration",
    "identityCenterConfiguration",
    "imageConfiguration",
    "interactiveConfiguration",
    "jobLevelCostAllocationConfiguration",
    "schedulerConfiguration",
    "workerTypeSpecifications",
)


class Application:
    """One application, from CreateApplication's parameters.

    Raises:
        ServiceException: the request is invalid or not implemented.
    """

    def __init__(self, params: Mapping[str, Any], name: str, arn: str) -> None:
        if params["type"].upper() != "SPARK":
            raise NotImplementedByLocalAws(
                f"applications of the type {params['type']}, but SPARK only"
            )
        self.id, self.arn = name, arn
        self.tags: dict[str, str] = dict(params.get("tags") or {})
        self._settings = {
            "architecture": "X86_64",
            "autoStartConfiguration": {"enabled": True},
            "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15},
            **_checked(params),
        }
        self._lock = threading.RLock()
        self._runs: list[JobRun] = []  # some of which may have ended
        self._created = self._updated = _now()
        self._state, self._next, self._due = "CREATING", "CREATED", time.monotonic() + _PASSING
        self._used = time.monotonic()

    @property
    def identity(self) -> dict[str, Any]:
        """CreateApplication's answer."""
        return {"applicationId": self.id, "arn": self.arn, **_pick(self._settings, "name")}

    @property
    def release(self) -> str:
        """The release label."""
        return str(self._settings["releaseLabel"])

    @property
    def properties(self) -> dict[str, str]:
        """The Spark properties of its jobs."""
        return spark.defaults(self._settings.get("runtimeConfiguration") or ())

    @property
    def monitored(self) -> dict[str, Any]:
        """The monitoring configuration of its jobs."""
        return dict(self._settings.get("monitoringConfiguration") or {})

    @property
    def maximum(self) -> dict[str, float]:
        """The maximum capacity, in vCPUs and GB, as far as there is one."""
        told = self._settings.get("maximumCapacity") or {}
        return {part: float(_UNIT.sub("", size)) for part, size in told.items()}

    @property
    def network(self) -> dict[str, Any] | None:
        """The network configuration, which is stored only."""
        return self._settings.get("networkConfiguration")

    @property
    def state(self) -> str:
        """The present state."""
        with self._lock:
            self._settle()
            return self._state

    def description(self) -> dict[str, Any]:
        """The application as GetApplication shows it."""
        with self._lock:
            self._settle()
            return {
                **self._settings,
                **self._facts(),
                "applicationId": self.id,
                "tags": dict(self.tags),
            }

    def summary(self) -> dict[str, Any]:
        """The application as ListApplications shows it."""
        with self._lock:
            self._settle()
            kept = _pick(self._settings, "name", "releaseLabel", "architecture")
            return {**kept, **self._facts(), "id": self.id}

    def update(self, params: Mapping[str, Any]) -> None:
        """Change settings of an application that is created or stopped."""
        with self._lock:
            self._require("CREATED", "STOPPED")
            self._settings |= _checked(params)
            self._updated = _now()

    def start(self) -> None:
        """Start it, unless it is started."""
        with self._lock:
            self._require("CREATING", "CREATED", "STARTING", "STARTED", "STOPPED")
            if self._state not in ("STARTING", "STARTED"):
                self._enter("STARTING", "STARTED")

    def stop(self) -> None:
        """Stop it."""
        with self._lock:
            self._settle()
            if self._state not in ("STARTING", "STARTED"):
                raise Invalid(
                    "Application cannot be STOPPED. Applications must be in one of the following "
                    f"statuses: [STARTING, STARTED]. Current status: {self._state}"
                )
            if self._active():
                raise Invalid(
                    "Application cannot be STOPPED. All scheduled and running jobs must be "
                    "completed or cancelled before stopping an application."
                )
            self._enter("STOPPING", "STOPPED")

    def delete(self) -> None:
        """Terminate an application that is created or stopped."""
        with self._lock:
            self._require("CREATED", "STOPPED")
            self._state, self._updated = "TERMINATED", _now()

    def accept(self, run: "JobRun") -> None:
        """Take a job run, and start for it.

        Raises:
            Invalid: the application is not started, and does not start by itself.
        """
        with self._lock:
            if self._settings["autoStartConfiguration"].get("enabled", True):
                self.start()
            else:
                self._require("STARTING", "STARTED")
            self._runs.append(run)

    def _facts(self) -> dict[str, Any]:
        return {
            "arn": self.arn,
            "type": "Spark",
            "state": self._state,
            "stateDetails": "",
            "createdAt": self._created,
            "updatedAt": self._updated,
        }

    def _active(self) -> bool:
        ends = [run.ended for run in self._runs]
        self._used = max([self._used, *[end for end in ends if end is not None]])
        self._runs = [run for run, end in zip(self._runs, ends, strict=True) if end is None]
        return bool(self._runs)

    def _settle(self) -> None:
        """Enter the state that time has brought."""
        moment = time.monotonic()
        if self._next and moment >= self._due:
            self._state, self._next, self._updated = self._next, "", _now()
        stops = self._settings["autoStopConfiguration"]
        if self._state != "STARTED" or self._active() or not stops.get("enabled", True):
            return
        if moment - self._used > 60 * stops.get("idleTimeoutMinutes", 15):
            self._state, self._updated = "STOPPED", _now()

    def _enter(self, state: str, then: str) -> None:
        self._state, self._next, self._updated = state, then, _now()
        self._used = time.monotonic()
        self._due = self._used + _PASSING

    def _require(self, *states: str) -> None:
        self._settle()
        if self._state not in states:
            raise Invalid(
                f"Application {self.id} must be in one of the following statuses "
                f"[{', '.join(states)}]. Current status: {self._state}"
            )


def _checked(params: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a request.

    Raises:
        ServiceException: one is invalid or not implemented.
    """
    if refused := [name for name in _UNSUPPORTED if params.get(name)]:
        raise NotImplementedByLocalAws(f"{', '.join(refused)} of an application")
    if "releaseLabel" in params:
        spark.check_release(params["releaseLabel"])
    properties = spark.defaults(params.get("runtimeConfiguration") or ())
    spark.Size.of(properties)
    monitoring.check(params.get("monitoringConfiguration") or {})
    dropped = ("applicationId", "clientToken", "tags", "type")
    return {name: value for name, value in params.items() if name not in dropped}


def _pick(settings: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}


def _now() -> datetime:
    return datetime.now(UTC)
