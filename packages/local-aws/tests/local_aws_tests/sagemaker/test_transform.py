"""Batch transform: one request or many from an object, one `.out` object back."""

import gzip
import json
import re
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import state
from local_aws.sagemaker import records, transform
from local_aws.sagemaker.storage import Location
from local_aws_tests.sagemaker.conftest import IMAGE, ROLE
from tests.reliability import Tally


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
        request[key] = {**request.get(key, {}), **value} if isinstance(value, dict) else value
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
        transformed(aws, "record", TransformInput={"SplitType": "TFRecord"})
    with pytest.raises(ClientError, match="Could not find model"):
        transformed(aws, "none", ModelName="none")
    with pytest.raises(ClientError, match="must be at most 100, not 120"):
        transformed(aws, "too-large", MaxConcurrentTransforms=4, MaxPayloadInMB=30)
    source = {"S3DataType": "S3Object", "CompressionType": "Gzip"}
    source["S3Uri"] = aws.artifact("models/source.tar.gz")
    aws.sagemaker.create_model(
        ModelName="by-source",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "ModelDataSource": {"S3DataSource": source}},
    )
    with pytest.raises(ClientError, match="ModelDataSource, which batch transform"):
        transformed(aws, "source", ModelName="by-source")


def of(aws: Any, key: str, body: bytes, **more: Any) -> dict[str, Any]:
    """The input of a transform, of one object."""
    aws.s3.put_object(Bucket="data-bucket", Key=key, Body=body)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://data-bucket/{key}"}
    return {"DataSource": {"S3DataSource": source}, **more}


# the fake model answers each line of CSV and of JSON Lines with its length
@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_answers_are_joined_with_records_of_csv(aws: Any, model: str, strategy: str) -> None:
    name = f"csv-{strategy}"
    job = transformed(
        aws,
        name,
        BatchStrategy=strategy,
        TransformInput=of(aws, "join/a.csv", b'7,"a,b",5\n8,c,555\n', ContentType="text/csv"),
        DataProcessing={
            "InputFilter": "$[1:]",
            "JoinSource": "Input",
            "OutputFilter": "$[0,-1]",
        },
    )
    assert job["TransformJobStatus"] == "Completed", job
    # '"a,b",5' has 7 characters and 'c,555' has 5
    assert outputs(aws, name) == {"a.csv.out": b"7,7\n8,5\n"}
    assert job["DataProcessing"]["JoinSource"] == "Input"


def test_answers_are_joined_with_records_of_json(aws: Any, model: str) -> None:
    body = b'{"id": 1, "features": [1, 2]}\n{"id": 2, "features": [1]}\n'
    lines = of(aws, "join/b.jsonl", body, ContentType="application/jsonlines")

    def told(name: str, **processing: str) -> list[Any]:
        job = transformed(aws, name, TransformInput=lines, DataProcessing=processing)
        assert job["TransformJobStatus"] == "Completed", job
        [content] = outputs(aws, name).values()
        return [json.loads(line) for line in content.splitlines()]

    assert told("json-1", InputFilter="$.features", JoinSource="Input") == [
        {"id": 1, "features": [1, 2], "SageMakerOutput": len("[1, 2]")},
        {"id": 2, "features": [1], "SageMakerOutput": len("[1]")},
    ]
    kept = {"OutputFilter": "$['id','SageMakerOutput']", "JoinSource": "Input"}
    assert told("json-2", InputFilter="$['features'][0]", **kept) == [
        {"id": 1, "SageMakerOutput": 1},
        {"id": 2, "SageMakerOutput": 1},
    ]


