"""A local AWS in a separate process, which tests may kill or damage."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from local_aws_tests.sagemaker.conftest import Aws

PROJECT = Path(__file__).parents[2]
_SERVER = Path(__file__).with_name("server.py")


class Server:
    """A started server, and a client of it.

    Args:
        temporary: where it keeps its files.
        options: of `tests/chaos/server.py`.
        before: a command that runs it.
        variables: in addition to those of this process.
    """

    def __init__(
        self,
        temporary: Path,
        *options: str,
        before: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.popen = subprocess.Popen(
            [*before, sys.executable, str(_SERVER), *options],
            cwd=PROJECT,
            env={
                **os.environ,
                "PYTHONPATH": str(PROJECT),
                "TMPDIR": str(temporary),
                **(variables or {}),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.popen.stdout is not None
        self.aws = Aws(self.popen.stdout.readline().split()[5].rstrip("."))

    def processes(self) -> list[psutil.Process]:
        """All that it has started."""
        return psutil.Process(self.popen.pid).children(recursive=True)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        self.popen.send_signal(how)
        self.popen.wait(120)
        assert self.popen.stdout is not None
        self.popen.stdout.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts servers, and ends those that a test left running."""
    started: list[Server] = []

    def one(temporary: Path, *options: str, **settings: Mapping[str, str]) -> Server:
        started.append(Server(temporary, *options, **settings))  # type: ignore[arg-type]
        started[-1].aws.prepare()
        return started[-1]

    yield one
    for server in started:
        if server.popen.poll() is None:
            server.end()
