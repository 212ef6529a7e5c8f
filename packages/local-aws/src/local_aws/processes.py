"""Child processes of the local AWS: none of them, nor what they start, outlives the server."""

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
_PATIENCE = 10.0  # seconds for the supervisor to end what it supervises
_running: set["Child"] = set()
_lock = threading.Lock()


class Child:
    """A program that ends when this process ends, with all that it has started.

    On Linux that includes what was detached by a second fork or a session of its own. `popen` is
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
        """The program's process id, once it is there; the supervisor's if that has ended."""
        with contextlib.suppress(OSError, ValueError):
            return int(self._lifeline.makefile("rb").readline())
        return self.popen.pid

    def terminate(self, grace: float) -> int:
        """Ask the program's group to end (SIGTERM), end all after `grace` seconds; the status."""
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
        except subprocess.TimeoutExpired:  # the supervisor is stopped, or worse
            self.popen.kill()
            return self.wait()

    def let_go(self) -> None:
        """Let the supervisor end it all, without waiting for that."""
        with contextlib.suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_WR)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and let go of it; the exit status.

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
    """The children that have not been waited for."""
    with _lock:
        return list(_running)


def kill_all() -> None:
    """End every child; called when the server stops."""
    children = running()
    for child in children:
        child.let_go()
    for child in children:
        child.kill()
