"""Events: accepted at once, tried again when the function fails, remembered."""

import json
import time
from typing import Any

import pytest

from local_aws.awslambda import AsyncOutcome, async_outcome


def send(aws: Any, name: str, event: Any = None) -> str:
    answer = aws.client("lambda").invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps(event)
    )
    assert answer["StatusCode"] == 202
    request_id: str = answer["ResponseMetadata"]["RequestId"]
    return request_id


def settled(request_id: str) -> AsyncOutcome:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        outcome = async_outcome(request_id)
        assert outcome is not None
        if outcome.status != "pending":
            return outcome
        time.sleep(0.05)
    raise AssertionError("still pending")


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_aws.awslambda.models.ASYNC_RETRY_SECONDS", (0.1, 0.2))


def test_event_is_accepted_before_its_execution(aws: Any) -> None:
    name = aws.deploy("import time\ndef handler(e, c):\n    time.sleep(1)\n    print('done', e)\n")
    request_id = send(aws, name, 7)
    assert async_outcome(request_id) == AsyncOutcome("pending")
    assert settled(request_id) == AsyncOutcome("succeeded", attempts=1)
    assert "done 7" in aws.log(f"/aws/lambda/{name}")
    assert async_outcome("unknown") is None


def test_failing_event_is_tried_three_times_with_one_id(aws: Any) -> None:
    name = aws.deploy("def handler(e, c):\n    raise ValueError('always')\n")
    request_id = send(aws, name)
    assert settled(request_id) == AsyncOutcome("failed", "ValueError: always", 3)
    starts = [line for line in aws.log(f"/aws/lambda/{name}") if line.startswith("START")]
    assert starts == [f"START RequestId: {request_id} Version: $LATEST"] * 3


def test_retries_are_configurable(aws: Any) -> None:
    name = aws.deploy("def handler(e, c):\n    raise ValueError('always')\n")
    aws.client("lambda").put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    assert settled(send(aws, name)).attempts == 1


def test_unrunnable_function_fails_with_the_reason(aws: Any) -> None:
    name = aws.deploy({"index.js": ""}, Runtime="nodejs24.x")
    outcome = settled(send(aws, name))
    assert outcome.status == "failed"
    assert "runs Python functions" in outcome.reason
