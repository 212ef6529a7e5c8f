"""What every test of a function starts from."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.lambdas.fakes import CATALOGUE, EMBEDDINGS


@pytest.fixture(autouse=True, scope="module")
def nobody() -> Iterator[None]:
    """Credentials that open nothing, should a call ever leave this process, and where data are."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("CATALOGUE_KEY", CATALOGUE)
        environment.setenv("EMBEDDINGS_PREFIX", EMBEDDINGS)
        environment.delenv("AWS_ENDPOINT_URL", raising=False)
        yield


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No waiting between a client's tries; after a test, stack traces are whole again."""
    # botocore's alone, for whatever else runs in this process waits for real
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    yield
    vars(sys).pop("tracebacklimit", None)
