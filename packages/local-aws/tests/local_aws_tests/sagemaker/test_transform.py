"""Batch transform: one request or many from an object, one `.out` object back."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def model(aws: Any) -> str:
    aws.model("batch")
    aws.s3.put_object(Bucket="data-bucket", Key="batch/in/a.jsonl", Body=b"ab\ncd\n\nef")
    aws.s3.put_object(Bucket="data-bucket", Key="batch/in/deep/b.jsonl", Body=b"xyz\n")
    return "batch"


def transformed(aws: Any, name: str, **changes: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/batch/in"}
    request: dict[str, Any] = {
        "TransformJobName": name,
        "ModelName": "batch",
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": "application/octet-stream",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://data-bucket/batch/{name}",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    for key, value in changes.items():
        request[key] = {**request[key], **value} if isinstance(value, dict) else value
    aws.sagemaker.create_transform_job(**request)
    for _ in range(300):
        job: dict[str, Any] = aws.sagemaker.describe_transform_job(TransformJobName=name)
        if job["TransformJobStatus"] not in ("InProgress", "Stopping"):
            return job
        time.sleep(0.1)
    raise AssertionError("the transform job did not end in 30 s")


def outputs(aws: Any, name: str) -> dict[str, bytes]:
    prefix = f"batch/{name}/"
    found = aws.s3.list_objects_v2(Bucket="data-bucket", Prefix=prefix).get("Contents", [])
    return {
        entry["Key"].removeprefix(prefix): aws.s3.get_object(
            Bucket="data-bucket", Key=entry["Key"]
        )["Body"].read()
        for entry in found
    }


# the fake model answers bytes with the same bytes backwards
def test_lines_are_asked_one_by_one(aws: Any, model: str) -> None:
    job = transformed(aws, "single", BatchStrategy="SingleRecord")
    assert job["TransformJobStatus"] == "Completed"
    assert job["TransformStartTime"] <= job["TransformEndTime"]
    assert outputs(aws, "single") == {
        "a.jsonl.out": b"\nba\n\ndc\nfe\n",
        "deep/b.jsonl.out": b"\nzyx\n",
    }


def test_description_of_a_transform_has_what_sagemaker_fills_in(aws: Any, model: str) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/batch/in"}}
    aws.sagemaker.create_transform_job(
        TransformJobName="filled-in",
        ModelName="batch",
        TransformInput={"DataSource": source},
        TransformOutput={"S3OutputPath": "s3://data-bucket/batch/filled-in"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    job = aws.sagemaker.describe_transform_job(TransformJobName="filled-in")
    assert job["TransformInput"] == {
        "DataSource": source,
        "CompressionType": "None",
        "SplitType": "None",
    }
    assert job["TransformOutput"] == {
        "S3OutputPath": "s3://data-bucket/batch/filled-in",
        "AssembleWith": "None",
        "KmsKeyId": "",
    }
    assert job["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    container = aws.sagemaker.describe_model(ModelName=model)["PrimaryContainer"]
    assert (container["Mode"], container["Environment"]) == ("SingleModel", {})


def test_lines_are_asked_together(aws: Any, model: str) -> None:
    transformed(aws, "multi", BatchStrategy="MultiRecord")
    assert outputs(aws, "multi")["a.jsonl.out"] == b"fe\ndc\nba\n"


def test_an_object_is_asked_whole(aws: Any, model: str) -> None:
    transformed(
        aws,
        "whole",
        TransformInput={"SplitType": "None"},
        TransformOutput={"AssembleWith": "None"},
    )
    assert outputs(aws, "whole")["a.jsonl.out"] == b"fe\n\ndc\nba"


def test_batches_stay_below_the_payload(aws: Any, model: str) -> None:
    line = b"x" * 400_000 + b"\n"
    aws.s3.put_object(Bucket="data-bucket", Key="large/big.txt", Body=line * 5)
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/large/big.txt"}
    changes = {"DataSource": {"S3DataSource": source}}
    job = transformed(aws, "large", MaxPayloadInMB=1, TransformInput=changes)
    assert job["TransformJobStatus"] == "Completed"
    [answer] = outputs(aws, "large").values()
    # two lines of 400,001 bytes fit below 1 MiB; each answer is closed with a newline
    assert [len(part) for part in answer.split(b"\n") if part] == [400_000] * 5
    assert answer.count(b"\n") == 5 + 3


def test_a_model_error_fails_the_job(aws: Any, model: str) -> None:
    wanted = b'{"status": 400, "text": "bad line"}'
    aws.s3.put_object(Bucket="data-bucket", Key="bad/in.json", Body=wanted)
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/bad/"}
    changes = {"DataSource": {"S3DataSource": source}, "ContentType": "application/json"}
    job = transformed(aws, "bad", TransformInput=changes)
    assert job["TransformJobStatus"] == "Failed"
    assert "s3://data-bucket/bad/in.json: status 400: bad line" in job["FailureReason"]
    assert outputs(aws, "bad") == {}


def test_listing_and_refusals(aws: Any, model: str) -> None:
    transformed(aws, "listed")
    found = aws.sagemaker.list_transform_jobs(NameContains="listed")["TransformJobSummaries"]
    assert [each["TransformJobName"] for each in found] == ["listed"]
    with pytest.raises(ClientError, match="Job name must be unique"):
        transformed(aws, "listed")
    with pytest.raises(ClientError, match="is in status Completed"):
        aws.sagemaker.stop_transform_job(TransformJobName="listed")
    with pytest.raises(ClientError, match="NotImplementedByLocalAws"):
        transformed(aws, "record", TransformInput={"SplitType": "RecordIO"})
    with pytest.raises(ClientError, match="Could not find model"):
        transformed(aws, "none", ModelName="none")
