"""Steps of a run: each is announced, timed, and told when it is done."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.cdk import PROJECT


@dataclass(kw_only=True)
class Steps:
    """A run's steps; `seconds` holds each one's duration."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say what begins and how long it took."""
        print(f"» {name}", flush=True)
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 2)
        print(f"  {self.seconds[name]:.1f} s", flush=True)


def prepare(out: Path, arguments: Sequence[str]) -> int:
    """Run `recsys prepare` and return its exit status; a path after `--data` is the caller's."""
    print("» prepare data", flush=True)
    command = [sys.executable, "-m", "recsys", "prepare", "--out", str(out), *arguments]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode
