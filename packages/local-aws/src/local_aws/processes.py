"""Child processes of the local AWS; they and their descendants end with the server."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO

from local_aws.environment import environment

_LIFELINE = Path(__file__).with_name("lifeline.py")
_PATIENCE = 10.0  # seconds for the supervisor to end its processes
_running: set["Child"] = set()
_lock = threading.Lock()


class Child:
    """A program that ends with this process, including its descendants.

    On Linux that includes processes detached by a second fork or a new session. `popen` is
    the supervisor of the program (see `lifeline`), with the program's exit status.

    Args:
        program: `["-m", module, *args]` or `[file, *args]` of Python, or `["--", *command]`.
        env, inherited, home: of its environment, as `environment` takes them.
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
        inherited: Mapping[str, str] | None = None,
        home: Path | None = None,
        python_flags: Sequence[str] = (),
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._lifeline, theirs = socket.socketpair()
        try:
            self.popen = subprocess.Popen(
                [sys.executable, *python_flags, str(_LIFELINE), str(theirs.fileno()), *program],
                env=environment(env, inherited=inherited, home=home),
                cwd=cwd,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(theirs.fileno(), *pass_fds),
                start_new_session=True,
            )
        except BaseException:
            self._lifeline.close()
            raise
        finally:
            theirs.close()
        with _lock:
            _running.add(self)

    @cached_property
    def pid(self) -> int:
        """The program's process id; the supervisor's if the program has ended."""
        with contextlib.suppress(OSError, ValueError):
            return int(self._lifeline.makefile("rb").readline())
        return self.popen.pid

    def terminate(self, grace: float) -> int:
        """Send SIGTERM to the program's group; kill all after `grace` seconds; return status."""
        with contextlib.suppress(OSError):  # it has ended
            self._lifeline.send(b"T")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(grace)
        return self.kill()

    def kill(self) -> int:
        """End the program and all its descendants at once; the exit status."""
        self.let_go()
        try:
            return self.wait(_PATIENCE)
        except subprocess.TimeoutExpired:  # the supervisor does not respond
            self.popen.kill()
            return self.wait()

    def let_go(self) -> None:
        """Make the supervisor end everything, without waiting."""
        with contextlib.suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_WR)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and release resources; returns the exit status.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        status = self.popen.wait(timeout)
        with _lock:
            if self in _running:
                _running.discard(self)
                self._lifeline.close()
        return status


def running() -> list[Child]:
    """The children that were not waited for."""
    with _lock:
        return list(_running)


def kill_all() -> None:
    """End all children; called when the server stops."""
    children = running()
    for child in children:
        child.let_go()
    for child in children:
        child.kill()
