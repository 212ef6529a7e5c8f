"""FilterLogEvents by the streams' names."""

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local_aws.moto_patches import install


@pytest.fixture
def logs() -> Iterator[Any]:
    install()
    with mock_aws():
        client: Any = boto3.client("logs", region_name="us-east-1")
        client.create_log_group(logGroupName="jobs")
        for stream in ("train-1/algo-1", "train-2/algo-1", "transform"):
            client.create_log_stream(logGroupName="jobs", logStreamName=stream)
            event = {"timestamp": int(time.time() * 1000), "message": f"from {stream}"}
            client.put_log_events(logGroupName="jobs", logStreamName=stream, logEvents=[event])
        yield client


def messages(logs: Any, **asked: Any) -> list[str]:
    found = logs.filter_log_events(logGroupName="jobs", **asked)
    return [event["message"] for event in found["events"]]


def test_prefix_selects_streams(logs: Any) -> None:
    assert messages(logs, logStreamNamePrefix="train-") == [
        "from train-1/algo-1",
        "from train-2/algo-1",
    ]
    assert messages(logs, logStreamNamePrefix="train-2/") == ["from train-2/algo-1"]
    assert messages(logs, logStreamNamePrefix="train-", filterPattern="1/algo") == [
        "from train-1/algo-1"
    ]
    assert messages(logs, logStreamNamePrefix="nothing") == []
    assert messages(logs, logStreamNames=["transform"]) == ["from transform"]
    assert len(messages(logs)) == 3


def test_names_with_a_prefix_are_refused(logs: Any) -> None:
    with pytest.raises(ClientError, match="mutually exclusive") as error:
        messages(logs, logStreamNamePrefix="t", logStreamNames=["transform"])
    assert error.value.response["Error"]["Code"] == "InvalidParameterException"
    with pytest.raises(ClientError) as error:
        logs.filter_log_events(logGroupName="none", logStreamNamePrefix="t")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_group_is_found_by_its_name_and_by_its_arn(logs: Any) -> None:
    arn = logs.describe_log_groups()["logGroups"][0]["arn"]
    for identifier in ("jobs", arn, arn.removesuffix(":*")):
        found = logs.filter_log_events(logGroupIdentifier=identifier)["events"]
        assert len(found) == 3
        stream = {"logGroupIdentifier": identifier, "logStreamName": "transform"}
        assert [one["message"] for one in logs.get_log_events(**stream)["events"]] == [
            "from transform"
        ]
    with pytest.raises(ClientError, match="cannot be specified at the same time"):
        logs.filter_log_events(logGroupName="jobs", logGroupIdentifier=arn)


def test_export_to_a_bucket_is_refused_and_writes_nothing(logs: Any) -> None:
    s3: Any = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="exports")
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*logs:CreateExportTask"):
        logs.create_export_task(
            logGroupName="jobs", fromTime=0, to=int(time.time() * 1000), destination="exports"
        )
    assert s3.list_objects_v2(Bucket="exports")["KeyCount"] == 0
