"""A sandbox's log stream in CloudWatch Logs, including Lambda's own lines."""

import contextlib
import json
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogsBackend, logs_backends

from local_aws.api import AwsError
from local_aws.iam import access

_TAIL_BYTES = 4096
_LEVELS = ("DEBUG", "INFO", "WARN")


@dataclass(frozen=True)
class LogSettings:
    """A function's LoggingConfig, completed with Lambda's defaults."""

    group: str
    json: bool = False
    application_level: str | None = None
    system_level: str = "INFO"


class LogStream:
    """One sandbox's log; keeps the last invocation's tail for `LogType=Tail`.

    Lines that the function's role may not write are lost, as on AWS.

    Args:
        settings: the function's.
        function_arn: its ARN.
        version: the one that runs.
        role_arn: with which it logs.
    """

    def __init__(
        self, settings: LogSettings, function_arn: str, version: str, role_arn: str
    ) -> None:
        self.settings = settings
        self._role_arn = role_arn
        _, partition, _, region, account, _, function = function_arn.split(":")
        self._group_arn = f"arn:{partition}:logs:{region}:{account}:log-group:{settings.group}"
        self._region = region
        self._backend: LogsBackend = logs_backends[account][region]
        shared = settings.group != f"/aws/lambda/{function}"
        owner = f"{function}[{version}]" if shared else f"[{version}]"
        self.name = f"{datetime.now(UTC):%Y/%m/%d}/{owner}{uuid.uuid4().hex}"
        self._tail = bytearray()
        self._lock = threading.Lock()

    def write(self, lines: list[str]) -> None:
        """One event for each line.

        A group that was deleted during an invocation stays deleted: what a stack's last
        invocations say must not bring back what the stack has just removed.
        """
        if not lines:
            return
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line or " "} for line in lines]
        with self._lock:
            for line in lines:
                self._tail += line.encode() + b"\n"
            del self._tail[:-_TAIL_BYTES]
            if not self._may("PutLogEvents", self.name):
                return
            with contextlib.suppress(ResourceNotFoundException, AwsError):  # without its key
                self._backend.put_log_events(self.settings.group, self.name, events)

    def _ensure(self) -> None:
        group, stream = self.settings.group, self.name
        if group not in self._backend.groups and self._may("CreateLogGroup"):
            self._backend.ensure_log_group(group)
        known = self._backend.groups.get(group)
        if known and stream not in known.streams and self._may("CreateLogStream", stream):
            self._backend.ensure_log_stream(group, stream)

    def _may(self, action: str, stream: str = "") -> bool:
        resource = f"{self._group_arn}:log-stream:{stream}"
        return access.service_may(self._role_arn, f"logs:{action}", resource, self._region)

    def start(self, request_id: str, version: str) -> None:
        """Write Lambda's START line and start a new tail."""
        self._tail.clear()
        self._ensure()
        self._platform(
            "INFO",
            f"START RequestId: {request_id} Version: {version}",
            "platform.start",
            {"requestId": request_id, "version": version},
        )

    def init_start(self, runtime: str) -> None:
        """Write Lambda's INIT_START line."""
        self._ensure()
        self._platform(
            "INFO",
            f"INIT_START Runtime Version: {runtime}",
            "platform.initStart",
            {"initializationType": "on-demand", "phase": "init", "runtimeVersion": runtime},
        )

    def init_report(self, init_ms: float, status: str, error_type: str | None) -> None:
        """Write Lambda's INIT_REPORT line after a failed initialisation."""
        text = f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: init\tStatus: {status}"
        record: dict[str, Any] = {"status": status, "metrics": {"durationMs": round(init_ms, 3)}}
        if error_type:
            text += f"\tError Type: {error_type}"
            record["errorType"] = error_type
        self._platform("WARN", text, "platform.initReport", record)

    def end(
        self,
        request_id: str,
        *,
        duration_ms: float,
        init_ms: float | None,
        memory_mb: int,
        used_mb: int,
        status: str,
        error_type: str | None,
    ) -> None:
        """Write Lambda's END and REPORT lines. Initialisation is billed since August 2025."""
        billed = -int(-(duration_ms + (init_ms or 0.0)) // 1)
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\t"
            f"Billed Duration: {billed} ms\tMemory Size: {memory_mb} MB\t"
            f"Max Memory Used: {used_mb} MB\t"
        )
        metrics: dict[str, Any] = {
            "durationMs": round(duration_ms, 3),
            "billedDurationMs": billed,
            "memorySizeMB": memory_mb,
            "maxMemoryUsedMB": used_mb,
        }
        if init_ms is not None:
            report += f"Init Duration: {init_ms:.2f} ms\t"
            metrics["initDurationMs"] = round(init_ms, 3)
        record: dict[str, Any] = {"requestId": request_id, "metrics": metrics, "status": status}
        if status != "success":
            report += f"Status: {status}\t"
        if error_type:
            report += f"Error Type: {error_type}\t"
            record["errorType"] = error_type
        done = {"requestId": request_id, "status": status}
        level = "INFO" if status == "success" else "WARN"
        text_level = "DEBUG" if self.settings.json else "INFO"
        self._platform(text_level, f"END RequestId: {request_id}", "platform.runtimeDone", done)
        self._platform(level, report, "platform.report", record)

    def tail(self) -> bytes:
        """The last 4 KB that the current invocation logged."""
        return bytes(self._tail)

    def _platform(self, level: str, text: str, kind: str, record: dict[str, Any]) -> None:
        if not self.settings.json:
            self.write([text])
        elif _LEVELS.index(level) >= _LEVELS.index(self.settings.system_level):
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self.write([json.dumps({"time": now, "type": kind, "record": record})])
