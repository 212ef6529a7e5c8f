"""A sandbox's stream in CloudWatch Logs, and the lines that Lambda itself writes there."""

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

_TAIL_BYTES = 4096
_LEVELS = ("DEBUG", "INFO", "WARN")


@dataclass(frozen=True)
class LogSettings:
    """A function's LoggingConfig with Lambda's defaults filled in."""

    group: str
    json: bool = False
    application_level: str | None = None
    system_level: str = "INFO"


class LogStream:
    """Where one sandbox logs; keeps the last invocation's tail for `LogType=Tail`."""

    def __init__(
        self, account: str, region: str, settings: LogSettings, function: str, version: str
    ) -> None:
        self.settings = settings
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
            with contextlib.suppress(ResourceNotFoundException):
                self._backend.put_log_events(self.settings.group, self.name, events)

    def _ensure(self) -> None:
        self._backend.ensure_log_group(self.settings.group)
        self._backend.ensure_log_stream(self.settings.group, self.name)

    def start(self, request_id: str, version: str) -> None:
        """Lambda's START line; begins a new tail."""
        self._tail.clear()
        self._ensure()
        self._platform(
            "INFO",
            f"START RequestId: {request_id} Version: {version}",
            "platform.start",
            {"requestId": request_id, "version": version},
        )

    def init_start(self, runtime: str) -> None:
        """Lambda's INIT_START line."""
        self._ensure()
        self._platform(
            "INFO",
            f"INIT_START Runtime Version: {runtime}",
            "platform.initStart",
            {"initializationType": "on-demand", "phase": "init", "runtimeVersion": runtime},
        )

    def init_report(self, init_ms: float, status: str, error_type: str | None) -> None:
        """Lambda's INIT_REPORT line, written when the initialisation failed."""
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
        """Lambda's END and REPORT lines. Since August 2025 the initialisation is billed too."""
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
