"""Deployments of `profile=lists` on the local AWS, and their functions' answers."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import boto3
import numpy as np

from bench.movielens import ITEMS, USERS
from bench.results import ROOT
from outputs import by_stack
from recsys.datasets.ratings import Ratings
from rehearsal.cdk import cdk

BATCH: Final = 100
"""Users or events of one call."""

LONGEST: Final = 50
"""Items a user is asked for: the metrics look at 25."""

_SETTINGS: Final = ("profile=lists", "api.http=true", "api.rate=10000", "api.burst=5000")


def measured(module: str, scratch: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run a module in a process that the local AWS runs, with its environment.

    Args:
        module: calls `record` when it runs.
        scratch: a folder for its files.
        arguments: of the module.

    Returns:
        The rows that it recorded.
    """
    command = [sys.executable, "-m", "local_aws", "--port", "0", "--"]
    command += [sys.executable, "-m", module, str(scratch), *arguments]
    environment = {**os.environ, ROOT: str(os.getpid())}  # the local AWS is no other work
    subprocess.run(command, env=environment, check=True)
    yield from map(json.loads, _file(scratch).read_text("utf-8").splitlines())


def record(scratch: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows for the process that called `measured`."""
    with _file(scratch).open("w", encoding="utf-8") as file:
        for row in rows:
            print(json.dumps(row), file=file, flush=True)
            print(json.dumps(row), file=sys.stderr, flush=True)


def _file(scratch: Path) -> Path:
    return scratch / "rows.jsonl"


def write(ratings: Ratings, path: Path) -> None:
    """Write ratings as people have them."""
    columns = (ratings.user, ratings.item, ratings.rating, ratings.timestamp)
    lines = (",".join(map(str, row)) for row in zip(*(c.tolist() for c in columns), strict=True))
    path.write_text("user,item,rating,timestamp\n" + "\n".join(lines) + "\n", "utf-8")


@contextmanager
def deployed(scratch: Path, *settings: str) -> Iterator[dict[str, str]]:
    """Deploy with the CDK CLI, yield the outputs of all stacks, and destroy."""
    context = [part for one in (*_SETTINGS, *settings) for part in ("-c", one)]
    common: dict[str, Any] = {"log": scratch / "cdk.log"}
    place = ("--output", str(scratch / "cdk.out"))
    cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "", **common)
    cdk("deploy", "--all", "--require-approval=never", *place, *context, **common)
    yield {name: value for stack in by_stack().values() for name, value in stack.items()}
    cdk("destroy", "--all", "--force", *place, *context, **common)


def scores(function: str, users: Sequence[int]) -> Any:
    """Ask the lists' function for all users: higher the earlier an item is, −∞ without it."""
    found = np.full((USERS, ITEMS), -np.inf)
    for first in range(0, len(users), BATCH):
        some = users[first : first + BATCH]
        event = {"users": [str(user) for user in some], "count": LONGEST, "explain": False}
        for user, answer in zip(some, invoke(function, event)[0]["lists"], strict=True):
            for place, one in enumerate(answer["items"]):
                found[user, int(one["item"])] = -place
    return found


def invoke(function: str, event: Any, aws: Any = None) -> tuple[Any, dict[str, float]]:
    """A function's answer, and the metrics of its report in the log."""
    answer = (aws or _client()).invoke(
        FunctionName=function, Payload=json.dumps(event), LogType="Tail"
    )
    told = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise RuntimeError(f"{function}: {told}")
    last = base64.b64decode(answer["LogResult"]).decode().strip().splitlines()[-1]
    return told, json.loads(last)["record"]["metrics"]


@cache
def _client() -> Any:
    return boto3.client("lambda")
