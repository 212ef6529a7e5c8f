"""Fixtures and markers for all tests."""

import gc
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader, Loader
from hypothesis import settings

from tests.reliability import Tally

# The same inputs in every run; `make reliability` tries many more, different in every run:
# `python -m pytest --hypothesis-profile=thorough …`
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=5_000, deadline=None)
settings.load_profile("ci")

# folders and a fixture of tests that use the CDK CLI or kill servers
_JOURNEYS = {"e2e", "chaos", "deployment"}
# fixtures that start a local AWS or synthesize the app
_SERVICES = {"aws", "client_of", "cloud", "page", "stacks", "synthesize", "world"}

# files and folders of files that run for minutes: started last, one would keep all waiting
_LONGEST = {"e2e", "test_book_shop.py", "test_contract.py", "test_notebooks.py", "test_page.py"}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Spare the collections with which pytest ends: the heap is large, and they take seconds."""
    gc.freeze()


@pytest.fixture(scope="session")
def thorough() -> bool:
    """Whether tests try every combination (`make reliability`), and not some of each kind."""
    return settings.get_current_profile_name() == "thorough"


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Count injected faults and tried inputs for docs/reliability.md; see `tests.reliability`."""
    counts = Tally()
    yield counts
    counts.write(request.path)


def pytest_configure() -> None:
    """Read each of botocore's files once, not for every session: it took a third of the time.

    Each session has copies of the operations' paths: botocore strips the bucket from those of S3,
    and moto, in the same process, finds its methods by them.
    """
    load, services = JSONFileLoader.load_file, Loader.list_available_services
    kept: dict[str, Any] = {}

    def load_once(loader: Any, file_path: str) -> Any:
        if file_path not in kept:
            kept[file_path] = load(loader, file_path)
        found = kept[file_path]
        if not found or "operations" not in found:
            return found
        operations = {
            name: {**one, "http": {**one["http"]}} for name, one in found["operations"].items()
        }
        return {**found, "operations": operations}

    def list_once(loader: Any, type_name: str) -> Any:
        if type_name not in kept:
            kept[type_name] = services(loader, type_name)
        return [*kept[type_name]]

    patched: Any = JSONFileLoader
    patched.load_file = load_once
    patched = Loader
    patched.list_available_services = list_once


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Run no Python functions in garbage collections, as hypothesis and JAX have it.

    Another thread gets its turn in them, even while this one builds an abstract syntax tree; and
    until Python 3.13 two threads that do so at once fail: "AST constructor recursion depth
    mismatch". Werkzeug builds one for each route of a server that starts in a thread.
    """
    gc.callbacks.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need, and files that use `tally`; the longest files go first."""
    files = {item.path for item in items if "tally" in _fixtures(item)}
    for item in items:
        if item.path in files:
            item.add_marker("tallied")
        if _JOURNEYS & {*item.path.relative_to(item.config.rootpath).parts, *_fixtures(item)}:
            item.add_marker("e2e")
        if item.path.name.startswith("test_any_"):  # tries many inputs
            item.add_marker("slow")
        if "browser" in _fixtures(item):
            item.add_marker("browser")
        if item.get_closest_marker("spark"):
            item.add_marker("slow")
            if find_spec("pyspark") is None:
                item.add_marker(pytest.mark.skip(reason="needs Spark: `make setup-spark`"))
        if _SERVICES & _fixtures(item):
            item.add_marker("integration")
    items.sort(key=lambda item: not _LONGEST & {*item.path.parts[-2:]})


def _fixtures(item: pytest.Item) -> set[str]:
    return {*getattr(item, "fixturenames", ())}
