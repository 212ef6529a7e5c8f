"""The packages import only what CONTRIBUTING.md lets them."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parent.parent
LINT = Path(sys.executable).with_name("lint-imports")
SETTINGS = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
CONTRACTS: dict[str, Any] = {
    one["name"]: one for one in SETTINGS["contracts"] if one["type"] == "forbidden"
}
# a package of the project, or a library that tells what a package is about
NAMED = {*SETTINGS["root_packages"], "outputs", "aws_cdk", "boto3", "moto"}


def _lint(project: Path) -> "subprocess.CompletedProcess[str]":
    paths = [
        project / "lambdas",
        PROJECT / "packages/recsys/src",
        PROJECT / "packages/local-aws/src",
    ]
    return subprocess.run(
        [str(LINT), "--no-logo", "--no-cache"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )


def _table() -> dict[str, set[str]]:
    """By package, the names that its row of CONTRIBUTING.md lets it import."""
    rows = {}
    for line in (PROJECT / "CONTRIBUTING.md").read_text("utf-8").splitlines():
        found = re.fullmatch(r"\| (.+) \| .+ \| (.+) \|", line)
        for folder in re.findall(r"`(?:packages/)?([a-z-]+)/", found[1]) if found else ():
            rows[folder.replace("-", "_")] = set(re.findall(r"`(\w+)`", found[2]))  # type: ignore[index]
    return rows


def test_imports_of_the_project_keep_the_contracts() -> None:
    done = _lint(PROJECT)
    assert done.returncode == 0, done.stdout


def test_contracts_know_every_function() -> None:
    functions = {path.parent.name for path in (PROJECT / "lambdas").glob("*/__init__.py")}
    apart = next(one for one in SETTINGS["contracts"] if one["type"] == "independence")
    assert functions <= {*SETTINGS["root_packages"]}
    assert {*apart["modules"]} == functions - {"common"}


def test_imports_against_a_contract_are_reported(tmp_path: Path) -> None:
    for name in (
        "bench",
        "cost",
        "lambdas",
        "notebooks",
        "preflight",
        "rehearsal",
        "scripts",
        "stacks",
        "web",
    ):
        (tmp_path / name).symlink_to(PROJECT / name)
    text = (PROJECT / "pyproject.toml").read_text("utf-8")
    name = CONTRACTS["bench"]["name"]
    head, contract, rest = text.partition(f'name = "{name}"\n')
    forbidden = rest.replace("forbidden_modules = [", 'forbidden_modules = [\n  "recsys",', 1)
    (tmp_path / "pyproject.toml").write_text(head + contract + forbidden, "utf-8")
    done = _lint(tmp_path)
    assert done.returncode == 1
    assert re.search(r"^bench BROKEN$", done.stdout, re.MULTILINE), done.stdout
    assert "bench.accuracy -> recsys" in done.stdout


def test_contracts_equal_the_table_in_contributing() -> None:
    table = _table()
    assert CONTRACTS.keys() <= table.keys()
    for name, contract in CONTRACTS.items():
        allowed = NAMED - {*contract["source_modules"], *contract["forbidden_modules"]}
        assert allowed == table[name] & NAMED, name
        assert ("boto3" in allowed) == ("botocore" not in contract["forbidden_modules"]), name


def test_functions_import_recsys_only_if_their_stack_bundles_it() -> None:
    needing = re.compile(r"^\s*(from|import) (recsys\b|common import .*list_model)", re.MULTILINE)
    importing = {
        path.relative_to(PROJECT / "lambdas").parts[0]
        for path in (PROJECT / "lambdas").rglob("*.py")
        if path.name != "list_model.py" and needing.search(path.read_text("utf-8"))
    }
    stack = (PROJECT / "stacks" / "lists.py").read_text("utf-8")
    assert importing == set(re.findall(r'package="(\w+)"', stack))


@pytest.mark.parametrize("room", ["stacks", "lambdas", "scripts", "notebooks", "web"])
def test_deployed_code_does_not_mention_the_local_aws(room: str) -> None:
    for path in (PROJECT / room).rglob("*.py"):
        text = path.read_text("utf-8")
        assert "AWS_ENDPOINT_URL" not in text, path
        if path.name != "access.py":  # of the page, which tells its own names from others
            assert "localhost" not in text, path
