"""The stack that prepares a source: what its job takes along."""

import ast
import sys
from pathlib import Path

import pytest

from local_aws.emrserverless import spark
from stacks import preparation
from stacks.constructs.archive import of_recsys
from tests.stacks.deployments import PROJECT

TAKEN = of_recsys(preparation._MODULES)
FILES = sorted(TAKEN.values())
MODULES = {place.removesuffix(".py").replace("/", ".") for place in TAKEN}


def imported(path: Path) -> set[str]:
    """The modules that a file imports, as it would on the Python of EMR Serverless's release 7."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"), feature_version=(3, 9))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            members = {f"{base}.{name.name}" for name in node.names}
            found |= members & MODULES or {base}
    return found


@pytest.mark.parametrize("path", [*FILES, preparation._ENTRY], ids=lambda path: path.name)
def test_job_imports_only_what_it_takes_along_and_spark(path: Path) -> None:
    for name in imported(path):
        first = name.split(".")[0]
        assert name in MODULES or first in {*sys.stdlib_module_names, "pyspark", "py4j"}, name


def test_release_is_that_of_the_installed_spark() -> None:
    assert preparation.RELEASE == spark.RELEASE == "emr-7.9.0"
    assert "pyspark==3.5.5" in (PROJECT / "requirements-spark.in").read_text("utf-8")


@pytest.mark.parametrize(
    ("sizes", "quick"), [({"csv": 7}, True), ({"csv": 3 << 20, "parquet": 2 << 20}, False)]
)
def test_only_a_small_job_runs_without_javas_second_compiler(
    sizes: dict[str, int], quick: bool
) -> None:
    words = " ".join(preparation._compiling(sizes)).split()
    options = dict(one.split("=", 1) for one in words if one != "--conf")
    assert set(options.values()) == ({"-XX:TieredStopAtLevel=1"} if quick else set())
    assert set(options) == (
        {"spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions"} if quick else set()
    )
