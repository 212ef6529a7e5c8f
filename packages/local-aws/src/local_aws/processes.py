"""Child processes of the local AWS: each leads a process group and cannot outlive the server."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_LIFELINE = Path(__file__).with_name("lifeline.py")
_running: set["Child"] = set()
_lock = threading.Lock()


class Child:
    """A program in a process group of its own, ended when this process ends.

    Args:
        program: `["-m", module, *args]` or `[file, *args]` of Python, or `["--", *command]`.
        env: the whole environment of the child; nothing is inherited.
        cwd: its working directory.
        python_flags: interpreter flags, such as `-I` and `-S`.
        stdin, stdout, stderr: as for `subprocess.Popen`.
        pass_fds: further descriptors that stay open in the child.
    """

    def __init__(
        self,
        program: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        python_flags: Sequence[str] = (),
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        watched, self._lifeline = os.pipe()
        try:
            self.popen = subprocess.Popen(
                [sys.executable, *python_flags, str(_LIFELINE), str(watched), *program],
                env=dict(env),
                cwd=cwd,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(watched, *pass_fds),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(watched)
        with _lock:
            _running.add(self)

    def terminate(self, grace: float) -> int:
        """Ask the group to end (SIGTERM), end it after `grace` seconds; the exit status."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(grace)
        return self.kill()

    def kill(self) -> int:
        """End the whole group at once; the exit status."""
        self._signal(signal.SIGKILL)
        return self.wait()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and let go of it; the exit status.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        status = self.popen.wait(timeout)
        with _lock:
            if self in _running:
                _running.discard(self)
                os.close(self._lifeline)
        return status

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # already gone
            os.killpg(self.popen.pid, number)


def running() -> list[Child]:
    """The children that have not been waited for."""
    with _lock:
        return list(_running)


def kill_all() -> None:
    """End every child; called when the server stops."""
    for child in running():
        child.kill()
