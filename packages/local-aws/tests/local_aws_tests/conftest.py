"""Fixtures of several services' tests."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from local_aws.moto_patches import install


@pytest.fixture
def mocked() -> Iterator[None]:
    """Answer the AWS calls of this process, without a server."""
    install()
    with mock_aws():
        yield
