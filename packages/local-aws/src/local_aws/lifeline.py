"""Runs a program that exits when its parent exits: `lifeline.py FD (-m MODULE | FILE | --) …`.

This process supervises: the program runs in a child of it, in a new session; a Python
program in the same interpreter, and what follows `--` as a command. FD is one end of a pair of
sockets that the parent holds the other end of. This process writes the program's process id to
it; a byte from there is passed on as SIGTERM to the program's group, and its end, which is also
the parent's end however that comes, as SIGKILL to the program and all its descendants. These end
with the program in any case, and this process then ends as the program did.

On Linux descendants are found wherever they have gone, for orphans become children of this
process; elsewhere one that is detached from its parent, by a second fork, is not. Standard library
only, for it runs inside functions and training jobs; and each import costs a function some of its
cold start.
"""

import os
import sys

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SIGKILL = 9


def main() -> None:
    """Split into supervisor and program."""
    parent = int(sys.argv[1])
    here = os.path.dirname(os.path.abspath(__file__))
    prctl = None
    if sys.platform == "linux":
        import ctypes

        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    program = os.fork()
    if program:
        import importlib

        sys.path.insert(0, here)
        importlib.import_module("supervisor").supervise(program, parent)
    os.close(parent)
    os.setsid()
    if prctl is not None:  # signals to the supervisor end the program
        prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    _become(sys.argv[2:], here)


def _become(program: list[str], here: str) -> None:
    # the program must not import from the local AWS's own folder
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != here]
    if program[0] == "--":
        os.execvp(program[1], program[1:])  # noqa: S606
    import runpy

    if program[0] == "-m":
        sys.argv = program[1:]
        if "" not in sys.path and not sys.flags.isolated:
            sys.path.insert(0, os.getcwd())
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program
        runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    main()
