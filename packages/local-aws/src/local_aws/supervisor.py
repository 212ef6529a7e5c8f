"""Supervises the program of a child process, after `lifeline` has forked.

It uses the standard library only, because it runs inside functions and training jobs, and as little
of it as possible, because it delays their start.
"""
# ruff: noqa: SIM105 (contextlib is not imported)

from __future__ import annotations

import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_SIGKILL, _SIGTERM = 9, 15
_ROUNDS = 5.0  # seconds between checks for ended processes
_PATIENCE = 5.0  # seconds for killed processes to end
_DESCRIPTORS = 1 << 16  # above the number of any child's descriptors
_LINUX = sys.platform == "linux"


def supervise(program: int, parent: int) -> NoReturn:
    """Wait for the end of the program or the parent, and kill remaining processes."""
    _let_go_of_files(parent)
    woken = _end_of(program)
    try:
        os.write(parent, b"%d\n" % program)
    except OSError:  # the parent has ended; handled below
        pass
    while (status := _reaped(program)) is None:
        ready, _, _ = select.select([parent, woken], [], [], _ROUNDS)
        if woken in ready:
            try:
                os.read(woken, 4096)
            except OSError:  # as for a process that has ended
                pass
        if parent in ready:
            try:
                told = os.read(parent, 1)
            except OSError:
                told = b""
            _signal(program, _SIGTERM if told else _SIGKILL)
            if not told:
                status = _end_all(program, None)
                break
    _end_all(program, status)
    if os.WIFSIGNALED(status):
        _die_of(os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _end_of(program: int) -> int:
    """A descriptor that becomes readable when the program ends, or earlier."""
    if sys.platform == "linux":
        try:
            return os.pidfd_open(program)
        except OSError:  # an old kernel, or a sandbox without support
            pass
    import signal

    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return woken


def _let_go_of_files(parent: int) -> None:
    """Close the program's descriptors, so that readers notice its end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(3, parent)
    os.closerange(parent + 1, _DESCRIPTORS)


def _reaped(program: int) -> int | None:
    """Reap ended processes, including orphans; returns the program's status if it ended."""
    status = None
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == program:
            status = ended


def _end_all(program: int, status: int | None) -> int:
    """Kill all descendants; returns the program's status."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        status = _reaped(program) if status is None else status
        if _LINUX and not _has_children():
            break
        import signal

        stopped: set[int] = set()
        while found := _descendants() - stopped:  # a stopped process cannot fork
            for pid in found:
                _kill(pid, signal.SIGSTOP)
            stopped |= found
        for pid in stopped:
            _kill(pid, _SIGKILL)
        if not stopped or time.monotonic() > deadline:
            break
        time.sleep(0.001)
    return os.waitpid(program, 0)[1] if status is None else status


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _descendants() -> set[int]:
    """The running descendants of this process."""
    parents: dict[int, int] = {}
    if _LINUX:
        for name in os.listdir("/proc"):
            if name.isdecimal():
                try:
                    with open(f"/proc/{name}/stat", "rb") as file:
                        state, parent = file.read().rpartition(b") ")[2].split(None, 2)[:2]
                except OSError:  # it has ended
                    continue
                if state not in b"ZX":
                    parents[int(name)] = int(parent)
    else:
        import subprocess

        command = ["/bin/ps", "-A", "-o", "pid=,ppid=,stat="]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ps:
            lines = ps.communicate()[0].splitlines()
        for pid, of, told in (line.split()[:3] for line in lines):
            if not told.startswith("Z") and int(pid) != ps.pid:
                parents[int(pid)] = int(of)
    found: set[int] = set()
    while more := {pid for pid, of in parents.items() if of in found | {os.getpid()}} - found:
        found |= more
    return found


def _signal(program: int, number: int) -> None:
    try:
        os.killpg(program, number)
    except ProcessLookupError:  # it is not a session leader yet
        _kill(program, number)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _die_of(number: int) -> NoReturn:
    """Exit like the program, without a second core dump."""
    import resource
    import signal

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != _SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)
