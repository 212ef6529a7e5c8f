"""Runs a program that dies with its parent: `lifeline.py FD (-m MODULE | FILE | --) ARGS…`.

FD is the read end of a pipe that the parent holds open. When the parent is gone, however it went,
the pipe closes and this process ends with its whole process group. A Python program runs in this
process, and what follows `--` in one of its own. Standard library only, for it runs inside
functions and training jobs.
"""

import os
import runpy
import signal
import sys
import threading


def _watch(descriptor: int) -> None:
    try:
        os.read(descriptor, 1)
    finally:
        os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Start the watch, then become the program."""
    descriptor = int(sys.argv[1])
    threading.Thread(target=_watch, args=(descriptor,), daemon=True).start()
    program = sys.argv[2:]
    # the program must not see the local AWS's own folder as a place to import from
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != here]
    if program[0] == "--":
        import subprocess  # which would cost a function some of its cold start

        sys.exit(subprocess.run(program[1:]).returncode)
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
