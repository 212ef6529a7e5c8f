"""pytest plugin: the fixture `local_aws`, a local AWS for the whole test session."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local_aws.server import LocalAws


@pytest.fixture(scope="session")
def local_aws() -> Iterator["LocalAws"]:
    """A running local AWS for boto3 clients and child processes."""
    from local_aws.server import LocalAws

    with LocalAws() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        yield aws
