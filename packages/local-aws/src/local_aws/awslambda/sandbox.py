"""A sandbox: a process that runs one function, one invocation at a time."""

import base64
import json
import logging
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from local_aws import state
from local_aws.awslambda.bootstrap import LONGEST, RECORD_BREAK
from local_aws.awslambda.logs import LogStream
from local_aws.documents import read_json
from local_aws.lines import Lines
from local_aws.processes import Child

log = logging.getLogger("local_aws.lambda")

INIT_SECONDS = 10.0  # Lambda's limit for the first attempt of the initialisation
# initialisations at once: each has a core on AWS; more would keep one another from the limit here
_STARTING = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
_MEMORY_CHECK_SECONDS = 0.05
_PART_BYTES = 1 << 16  # bytes of the log read at a time
_PIPE_BYTES = 1 << 20  # the capacity of a pipe
_HEAD_BYTES = 1 << 16  # of a message; its own code writes a few dozen
_LENGTHS = struct.Struct(">II")
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True)
class Answer:
    """The result of an invocation."""

    payload: bytes
    error_type: str | None
    log_tail: bytes


class _Ended(Exception):
    """The process ended before it responded."""

    def __init__(self, status: str, error_type: str, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.error_type = error_type


class Sandbox:
    """A process, which its first invocation starts and initialises.

    Args:
        paths: folders to import from, in addition to the standard library.
        task_root: the function's own code, also its working directory.
        variables: the process's whole environment.
        timeout: seconds that an invocation may last.
        memory_mb: the memory at which the process is ended.
        runtime: what INIT_START names.
        stream: where it logs.
    """

    def __init__(
        self,
        *,
        paths: Sequence[str],
        task_root: Path,
        variables: dict[str, str],
        timeout: float,
        memory_mb: int,
        runtime: str,
        stream: LogStream,
    ) -> None:
        self._paths, self._task_root, self._variables = list(paths), task_root, variables
        self._timeout, self._memory_mb, self._runtime = timeout, memory_mb, runtime
        self.stream = stream
        self.alive = False
        self.started = self.last_used = time.monotonic()
        self._peak_mb = 0
        self._init_ms: float | None = None
        self._initialised = False
        self._scratch = Path(tempfile.mkdtemp(dir=state.folder("lambda", "tmp")))

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        log_read, log_write = os.pipe()
        home = self._scratch
        self._began = time.monotonic()
        self._lines = Lines()
        self._process: psutil.Process | None = None
        try:
            self._child = Child(
                [str(_BOOTSTRAP), str(theirs.fileno()), json.dumps(self._paths)],
                env={**self._variables, "TMPDIR": str(home)},
                home=home,
                cwd=self._task_root,
                python_flags=("-I", "-S", "-X", "utf8"),
                stdout=log_write,
                stderr=log_write,
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            self.alive = False
            shutil.rmtree(self._scratch, ignore_errors=True)
            ours.close()
            os.close(log_read)
            raise
        finally:
            theirs.close()
            os.close(log_write)
        self._socket, self._log, self._log_open = ours, log_read, True
        os.set_blocking(log_read, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(ours, selectors.EVENT_READ)
        self._selector.register(log_read, selectors.EVENT_READ)
        self.alive = True

    def invoke(
        self, request_id: str, event: bytes, function_arn: str, client_context: str | None
    ) -> Answer:
        """Run the handler on a JSON event; the answer says whether it failed."""
        version = self._variables["AWS_LAMBDA_FUNCTION_VERSION"]
        cold = not self._initialised
        if cold:
            self.stream.init_start(self._runtime)
        began: float | None = None
        try:
            init_error = None
            if cold:
                with _turn():
                    init_error = self._initialise(request_id)
            self.stream.start(request_id, version)
            if init_error is not None:
                return self._report(request_id, init_error, 0.0, cold)
            began = time.monotonic()
            deadline = began + self._timeout
            head = {
                "request_id": request_id,
                "function_arn": function_arn,
                "deadline": deadline,
                "client_context": _decoded(client_context),
            }
            try:
                self._send(head, event, deadline)
                reply, body = self._receive(deadline)
            except TimeoutError:
                self.end()
                raise _Ended(
                    "timeout",
                    "Sandbox.Timedout",
                    f"Error: Task timed out after {self._timeout:.2f} seconds",
                ) from None
            self.last_used = time.monotonic()
            # the handler's time alone, as on AWS: not that of a busy server, or of copying the log
            seconds = max(min(reply["sent"], self.last_used) - began, 0.0)
            return self._report(request_id, (reply.get("error_type"), body), seconds, cold)
        except _Ended as ended:
            if began is None:  # during the initialisation
                began = time.monotonic()
                init_ms = (began - self._began) * 1000
                self.stream.init_report(init_ms, ended.status, ended.error_type)
                self.stream.start(request_id, version)
            words = f"RequestId: {request_id} {ended}"
            if ended.status == "timeout":
                now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                self.stream.write([f"{now} {request_id} {str(ended).removeprefix('Error: ')}"])
            else:
                self.stream.write([words])
            body = json.dumps({"errorType": ended.error_type, "errorMessage": words}).encode()
            seconds = time.monotonic() - began
            return self._report(request_id, (ended.error_type, body), seconds, cold, ended.status)

    def end(self) -> None:
        """End the process and delete its scratch folder."""
        if self.alive:
            self.alive = False
            self._stop()
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _stop(self) -> int:
        status = self._child.kill()
        self._drain()
        self._flush_partial()
        self._selector.close()
        self._socket.close()
        os.close(self._log)
        return status

    def _initialise(self, request_id: str) -> tuple[str, bytes] | None:
        """Start the process and wait for it; the error's type and payload if it failed."""
        self._start()
        try:
            reply, body = self._receive(self._began + INIT_SECONDS)
        except TimeoutError:
            # like Lambda: retry once, as part of the invocation and its timeout
            self.stream.init_report(INIT_SECONDS * 1000, "timeout", None)
            self._stop()
            self._start()
            try:
                reply, body = self._receive(self._began + self._timeout)
            except TimeoutError:
                self.end()
                raise _Ended(
                    "timeout",
                    "Sandbox.Timedout",
                    f"Error: Task timed out after {self._timeout:.2f} seconds",
                ) from None
        self._init_ms = (time.monotonic() - self._began) * 1000
        self._initialised = True
        if reply["kind"] == "init_error":
            self.stream.init_report(self._init_ms, "error", reply["error_type"])
            self.end()
            return reply["error_type"], body
        return None

    def _report(
        self,
        request_id: str,
        result: tuple[str | None, bytes],
        seconds: float,
        cold: bool,
        status: str | None = None,
    ) -> Answer:
        error_type, body = result
        self._note_memory()
        self.stream.end(
            request_id,
            duration_ms=seconds * 1000,
            init_ms=self._init_ms if cold else None,
            memory_mb=self._memory_mb,
            used_mb=min(self._peak_mb, self._memory_mb),
            status=status or ("error" if error_type else "success"),
            error_type=error_type,
        )
        return Answer(body, error_type, self.stream.tail())

    def _send(self, head: dict[str, Any], body: bytes, deadline: float) -> None:
        """Send a message; TimeoutError at the deadline."""
        encoded = json.dumps(head).encode()
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._socket.sendall(_LENGTHS.pack(len(encoded), len(body)) + encoded + body)
            self._socket.settimeout(None)
        except TimeoutError:
            raise
        except OSError:
            raise self._exited() from None

    def _receive(self, deadline: float) -> tuple[dict[str, Any], bytes]:
        """Receive the next message and copy the log meanwhile; TimeoutError at the deadline."""
        received = bytearray()
        wanted = _LENGTHS.size
        checked = time.monotonic()
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            for key, _ in self._selector.select(min(left, _MEMORY_CHECK_SECONDS)):
                if key.fileobj is not self._socket:
                    self._copy_log()  # only a part, because the function may write forever
                    continue
                try:
                    part = self._socket.recv(1 << 20)
                except ConnectionError:
                    part = b""
                if not part:
                    raise self._exited()
                received += part
            if len(received) >= _LENGTHS.size:
                head_length, body_length = _LENGTHS.unpack_from(received)
                if head_length > _HEAD_BYTES or body_length > LONGEST + 1:
                    raise self._exited()  # the function itself has written this
                wanted = _LENGTHS.size + head_length + body_length
                if len(received) >= wanted:
                    self._drain()  # output written before the response
                    self._flush_partial()
                    start = _LENGTHS.size + head_length
                    head = _head(bytes(received[_LENGTHS.size : start]))
                    if head is None:
                        raise self._exited()
                    return head, bytes(received[start:])
            now = time.monotonic()
            if now - checked < _MEMORY_CHECK_SECONDS:
                continue
            checked = now
            if self._note_memory() > self._memory_mb:
                self.end()
                raise _Ended(
                    "error",
                    "Runtime.OutOfMemory",
                    "Error: Runtime exited with error: signal: killed",
                )

    def _exited(self) -> _Ended:
        try:
            status = self._child.wait(1.0)
        except subprocess.TimeoutExpired:  # it closed the socket but still runs
            status = 0
        self.end()
        if status < 0:
            how = f"with error: signal: {signal.strsignal(-status) or -status}".lower()
        elif status:
            how = f"with error: exit status {status}"
        else:
            how = "without providing a reason"
        return _Ended("error", "Runtime.ExitError", f"Error: Runtime exited {how}")

    def _note_memory(self) -> int:
        """The process's current memory in MB; also records the maximum."""
        try:
            self._process = self._process or psutil.Process(self._child.pid)
            now = self._process.memory_info().rss >> 20
        except psutil.Error:
            return 0
        peak = now
        if sys.platform == "linux":
            try:
                status = Path(f"/proc/{self._process.pid}/status").read_text()
                peak = int(status.partition("VmHWM:")[2].split()[0]) >> 10
            except (OSError, IndexError):
                pass
        self._peak_mb = max(self._peak_mb, peak)
        return now

    def _drain(self) -> None:
        """Copy the current content of the log's pipe, but not endlessly."""
        for _ in range(_PIPE_BYTES // _PART_BYTES):
            if not self._copy_log():
                return

    def _copy_log(self) -> bool:
        """Copy a part of the log; returns whether there was any."""
        try:
            part = os.read(self._log, _PART_BYTES)
        except OSError:  # there is none now
            return False
        if part:
            self._write(self._lines.feed(part))
        elif self._log_open:
            self._log_open = False
            self._selector.unregister(self._log)
        return bool(part)

    def _flush_partial(self) -> None:
        self._write(self._lines.rest())

    def _write(self, lines: list[str]) -> None:
        self.stream.write([line.replace(RECORD_BREAK, "\n") for line in lines])


@contextmanager
def _turn() -> Iterator[None]:
    """Wait until an initialisation may start.

    Those that run may themselves call the function that waits here: so not for longer than one may
    take.
    """
    taken = _STARTING.acquire(timeout=INIT_SECONDS)
    try:
        yield
    finally:
        if taken:
            _STARTING.release()


def _head(text: bytes) -> dict[str, Any] | None:
    """A message's head; None if it is none of the bootstrap's."""
    try:
        head = json.loads(text)
        return {**head, "kind": str(head["kind"]), "sent": float(head["sent"])}
    except (KeyError, RecursionError, TypeError, ValueError):
        return None


def _decoded(client_context: str | None) -> Any:
    if not client_context:
        return None
    try:
        return read_json(base64.b64decode(client_context))
    except ValueError:
        return None
