"""The server itself."""

import urllib.request

import pytest

from local_aws.server import LocalAws


def test_there_is_one_at_a_time_in_a_process() -> None:
    with LocalAws() as first:
        with pytest.raises(RuntimeError, match=f"already, at {first.url}"), LocalAws():
            pass
        with urllib.request.urlopen(f"{first.url}/moto-api/data.json") as answer:
            assert answer.status == 200
    with LocalAws() as next_one:
        assert next_one.url
