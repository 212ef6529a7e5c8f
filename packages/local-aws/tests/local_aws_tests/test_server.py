"""The server itself."""

import pytest

from local_aws import clients
from local_aws.server import LocalAws

pytestmark = pytest.mark.slow


def test_there_is_one_at_a_time_in_a_process() -> None:
    with LocalAws() as first:
        with pytest.raises(RuntimeError, match=f"already, at {first.url}"), LocalAws():
            pass
        assert clients.endpoint_url() == first.url
        clients.client("s3", "us-east-1").create_bucket(Bucket="books")
    with LocalAws():
        assert clients.client("s3", "us-east-1").list_buckets()["Buckets"] == []
