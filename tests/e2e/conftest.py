"""A local AWS with prepared data in it, driven by the real CDK CLI."""

import hashlib
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
from tests.synthesis import synthesize

_OF_A_DEPLOYMENT = ("deploy", "synth")  # commands for which the CLI has assets bundled


@dataclass(frozen=True)
class Workbench:
    """Runs the CDK CLI on the project, always with the same working folder.

    Attributes:
        folder: the working folder.
        data: the folder of the prepared data.
        quick: settings of every command.
    """

    folder: Path
    data: Path
    quick: tuple[str, ...]

    def cdk(self, *arguments: str) -> None:
        """Run a CDK command; `CdkError` carries the end of its output.

        The app is synthesized once for the same settings and data, and in this process.
        """
        assemblies = self.assembly(*arguments), self.assembly("deploy", *arguments[1:])
        known = [one for one in assemblies if (one / "manifest.json").exists()]
        if not known:
            known = [assemblies[0]]
            given = [word for word in arguments if word not in _without_settings(arguments)]
            pairs = [*self._settings, *given]
            synthesize(
                assemblies[0],
                dict(one.split("=", 1) for one in pairs if one != "-c"),
                deploys=arguments[0] in _OF_A_DEPLOYMENT,
            )
        cdk(*_without_settings(arguments), "--app", str(known[0]), log=self.log)

    def assembly(self, command: str, *arguments: str) -> Path:
        """The folder of the cloud assembly for a command, its settings and the present data."""
        digest = hashlib.sha256()
        given = [word for word in arguments if word not in _without_settings(arguments)]
        key = command in _OF_A_DEPLOYMENT, given, self._settings
        digest.update(repr(key).encode())
        for file in sorted(self.data.rglob("*")):
            if file.is_file():
                digest.update(str(file).encode() + file.read_bytes())
        return self.folder / "cdk.out" / digest.hexdigest()[:16]

    @property
    def _settings(self) -> tuple[str, ...]:
        return ("-c", f"data={self.data}", *self.quick)

    @property
    def log(self) -> Path:
        """The CLI's output so far."""
        return self.folder / "cdk.log"


def _without_settings(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """A command without its `-c NAME=VALUE`."""
    words = iter(arguments)
    return tuple(word for word in words if word != "-c" or not next(words))


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
            folder / "data",
            (
                *("-c", "rating.epochs=2"),
                *("-c", "recommendation.epochs=2"),
                *("-c", "retrieval.epochs=1"),
                *("-c", "refit=false"),
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
