"""A local AWS with prepared data in it, driven by the real CDK CLI."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_aws.iam.witness import Allowed, witnessed
from local_aws.server import LocalAws
from local_aws.servicequotas.table import PROFILES
from rehearsal.cdk import PROJECT, cdk


@dataclass(frozen=True)
class Workbench:
    """Runs the CDK CLI on the project, always with the same data and working folders."""

    folder: Path
    quick: tuple[str, ...]

    def cdk(self, *arguments: str) -> None:
        """Run a CDK command; `CdkError` carries the end of its output."""
        cdk(*arguments, *self.quick, log=self.log)

    @property
    def log(self) -> Path:
        """All that the CLI said so far."""
        return self.folder / "cdk.log"


@pytest.fixture(scope="module")
def workbench(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch_module: pytest.MonkeyPatch,
    seen: set[Allowed],
) -> Iterator[Workbench]:
    """For a module whose account has the quotas that its `QUOTAS` names, if it has that."""
    folder = tmp_path_factory.mktemp("e2e")
    subprocess.run(
        [sys.executable, "-m", "recsys", "prepare", "--size", "small", "--out", folder / "data"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    with LocalAws(quotas=getattr(request.module, "QUOTAS", PROFILES[0])) as aws:
        for name, value in aws.environment().items():
            monkeypatch_module.setenv(name, value)
        yield Workbench(
            folder,
            (
                *("--output", str(folder / "cdk.out")),
                *("-c", f"data={folder / 'data'}"),
                *("-c", "rating.epochs=2"),
                *("-c", "recommendation.epochs=2"),
                *("-c", "retrieval.epochs=1"),
            ),
        )


@pytest.fixture(scope="module")
def seen() -> Iterator[set[Allowed]]:
    """All that roles and services are allowed while a module's tests run."""
    with witnessed() as found:
        yield found


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch
