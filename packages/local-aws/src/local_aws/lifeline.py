"""Runs a program of which nothing outlives its parent: `lifeline.py FD (-m MODULE | FILE | --) …`.

This process supervises: the program runs in a child of it, in a session of its own; a Python
program in the same interpreter, and what follows `--` as a command. FD is one end of a pair of
sockets that the parent holds the other end of. This process writes the program's process id to
it; a byte from there is passed on as SIGTERM to the program's group, and its end, which is also
the parent's end however that comes, as SIGKILL to the program and all its descendants. These end
with the program in any case, and this process then ends as the program did.

On Linux descendants are found wherever they have gone, for orphans become children of this
process; elsewhere one that is detached from its parent, by a second fork, is not. Standard library
only, for it runs inside functions and training jobs.
"""

import contextlib
import ctypes
import os
import runpy
import select
import signal
import sys
import time
from typing import NoReturn

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PATIENCE = 5.0  # seconds for killed processes to be gone
_DESCRIPTORS = 1 << 16  # more than a child is ever started with
_LINUX = sys.platform == "linux"


def main() -> None:
    """Split into supervisor and program."""
    parent = int(sys.argv[1])
    if _LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    program = os.fork()
    if program:
        _supervise(program, parent)
    os.close(parent)
    os.setsid()
    if _LINUX:  # whoever ends the supervisor ends the program
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _become(sys.argv[2:])


def _become(program: list[str]) -> None:
    # the program must not see the local AWS's own folder as a place to import from
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != here]
    if program[0] == "--":
        os.execvp(program[1], program[1:])  # noqa: S606
    if program[0] == "-m":
        sys.argv = program[1:]
        if "" not in sys.path and not sys.flags.isolated:
            sys.path.insert(0, os.getcwd())
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program
        runpy.run_path(program[0], run_name="__main__")


def _supervise(program: int, parent: int) -> NoReturn:
    """Wait for the program's end or the parent's, and see to it that nothing is left."""
    _let_go_of_files(parent)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with contextlib.suppress(OSError):
        os.write(parent, b"%d\n" % program)
    while (status := _reaped(program)) is None:
        ready, _, _ = select.select([parent, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
        if parent in ready:
            told = b""
            with contextlib.suppress(OSError):
                told = os.read(parent, 1)
            _signal(program, signal.SIGTERM if told else signal.SIGKILL)
            if not told:
                status = _end_all(program, None)
                break
    _end_all(program, status)
    if os.WIFSIGNALED(status):
        _die_of(os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _let_go_of_files(parent: int) -> None:
    """Keep nothing open that the program has: who reads from it waits for the end of it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(3, parent)
    os.closerange(parent + 1, _DESCRIPTORS)


def _reaped(program: int) -> int | None:
    """Bury what has ended, adopted orphans too; the program's status if it is among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, ended = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == program:
                status = ended
    return status


def _end_all(program: int, status: int | None) -> int:
    """Kill every descendant; the program's status, which is waited for if it is still to come."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        status = _reaped(program) if status is None else status
        if _LINUX and not _has_children():
            break
        stopped: set[int] = set()
        while found := _descendants() - stopped:  # a stopped process begets no other
            for pid in found:
                _kill(pid, signal.SIGSTOP)
            stopped |= found
        for pid in stopped:
            _kill(pid, signal.SIGKILL)
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
    """The living processes that come from this one."""
    parents: dict[int, int] = {}
    if _LINUX:
        for name in os.listdir("/proc"):
            if name.isdecimal():
                with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b") ")[2].split(None, 2)[:2]
                    if state not in b"ZX":
                        parents[int(name)] = int(parent)
    else:
        import subprocess  # which would cost a function some of its cold start

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
    except ProcessLookupError:  # it does not lead its session yet
        _kill(program, number)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _die_of(number: int) -> NoReturn:
    """End as the program did, but without a second core dump."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


if __name__ == "__main__":
    main()
