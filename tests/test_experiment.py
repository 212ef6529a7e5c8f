"""Reading what a deployment recorded of an experiment, from what its function writes on moto."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from experiment_results.logic import ExperimentResults
from moto import mock_aws

import experiment
from local_aws.moto_patches import install
from recsys.errors import InputError
from recsys.experiments.definition import parse

ARMS = {"a": {"share": 50}, "b": {"share": 50, "half_life": 3}}
RUNNING: Any = {
    "one": {"arms": ARMS, "metric": {"event": "Watch"}},
    "mixed": {"kind": "interleaving", "arms": ARMS, "metric": {"event": "Watch"}},
}


def put(table: str, user: str, event: str, **more: Any) -> None:
    boto3.client("dynamodb").put_item(
        TableName=table, Item={"user": {"S": user}, "event": {"S": event}, **more}
    )


def exposed(user: str, event: str, at: str, **more: str) -> None:
    texts = {name: {"S": value} for name, value in more.items()}
    put(
        "exposures",
        user,
        event,
        at={"N": at},
        milliseconds={"N": "7.5"},
        shares={"S": "a:50 b:50"},
        items={"S": '["10", "Война"]'},
        **texts,
    )


def run(function: str) -> None:
    """Do what the deployed function does."""
    assert function == "team-ExperimentResults"
    ExperimentResults(
        dynamodb=boto3.client("dynamodb"),
        s3=boto3.client("s3"),
        exposures="exposures",
        histories="histories",
        bucket="data",
        prefix=experiment.RESULTS,
        definitions=json.dumps(RUNNING),
    ).write()


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(experiment, "invoked", run)
    told = {
        "ExperimentResultsFunctionName": "team-ExperimentResults",
        "HistoriesTableName": "histories",
        "ExposuresTableName": "exposures",
        "BucketName": "data",
    }
    monkeypatch.setattr(experiment, "by_stack", lambda prefix: {f"{prefix}-Lists": told})
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="data")
        for name in ("histories", "exposures"):
            boto3.client("dynamodb").create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": key, "AttributeType": "S"} for key in ("user", "event")
                ],
                KeySchema=[
                    {"AttributeName": "user", "KeyType": "HASH"},
                    {"AttributeName": "event", "KeyType": "RANGE"},
                ],
            )
        exposed("u", "one", "1000.250", arm="b")
        exposed("u", "mixed#request", "1000.250", teams='["b", "a"]')
        exposed("v", "one-more", "1", arm="a")
        put("histories", "u", "000000001001#x", item={"S": "10"}, kind={"S": "Watch"})
        put("histories", "u", "000000001002#y", item={"S": "20"}, value={"N": "4.5"})
        put("histories", "u", "000000000900#y", item={"S": "20"})
        put("histories", "v", "000000001001#x", item={"S": "10"})
        yield


def test_exposures_and_their_users_events_are_read(deployed: None) -> None:
    found = experiment.read("one", "team")
    assert found.experiment == parse("one", RUNNING["one"])
    assert found.exposures.to_pylist() == [
        {
            "user": "u",
            "time": 1000.25,
            "arm": "b",
            "shares": "a:50 b:50",
            "milliseconds": 7.5,
            "items": ["10", "Война"],
            "teams": None,
            "experiment": "one",
            "earlier": 1,
            "session": None,
        }
    ]
    events = sorted(found.events.to_pylist(), key=lambda one: float(one["time"]))
    no = {"session": None}
    assert events == [
        {"user": "u", "time": 1001, "item": "10", "type": "Watch", "value": None, **no},
        {"user": "u", "time": 1002, "item": "20", "type": None, "value": 4.5, **no},
    ]


def test_each_list_of_an_interleaving_experiment_is_read(deployed: None) -> None:
    (shown,) = experiment.read("mixed", "team").exposures.to_pylist()
    assert (shown["arm"], shown["teams"]) == (None, ["b", "a"])


def test_report_is_written_to_where_the_page_finds_it(deployed: None, tmp_path: Path) -> None:
    assert experiment.main(["one", "--prefix", "team", "--out", str(tmp_path)]) == 0
    found = boto3.client("s3").get_object(Bucket="data", Key="experiments/one.json")
    report = json.loads(found["Body"].read())
    assert (report["experiment"]["name"], report["users"]) == ("one", {"a": 0, "b": 1})


def test_an_experiment_that_is_not_deployed_is_told(
    deployed: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="team has no experiment 'two'; it has one, mixed"):
        experiment.read("two", "team")
    monkeypatch.setattr(experiment, "by_stack", lambda _: {})
    assert experiment.main(["one"]) == 1
    assert "deploy it with one: docs/experiments.md" in capsys.readouterr().err
