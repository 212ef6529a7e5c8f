"""A container's program as a process on this machine, under SageMaker's container contract."""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from local_aws.environment import NOWHERE, machine
from local_aws.lines import Lines
from local_aws.processes import Child
from local_aws.sagemaker.images import Program
from local_aws.sagemaker.roles import Role

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",  # XLA's thread pool
)


class Container:
    """One run of an image's program.

    Args:
        program: what to run.
        command: `train` or `serve`.
        root: the folder that the program sees as /opt/ml.
        environment: the container's variables, beside those of the machine and of the role.
        role: with whose credentials it may call AWS.
        isolated: it may not call anything; it has no credentials then.
        threads: how many cores the program may take for its numerics.
        on_line: called with each line of its output, from a thread.

    Raises:
        Failed: the role is gone.
    """

    def __init__(
        self,
        program: Program,
        command: str,
        root: Path,
        environment: Mapping[str, str],
        *,
        role: Role,
        isolated: bool,
        threads: int,
        on_line: Callable[[str], None],
    ) -> None:
        self._child = Child(
            [*program.command, command, program.algorithm],
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
        """The exit status when it has ended and its output is read; None after `seconds`."""
        try:
            status = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._child.kill()  # whatever the program left running
        self._reader.join()
        return status

    def terminate(self, grace: float) -> int:
        """SIGTERM, and SIGKILL after `grace` seconds; the exit status."""
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
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
