"""Steps common to all runs; each is announced and timed."""

import argparse
import fcntl
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local_aws.environment import environment
from local_aws.server import LocalAws
from rehearsal.cdk import PROJECT, CdkError, cdk
from rehearsal.inventory import inventory
from rehearsal.progress import Progress, trainings

DATA = PROJECT / "build" / "data"
_REGION = "us-east-1"
# independent stacks are changed concurrently
_PARALLEL = ("--concurrency=4",)


@dataclass(kw_only=True)
class Steps:
    """A run: `seconds` has each step's duration, `leftovers` the remaining resources."""

    seconds: dict[str, float] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.progress = Progress(trainings=trainings)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Print a step's name and its duration, and in between what it does."""
        print(f"» {name}", flush=True)
        began = time.monotonic()
        with self.progress.step(name):
            yield
        self.seconds[name] = round(time.monotonic() - began, 2)
        print(f"  {self.seconds[name]:.1f} s", flush=True)

    @contextmanager
    def deployed(self, out: Path, *settings: str) -> Iterator[None]:
        """Deploy with the CDK CLI; at the end, destroy the deployment and list leftovers.

        Args:
            out: a folder for the assembly and the CLI's log.
            settings: the deployment's settings, as NAME=VALUE.

        Raises:
            CdkError: the CLI failed.
        """
        assembly, log = str(out / "cdk.out"), out / "cdk.log"
        log.unlink(missing_ok=True)
        with self.step("cdk synth"):
            context = [word for setting in settings for word in ("-c", setting)]
            cdk("synth", "--quiet", "--output", assembly, *context, log=log)
        with self.step("cdk bootstrap"):
            cdk("bootstrap", f"aws://123456789012/{_REGION}", "--app", assembly, log=log)
        before = inventory()
        with self.step("cdk deploy --all"):
            cdk(
                # as a first deployment (decision 17)
                *("deploy", "--all", "--no-rollback", "--require-approval=never", *_PARALLEL),
                *("--app", assembly),
                log=log,
                tell=self.progress.tell,
            )
        yield
        with self.step("cdk destroy --all"):
            cdk(
                *("destroy", "--all", "--force", *_PARALLEL, "--app", assembly),
                log=log,
                tell=self.progress.tell,
            )
        self.leftovers = sorted(inventory() - before)


@contextmanager
def _led(variables: Mapping[str, str]) -> Iterator[None]:
    """Point this process and its child processes to the local AWS only."""
    before = dict(os.environ)
    led = environment(variables, inherited=before)
    os.environ.clear()
    os.environ.update(led)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class AlreadyRunning(Exception):
    """Another process runs in this folder; the message says which and what to do."""


@contextmanager
def alone(lock: Path = PROJECT / "build" / ".running") -> Iterator[None]:
    """Refuse to run while another process does, which would use the same data and assembly.

    The lock ends with this process, however that ends.

    Raises:
        AlreadyRunning: another process holds the lock.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunning(
                f"Process {file.read().strip() or '?'} already runs in {lock.parent}: wait until "
                "it has ended, or use another copy of the project."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def exclusively(work: Callable[[], int]) -> int:
    """Return the exit status of `work`, or 1 and say why if another process runs in this folder."""
    try:
        with alone():
            return work()
    except AlreadyRunning as error:
        print(error, file=sys.stderr)
        return 1


def add_preparation(parser: argparse.ArgumentParser) -> None:
    """Add the arguments after `--`, which `prepare` passes on."""
    parser.add_argument(
        "preparation",
        nargs="*",
        metavar="-- --data DATA",
        help="options of `python -m recsys prepare`",
    )


def prepare(options: argparse.Namespace) -> int:
    """Run `recsys prepare` into `DATA` with the caller's options; return its exit status."""
    print("» prepare data", flush=True)
    command = [sys.executable, "-m", "recsys", "prepare", "--out", str(DATA)]
    return subprocess.run([*command, *options.preparation], check=False).returncode


def on_local_aws(work: Callable[[], None], failed: str, *, iam_delay: float = 0) -> int:
    """Run a function with a new local AWS.

    Args:
        work: called while the local AWS runs and this process's environment points to it.
        failed: the beginning of the message on stderr if the CDK CLI fails.
        iam_delay: seconds until a change in IAM holds.

    Returns:
        The exit status: 0 for success.
    """
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    try:
        with LocalAws(iam_delay=iam_delay) as aws, _led(aws.environment(_REGION)):
            work()
    except CdkError as error:
        print(f"\n{failed} {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped the local AWS and everything that ran in it.", file=sys.stderr)
        return 130
    return 0