@pytest.mark.parametrize(
    ("processing", "words"),
    [
        ({"InputFilter": "$.nothing"}, r"\$.nothing selects nothing"),
        ({"OutputFilter": "$[3]"}, r"\$\[3\] selects nothing"),
    ],
)
def test_filter_that_selects_nothing_fails_the_job(
    aws: Any, model: str, processing: dict[str, str], words: str
) -> None:
    lines = of(aws, "join/c.jsonl", b'{"id": 1}\n', ContentType="application/jsonlines")
    name = f"nothing-{next(iter(processing))}"
    job = transformed(aws, name, TransformInput=lines, DataProcessing=processing)
    assert job["TransformJobStatus"] == "Failed"
    assert re.search(words, job["FailureReason"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"DataProcessing": {"InputFilter": "features"}}, "not a JSONPath"),
        ({"DataProcessing": {"InputFilter": "$..a"}}, "not a JSONPath"),
        ({"DataProcessing": {"JoinSource": "Input"}}, "not application/octet-stream"),
    ],
)
def test_processing_that_cannot_be_done_is_refused(
    aws: Any, model: str, changes: Any, words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        transformed(aws, "refused", **changes)


def test_compressed_objects_are_unpacked(aws: Any, model: str) -> None:
    packed = of(aws, "packed/a.txt.gz", gzip.compress(b"ab\ncd\n"), CompressionType="Gzip")
    transformed(aws, "gzip", BatchStrategy="SingleRecord", TransformInput=packed)
    assert outputs(aws, "gzip") == {"a.txt.gz.out": b"\nba\n\ndc\n"}
    plain = of(aws, "packed/b.txt", b"ab\n", CompressionType="Gzip")
    job = transformed(aws, "no-gzip", TransformInput=plain)
    assert "b.txt is not gzip" in job["FailureReason"]


def test_object_that_unpacks_beyond_the_limit_fails_the_job(
    aws: Any, model: str, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    monkeypatch.setattr(transform, "_UNPACKED", 3 << 20)
    bomb = gzip.compress(b"a\n" * (2 << 20))
    assert len(bomb) < 20_000
    packed = of(aws, "packed/bomb.gz", bomb, CompressionType="Gzip")
    job = transformed(aws, "bomb", TransformInput=packed)
    assert job["TransformJobStatus"] == "Failed"
    assert "bomb.gz is larger than 3145728 bytes unpacked, the most" in job["FailureReason"]
    assert outputs(aws, "bomb") == {}
    assert list(state.folder("transform").iterdir()) == []
    tally("inputs tried", "archives that unpack beyond a limit")


@pytest.mark.parametrize("split", ["None", "Line"])
@pytest.mark.parametrize(
    ("payload", "words"), [(1, "MaxPayloadInMB, 1"), (0, "1048576 bytes, the most that")]
)
def test_record_beyond_the_payload_fails_the_job(
    aws: Any, model: str, monkeypatch: pytest.MonkeyPatch, split: str, payload: int, words: str
) -> None:
    monkeypatch.setattr(transform, "_LARGEST_REQUEST", 1 << 20)
    long = of(aws, "large/line.txt", b"x" * (1 << 20) + b"\n", SplitType=split)
    job = transformed(aws, f"long-{split}-{payload}", MaxPayloadInMB=payload, TransformInput=long)
    assert job["TransformJobStatus"] == "Failed"
    assert f"large/line.txt: a record is over {words}" in job["FailureReason"]


def test_object_is_unpacked_and_split_without_being_in_memory(tmp_path: Path) -> None:
    line = b"x" * 1023 + b"\n"
    packed, unpacked = tmp_path / "in", tmp_path / "out"
    packed.write_bytes(gzip.compress(line * (32 << 10), compresslevel=1))
    tracemalloc.start()
    try:
        transform._unpack(packed, unpacked, Location("b", "k"))
        with unpacked.open("rb") as file:
            found = sum(len(one) for one in records.lines(file, 1024))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == unpacked.stat().st_size == 32 << 20
    assert peak < 8 << 20


def test_records_of_recordio_are_asked_frame_by_frame(aws: Any, model: str) -> None:
    frames = [
        struct.pack("<II", 0xCED7230A, len(content)) + content + b"\0" * (-len(content) % 4)
        for content in (b"abcd", b"xyz")
    ]
    whole = of(aws, "frames/a.pb", b"".join(frames), SplitType="RecordIO")
    answer = {"AssembleWith": "None"}
    transformed(
        aws, "frames", BatchStrategy="SingleRecord", TransformInput=whole, TransformOutput=answer
    )
    assert outputs(aws, "frames") == {"a.pb.out": frames[0][::-1] + frames[1][::-1]}
    broken = of(aws, "frames/b.pb", frames[0] + b"12345678", SplitType="RecordIO")
    job = transformed(aws, "no-frames", TransformInput=broken)
    assert f"not in RecordIO (at byte {len(frames[0])})" in job["FailureReason"]


def test_objects_of_a_manifest_are_transformed(aws: Any, model: str) -> None:
    manifest = [{"prefix": "s3://data-bucket/batch/in/"}, "deep/b.jsonl"]
    listed = of(aws, "lists/batch.manifest", json.dumps(manifest).encode())
    listed["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    transformed(aws, "manifest", TransformInput=listed)
    assert outputs(aws, "manifest") == {"deep/b.jsonl.out": b"\nzyx\n"}
