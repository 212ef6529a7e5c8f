"""The machine's clock is set, forward and back, while something is under way."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.test_killed import function
from tests.reliability import Tally

DAY, HOUR = 86_400, 3_600
WHO = """
import os
import boto3

def handler(event, context):
    return boto3.client("sts").get_caller_identity()["Arn"]
"""


@pytest.mark.parametrize("jump", [DAY, -HOUR])
def test_changed_clock_does_not_affect_the_server(
    tmp_path: Path, start: Callable[..., Any], tally: Tally, jump: int
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    folder = tmp_path / "server"
    folder.mkdir()
    aws = start(folder, "--fake", "--clock", str(clock)).aws
    function(aws, "who", WHO)
    before = called(aws, "who")
    aws.model("m")
    aws.config("c", "m")
    aws.train("job", HyperParameters={"seconds": "2"})
    while status(aws, "job") != "Training":
        time.sleep(0.05)
    aws.sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")

    after = tmp_path / "after"
    after.write_text(str(jump))
    after.rename(clock)
    tally("faults injected", f"the clock is set {'forward' if jump > 0 else 'back'}")

    job = aws.ended("job")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert 1 <= job["TrainingTimeInSeconds"] < 60
    times: list[datetime] = [
        moment
        for each in job["SecondaryStatusTransitions"]
        for moment in (each["StartTime"], each["EndTime"])
    ]
    assert times == sorted(times)
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert aws.settled("e")["EndpointStatus"] == "InService"
    assert aws.invoke("e", {})["answer"] is None
    assert called(aws, "who") == before
    assert aws.trained("next")["TrainingJobStatus"] == "Completed"
    aws.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c")
    assert aws.settled("e")["EndpointStatus"] == "InService"


def called(aws: Any, name: str) -> Any:
    answer = aws.client("lambda").invoke(FunctionName=name)
    body = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return body


def status(aws: Any, job: str) -> str:
    return str(aws.sagemaker.describe_training_job(TrainingJobName=job)["SecondaryStatus"])
