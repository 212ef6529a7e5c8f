"""Runs a container's program as a process, with SageMaker's container contract."""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from local_aws.environment import NOWHERE, machine
from local_aws.lines import Lines
from local_aws.processes import Child
from local_aws.sagemaker.roles import Role

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",  # XLA's thread pool
)


class Container:
    """One run of a program in place of a container.

    Args:
        program: the program, as `Child` takes it.
        root: the folder that replaces /opt/ml.
        environment: the container's variables, in addition to those of the machine and the role.
        role: the role whose credentials it uses.
        isolated: whether it runs without network access and credentials.
        threads: the number of threads for numerical libraries.
        on_line: called with each line of its output, from a thread.

    Raises:
        Failed: the role no longer exists.
    """

    def __init__(
        self,
        program: Sequence[str],
        root: Path,
        environment: Mapping[str, str],
        *,
        role: Role,
        isolated: bool,
        threads: int,
        on_line: Callable[[str], None],
    ) -> None:
        self._child = Child(
            program,
            env={
                **dict.fromkeys(_THREADS, str(threads)),
                "PYTHONUNBUFFERED": "1",
                "AWS_REGION": role.region,
                **({"AWS_ENDPOINT_URL": NOWHERE} if isolated else role.environment()),
                **environment,
                "CONTAINER_ROOT": str(root),
            },
            inherited=machine(),
            home=root,
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output = self._child.popen.stdout
        assert output is not None
        self._reader = threading.Thread(target=_read, args=(output, on_line), daemon=True)
        self._reader.start()

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for the end and all output; returns the exit status, or None after `seconds`."""
        try:
            status = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._child.kill()  # remaining descendants
        self._reader.join()
        return status

    def terminate(self, grace: float) -> int:
        """Send SIGTERM, and SIGKILL after `grace` seconds; returns the exit status."""
        status = self._child.terminate(grace)
        self._reader.join()
        return status


def _read(output: IO[bytes], on_line: Callable[[str], None]) -> None:
    lines = Lines()
    with output:
        while part := os.read(output.fileno(), 1 << 16):
            for line in lines.feed(part):
                on_line(line.rstrip())
        for line in lines.rest():
            on_line(line.rstrip())


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
