"""Jobs that would take too much wait, end, or are refused; the server goes on meanwhile."""

import json
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.sagemaker import training, transform
from local_aws.workers import JOBS_AT_ONCE, Workers
from local_aws_tests.sagemaker.test_scripts import TRAINING, archive
from tests.reliability import Tally

# a line for which the expression below needs longer than the universe has, then work
SCRIPT = "import time\nprint('loss = 0.5;', flush=True)\nprint('a' * 60, flush=True)\n{rest}\n"
ENDLESS = [{"Name": "endless", "Regex": "^(a+)+b"}, {"Name": "loss", "Regex": r"loss = (\S+);"}]


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Workers(1, "job")
    monkeypatch.setattr(training, "JOBS", jobs)
    monkeypatch.setattr(transform, "JOBS", jobs)


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def state(aws: Any, job: str) -> tuple[str, str]:
    told = aws.sagemaker.describe_training_job(TrainingJobName=job)
    return told["TrainingJobStatus"], told["SecondaryStatus"]


@pytest.mark.usefixtures("one_at_a_time")
def test_job_beyond_the_bound_is_pending_until_another_ends(aws: Any, tally: Tally) -> None:
    aws.train("line-1", HyperParameters={"seconds": "600"})
    for name in ("line-2", "line-3", "line-4"):
        aws.train(name)
    wait(lambda: state(aws, "line-1") == ("InProgress", "Training"))
    for name in ("line-2", "line-3", "line-4"):
        assert state(aws, name) == ("InProgress", "Pending")
    aws.sagemaker.stop_training_job(TrainingJobName="line-3")
    stopped = aws.sagemaker.describe_training_job(TrainingJobName="line-3")
    assert (stopped["TrainingJobStatus"], stopped["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "TrainingStartTime" not in stopped
    assert state(aws, "line-2") == ("InProgress", "Pending")
    aws.sagemaker.stop_training_job(TrainingJobName="line-1")
    jobs = [aws.ended(name) for name in ("line-1", "line-2", "line-4")]
    tally("calls under load", "training jobs beyond the bound", len(jobs))
    assert [job["TrainingJobStatus"] for job in jobs] == ["Stopped", "Completed", "Completed"]
    for before, after in pairwise(jobs):
        assert before["TrainingEndTime"] <= after["TrainingStartTime"]
    assert [each["Status"] for each in jobs[1]["SecondaryStatusTransitions"]][:3] == [
        "Starting",
        "Pending",
        "Starting",
    ]


@pytest.mark.usefixtures("one_at_a_time")
def test_transform_beyond_the_bound_can_be_stopped_while_it_waits(aws: Any) -> None:
    aws.train("holds", HyperParameters={"seconds": "600"})
    aws.model("waits")
    aws.sagemaker.create_transform_job(
        TransformJobName="waits",
        ModelName="waits",
        TransformInput={
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/input/"}
            }
        },
        TransformOutput={"S3OutputPath": "s3://data-bucket/waits"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    told = aws.sagemaker.describe_transform_job(TransformJobName="waits")
    assert told["TransformJobStatus"] == "InProgress"
    aws.sagemaker.stop_transform_job(TransformJobName="waits")
    told = aws.sagemaker.describe_transform_job(TransformJobName="waits")
    assert told["TransformJobStatus"] == "Stopped"
    assert "TransformStartTime" not in told
    aws.sagemaker.stop_training_job(TrainingJobName="holds")
    aws.ended("holds")


def test_bound_lets_a_deployments_models_train_at_once() -> None:
    assert JOBS_AT_ONCE >= 4, "rating, recommendation, deep_mf and factorization_machines"


def script(aws: Any, name: str, rest: str, **changes: Any) -> None:
    source = archive(aws, f"{name}.tar.gz", train__py=SCRIPT.format(rest=rest))
    aws.train(
        name,
        AlgorithmSpecification={
            "TrainingImage": TRAINING,
            "TrainingInputMode": "File",
            "MetricDefinitions": ENDLESS,
        },
        HyperParameters={
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": json.dumps(source),
        },
        **changes,
    )


def test_endless_expression_of_a_metric_is_given_up_and_told(aws: Any, tally: Tally) -> None:
    tally("inputs tried", "regular expressions that never end")
    script(aws, "endless", "print('loss = 0.25;')")
    job = aws.ended("endless")
    assert job["TrainingJobStatus"] == "Completed", job
    [metric] = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("loss", 0.25)
    events = aws.logs.filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="endless/"
    )["events"]
    told = [event["message"] for event in events if "regular expression" in event["message"]]
    assert told == ["The metric endless is given up: its regular expression is too slow here."]


def test_job_with_an_endless_expression_keeps_to_its_time(aws: Any, tally: Tally) -> None:
    tally("inputs tried", "regular expressions that never end")
    script(
        aws,
        "endless-late",
        "time.sleep(600)",
        StoppingCondition={"MaxRuntimeInSeconds": 3},
    )
    job = aws.ended("endless-late")
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_line_of_any_length_is_processed(aws: Any, tally: Tally) -> None:
    tally("faults injected", "a container writes a line without end")
    source = archive(aws, "long.tar.gz", train__py="print('x' * 50_000_000)")
    aws.train(
        "long",
        AlgorithmSpecification={"TrainingImage": TRAINING, "TrainingInputMode": "File"},
        HyperParameters={
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": json.dumps(source),
        },
    )
    assert aws.ended("long")["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize("name", ["..", ".", "..."])
def test_channel_named_with_dots_stays_inside_the_folder(aws: Any, tally: Tally, name: str) -> None:
    tally("inputs tried", "names that lead out of a folder")
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/input/train"}
    channels = [{"ChannelName": name, "DataSource": {"S3DataSource": source}}]
    if name == "...":  # a strange name, and one that stays inside
        assert aws.trained("dots", InputDataConfig=channels)["TrainingJobStatus"] == "Completed"
    else:
        with pytest.raises(ClientError, match="Invalid channel name") as caught:
            aws.train("dots", InputDataConfig=channels)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
