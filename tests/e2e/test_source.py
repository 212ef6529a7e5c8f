"""Lists from data in a bucket, prepared by Spark, from `cdk deploy` to `cdk destroy`."""

import importlib.util
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pyarrow.parquet as pq
import pytest

from local_aws import processes
from local_aws.server import LocalAws
from rehearsal.cdk import CdkError, cdk
from rehearsal.inventory import inventory
from tests.reliability import Tally

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None, reason="needs Spark: run `make setup-spark`"
)
SETTINGS = (
    *("-c", "profile=lists", "-c", "source=s3://logs/2026/"),
    *("-c", "preparation.lists=4", "-c", "preparation.table=true", "-c", "training.waits=1"),
)


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    with LocalAws() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="logs")
        yield


def upload(users: int, bad: int = 0) -> None:
    """Two kinds of readers, whose books are of their kind, in two packed parts of a table."""
    random = np.random.default_rng(0)
    lines = [
        f"reader {user},book {2 * book + user % 2},{random.integers(1, 6)},2026-01-0{1 + book % 9}"
        for user in range(users)
        for book in random.permutation(12)[:8]
    ]
    lines += ["reader 1,book 2,many stars,2026-01-01"] * bad
    s3, half = boto3.client("s3"), len(lines) // 2
    for number, part in enumerate((lines[:half], lines[half:])):
        text = "\n".join(["reader_id,isbn,stars,date", *part])
        s3.put_object(Bucket="logs", Key=f"2026/part-{number}.csv", Body=text.encode())


def lists(event: dict[str, Any]) -> Any:
    answer = boto3.client("lambda").invoke(
        FunctionName="recommender-Lists", Payload=json.dumps(event)
    )
    return json.loads(answer["Payload"].read())


def output(stack: str, name: str) -> str:
    """Of a deployed stack."""
    (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    told = {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}
    return str(told[name])


def list_of(user: str, *, users: int) -> list[str]:
    """A user's list among those that the job wrote for all users, of whom there are so many."""
    _, _, bucket, prefix = output("recommender-Preparation", "ListsForAllUsers").split("/", 3)
    s3, rows = boto3.client("s3"), []
    for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
        if found["Key"].endswith(".parquet"):
            body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
            rows += pq.read_table(io.BytesIO(body)).to_pylist()
    assert len(rows) == users * 4
    own = [row for row in rows if row["user"] == user]
    return [row["item"] for row in sorted(own, key=lambda row: row["place"])]


def read_by_key(user: str) -> list[str] | None:
    """A user's list in the table of all users' lists; None if there is none."""
    row = boto3.client("dynamodb").get_item(
        TableName=output("recommender-Lists", "ListsForAllUsersTableName"),
        Key={"user": {"S": user}},
    )
    if "Item" not in row:
        return None
    return [one["M"]["item"]["S"] for one in row["Item"]["items"]["L"]]


def prefixes() -> set[str]:
    """Of the jobs whose outputs there are."""
    s3 = boto3.client("s3")
    found: set[str] = set()
    for bucket in s3.list_buckets()["Buckets"]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"])
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        found |= {key.split("/")[1] for key in keys if key.startswith("prepared/")}
    return found


def running(deployment: threading.Thread) -> None:
    """Wait until the deployment's job runs."""
    emr, states = boto3.client("emr-serverless"), list[str]()
    while "RUNNING" not in states:
        assert deployment.is_alive()
        time.sleep(0.5)
        states = [
            run["state"]
            for application in emr.list_applications()["applications"]
            for run in emr.list_job_runs(applicationId=application["id"])["jobRuns"]
        ]


def test_source_is_deployed_changed_and_destroyed(
    environment: None, tmp_path: Path, tally: Tally
) -> None:
    log = tmp_path / "cdk.log"

    def run(*command: str) -> None:
        cdk(*command, "--output", str(tmp_path / "cdk.out"), log=log)

    def nothing_left(what: str) -> None:
        left = inventory() - before
        tally("leftovers found", what, len(left))
        assert left == set()
        assert prefixes() == set()
        jobs = [one for one in processes.running() if "emrserverless.runner" in str(one.popen.args)]
        assert jobs == []

    upload(users=40)
    run("bootstrap", "aws://123456789012/us-east-1", "--app", "")
    before = inventory()
    deploy = ("deploy", "--all", "--require-approval=never", *SETTINGS)
    destroy = ("destroy", "--all", "--force", "-c", "profile=lists")

    failed = []

    def interrupted() -> None:
        try:
            cdk(*deploy, "--output", str(tmp_path / "other.out"), log=tmp_path / "other.log")
        except CdkError as error:
            failed.append(error)

    deployment = threading.Thread(target=interrupted)
    deployment.start()
    running(deployment)
    boto3.client("cloudformation").delete_stack(StackName="recommender-Preparation")
    deployment.join()
    assert failed
    run(*destroy)
    nothing_left("stacks of a source, destroyed during the job")

    run(*deploy)
    found = lists({"user": "reader 3", "count": 4})
    assert found["basis"] == "history"
    assert all(int(one["item"].split()[1]) % 2 == 1 for one in found["items"])
    assert all(one["because"][0]["item"].startswith("book ") for one in found["items"])
    assert [one["item"] for one in found["items"]] == list_of("reader 3", users=40)
    assert read_by_key("reader 3") == list_of("reader 3", users=40)
    assert read_by_key("reader 43") is None
    (first,) = prefixes()

    upload(users=40, bad=100)
    with pytest.raises(CdkError, match="SourceError"):
        run(*deploy)
    assert lists({"user": "reader 3", "count": 4})["basis"] == "history"
    assert prefixes() == {first}

    upload(users=44)
    run(*deploy)
    (second,) = prefixes()
    assert second != first
    found = lists({"user": "reader 43", "count": 4})
    assert found["basis"] == "history"
    assert [one["item"] for one in found["items"]] == list_of("reader 43", users=44)
    assert read_by_key("reader 43") == list_of("reader 43", users=44)
    payload = json.dumps({"forget": "reader 43"})
    boto3.client("lambda").invoke(FunctionName="recommender-Events", Payload=payload)
    assert read_by_key("reader 43") is None

    run(*destroy)
    nothing_left("stacks of a source")
