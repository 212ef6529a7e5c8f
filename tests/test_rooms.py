"""The rooms import only what CONTRIBUTING.md lets them."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent

FOLDERS = {"recsys": "packages/recsys/src", "local_aws": "packages/local-aws/src"}
FORBIDDEN = {
    "cost": {"aws_cdk", "boto3", "botocore", "moto", "recsys", "local_aws", "stacks", "rehearsal"},
    "stacks": {"boto3", "botocore", "moto", "recsys", "local_aws", "lambdas", "rehearsal"},
    "lambdas": {"aws_cdk", "recsys", "local_aws", "stacks", "moto", "rehearsal"},
    "scripts": {"aws_cdk", "boto3", "botocore", "moto", "local_aws", "stacks", "rehearsal"},
    "recsys": {"aws_cdk", "boto3", "botocore", "moto", "local_aws", "stacks", "rehearsal"},
    "local_aws": {"aws_cdk", "recsys", "stacks", "lambdas", "rehearsal", "web"},
    "web": {"aws_cdk", "recsys", "stacks", "lambdas", "local_aws", "moto", "rehearsal"},
}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_room_imports_only_what_it_may(room: str) -> None:
    files = sorted((PROJECT / FOLDERS.get(room, room)).rglob("*.py"))
    assert files, f"{room} is empty"
    trespasses = {
        str(path.relative_to(PROJECT)): found
        for path in files
        if (found := _imports(path) & FORBIDDEN[room])
    }
    assert trespasses == {}


@pytest.mark.parametrize("room", ["stacks", "lambdas", "scripts", "notebooks", "web"])
def test_nothing_deployed_knows_the_local_aws(room: str) -> None:
    for path in (PROJECT / room).rglob("*.py"):
        text = path.read_text("utf-8")
        assert "AWS_ENDPOINT_URL" not in text, path
        if path.name != "access.py":  # of the page, which tells its own names from others
            assert "localhost" not in text, path


def _modules(room: str) -> dict[str, Path]:
    """A room's files by their modules' names; a package's is that of its `__init__`."""
    root = PROJECT / room if room == "lambdas" else PROJECT
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (PROJECT / room).rglob("*.py")
    }


@pytest.mark.parametrize("room", ["recsys", "stacks", "lambdas", "web", "rehearsal", "bench"])
def test_no_module_imports_what_imports_it(room: str) -> None:
    modules = _modules(room)
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        imported: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        # what a module imports from its own package is looked at by its own name
        graph[name] = {one for one in imported & modules.keys() if not name.startswith(f"{one}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_two_packages_of_recsys_import_each_other() -> None:
    def package(name: str) -> str:
        return ".".join(name.split(".")[:2])

    arrows = set()
    for name, path in _modules("recsys").items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
                arrows |= {(package(name), package(one)) for one in found if one.count(".")}
    known = {package(name) for name in _modules("recsys")} - {"recsys"}
    both = {(a, b) for a, b in arrows if a != b and {a, b} <= known and (b, a) in arrows}
    assert both == set()
