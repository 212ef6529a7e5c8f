"""What every test may use."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.reliability import Tally

# The same inputs each time; `make reliability` tries far more, and others each time:
# `python -m pytest --hypothesis-profile=thorough …`
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=5_000, deadline=None)
settings.load_profile("ci")


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Counts for docs/reliability.md; see `tests.reliability`."""
    counts = Tally()
    yield counts
    counts.write(request.path)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the files in which something is counted, for `pytest -m tallied`."""
    files = {item.path for item in items if "tally" in getattr(item, "fixturenames", ())}
    for item in items:
        if item.path in files:
            item.add_marker("tallied")
