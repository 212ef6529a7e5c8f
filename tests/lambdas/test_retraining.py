"""The function `Retraining`, and the gate behind it, on moto's S3 and DynamoDB."""

import importlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import numpy as np
import pytest
from common import clients
from common.errors import BusyError
from common.histories import Event, Histories
from list_training import handler as training
from list_training.handler import ListTrainingError
from moto import mock_aws
from retraining.gathering import Gathered
from retraining.logic import RetrainingError

from local_aws.moto_patches import install
from tests.lambdas.fakes import client_error
from tests.lambdas.test_lists import PROPERTIES, create_table, resource

BUCKET, TABLE, STACK = "movies", "histories", "recommender-Lists"
GENERATIONS = "lists/generations/"
ITEMS = 20
DAY = 86_400
USERS = 120  # of a generation, of whom half judge
GATE = json.dumps({"coverage": 5, "volume": 80, "unknown": 20, "drift": 25})


class CloudFormation:
    """A stack with three parameters, which takes updates until it is told not to."""

    def __init__(self) -> None:
        self.status, self.generation = "CREATE_COMPLETE", "0"
        self.updates: list[dict[str, Any]] = []
        self.refusal: Exception | None = None

    def describe_stacks(self, **request: str) -> dict[str, Any]:
        assert request == {"StackName": STACK}
        values = {"BootstrapVersion": "/cdk", "Generation": self.generation, "Other": "kept"}
        parameters = [
            {"ParameterKey": name, "ParameterValue": value} for name, value in values.items()
        ]
        stack = {"StackStatus": self.status, "Parameters": parameters}
        return {"Stacks": [{**stack, "Capabilities": ["CAPABILITY_IAM"]}]}

    def update_stack(self, **request: Any) -> None:
        if self.refusal:
            raise self.refusal
        self.updates.append(request)


@pytest.fixture
def cloudformation() -> CloudFormation:
    return CloudFormation()


@pytest.fixture
def retrain(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Any], dict[str, Any]]]:
    """The function's handler, with a catalogue and some histories that were deployed."""
    install()
    with mock_aws():
        clients.client.cache_clear()
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        create_table()
        items: list[dict[str, Any]] = [
            {"item": n + 1, "id": f"i{n}", "title": f"Film {n}", "year": None, "genres": []}
            for n in range(ITEMS)
        ]
        put("catalogue.json", json.dumps({"version": 1, "items": items}).encode())
        rows = [row(f"u{n}", f"i{n}", 100 + n, value="4") for n in range(8)]
        Histories(boto3.client("dynamodb"), TABLE).copy(rows)
        environment = {
            "BUCKET_NAME": BUCKET,
            "CATALOGUE_KEY": "catalogue.json",
            "GENERATIONS": GENERATIONS,
            "PARAMETER": "Generation",
            "STACK_NAME": STACK,
            "TABLE_NAME": TABLE,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        sys.modules.pop("retraining.handler", None)
        module = importlib.import_module("retraining.handler")
        theirs = module.client
        monkeypatch.setattr(
            module,
            "client",
            lambda name: cloudformation if name == "cloudformation" else theirs(name),
        )
        yield lambda event: module.handler(event, None)
        clients.client.cache_clear()


def row(user: str, item: str, second: int, **more: str) -> dict[str, Any]:
    told: dict[str, Any] = {"user": {"S": user}, "event": {"S": f"{second:012}#{item}"}}
    value = {"value": {"N": more["value"]}} if "value" in more else {}
    return {**told, "item": {"S": item}, **value}


def watch(*items: str, user: str = "anna", at: int = DAY) -> None:
    events = [Event(user, item, at + n, item) for n, item in enumerate(items)]
    Histories(boto3.client("dynamodb"), TABLE).write(events)


def put(key: str, content: bytes) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)


def get(key: str) -> bytes:
    content: bytes = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


def keys() -> list[str]:
    found = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=GENERATIONS)
    return [one["Key"].removeprefix(GENERATIONS) for one in found.get("Contents", [])]


def test_retraining_writes_what_all_users_did_and_changes_one_parameter(
    retrain: Callable[[Any], dict[str, Any]], cloudformation: CloudFormation
) -> None:
    watch("i0", "unheard of", "i3")
    assert retrain({}) == {
        "outcome": "started",
        "generation": 1,
        "before": 0,
        "events": 10,
        "users": 9,
        "unknown_events": 1,
    }
    with np.load(io.BytesIO(get(f"{GENERATIONS}1/interactions.npz"))) as arrays:
        found = {name: arrays[name].tolist() for name in arrays.files}
    # of anna's events the last one has no value, as neither has
    assert sorted(zip(found["item"], found["timestamp"], strict=True)) == sorted(
        [*((n + 1, 100 + n) for n in range(8)), (1, DAY), (4, DAY + 2)]
    )
    assert found["unknown"] == [DAY + 1]
    assert np.isnan(found["value"]).sum() == 2 and np.nansum(found["value"]) == 8 * 4
    (request,) = cloudformation.updates
    assert request == {
        "StackName": STACK,
        "UsePreviousTemplate": True,
        "Parameters": [
            {"ParameterKey": "Generation", "ParameterValue": "1"},
            {"ParameterKey": "BootstrapVersion", "UsePreviousValue": True},
            {"ParameterKey": "Other", "UsePreviousValue": True},
        ],
        "Capabilities": ["CAPABILITY_IAM"],
        "ClientRequestToken": "retraining-1",
    }


def test_user_who_was_forgotten_is_in_no_later_generation(
    retrain: Callable[[Any], dict[str, Any]],
) -> None:
    watch("i0")
    Histories(boto3.client("dynamodb"), TABLE).forget("u3")
    assert retrain({})["events"] == 8
    with np.load(io.BytesIO(get(f"{GENERATIONS}1/interactions.npz"))) as arrays:
        assert 4 not in arrays["item"].tolist()


def test_second_retraining_is_refused_while_the_first_gathers_or_updates(
    retrain: Callable[[Any], dict[str, Any]], cloudformation: CloudFormation
) -> None:
    watch("i0")
    cloudformation.status = "UPDATE_IN_PROGRESS"
    with pytest.raises(RetrainingError, match=r"is being updated \(UPDATE_IN_PROGRESS\)"):
        retrain({})
    assert retrain({"scheduled": True})["outcome"] == "busy"
    assert keys() == []
    cloudformation.status = "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(RetrainingError, match="UPDATE_ROLLBACK_FAILED: docs/runbook"):
        retrain({"scheduled": True})
    cloudformation.status = "UPDATE_COMPLETE"
    now = datetime.now(UTC)
    put(f"{GENERATIONS}1/manifest.json", json.dumps({"begun": now.isoformat()}).encode())
    with pytest.raises(RetrainingError, match="gathers events for generation 1"):
        retrain({})
    died = {"begun": (now - timedelta(hours=1)).isoformat()}
    put(f"{GENERATIONS}1/manifest.json", json.dumps(died).encode())
    assert retrain({})["generation"] == 2


def test_two_retrainings_that_begin_at_once_become_one(
    retrain: Callable[[Any], dict[str, Any]],
    cloudformation: CloudFormation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch("i0")
    logic = sys.modules["retraining.logic"]
    seen = dict[int, Any]()
    monkeypatch.setattr(logic.Retraining, "_manifests", lambda _: seen)  # as both have looked
    assert retrain({})["outcome"] == "started"
    with pytest.raises(RetrainingError, match="has just begun"):
        retrain({})
    assert len(cloudformation.updates) == 1


def test_nothing_new_is_no_retraining(
    retrain: Callable[[Any], dict[str, Any]], cloudformation: CloudFormation
) -> None:
    assert retrain({}) == {
        "outcome": "unchanged",
        "reason": "There are no events yet but those that were deployed",
    }
    assert keys() == []
    watch("i0")
    assert retrain({"scheduled": True})["generation"] == 1
    # refused by the gate: a schedule does not try the same again, a person may
    again = retrain({"scheduled": True})
    assert again["reason"] == "There are no new events since generation 1 was refused"
    assert retrain({})["generation"] == 2
    cloudformation.generation = "2"
    assert retrain({})["reason"] == "There are no new events since generation 2"
    watch("i1")
    assert retrain({})["generation"] == 3


def test_data_of_earlier_generations_are_deleted_but_that_in_service(
    retrain: Callable[[Any], dict[str, Any]], cloudformation: CloudFormation
) -> None:
    for number in (1, 2, 3):
        watch(f"i{number}")
        retrain({})
        cloudformation.generation = "1"  # the others were refused
    data = [key for key in keys() if key.endswith(".npz")]
    assert data == ["1/interactions.npz", "3/interactions.npz"]
    assert f"{GENERATIONS}2/manifest.json".removeprefix(GENERATIONS) in keys()


def test_update_that_aws_refuses_is_told_and_does_not_block_the_next_run(
    retrain: Callable[[Any], dict[str, Any]], cloudformation: CloudFormation
) -> None:
    watch("i0")
    cloudformation.refusal = client_error("Throttling", "Rate exceeded")
    with pytest.raises(RetrainingError, match="cannot be updated: Rate exceeded"):
        retrain({})
    cloudformation.refusal = None
    assert retrain({})["outcome"] == "started"


def test_digest_depends_on_the_events_and_not_on_their_order() -> None:
    numbers = {f"i{n}": n for n in range(ITEMS)}
    rows = [row(f"u{n % 3}", f"i{n}", 100 + n) for n in range(9)]
    one, other = (Gathered(iter(some), numbers, DAY).digest for some in (rows, rows[::-1]))
    assert one == other
    assert Gathered(iter(rows[1:]), numbers, DAY).digest != one
    assert Gathered(iter([*rows, row("u1", "unheard of", 1)]), numbers, DAY).digest != one


def test_event_that_is_dated_ahead_does_not_move_the_time_from_which_others_are_new(
    retrain: Callable[[Any], dict[str, Any]],
) -> None:
    now = int(time.time())
    watch("i0", at=now - 60)
    watch("i3", "unheard of", user="hasty", at=now + DAY - 60)
    assert retrain({})["events"] == 9
    with np.load(io.BytesIO(get(f"{GENERATIONS}1/interactions.npz"))) as arrays:
        assert arrays["timestamp"].max() == now - 60
        assert not len(arrays["unknown"])
    rows = [{**row("hasty", "i3", now), "live": {"BOOL": True}}, row("deployed", "i4", now)]
    numbers = {"i3": 3, "i4": 4}
    assert [Gathered(iter(rows), numbers, now + late).events for late in (-1, 0)] == [1, 2]


# The gate -----------------------------------------------------------------------------------------


def generation(number: int, step: int, **more: Any) -> None:
    """Users who go from item to item; those of later generations went further."""
    length = 4 + 2 * number
    user = np.repeat(np.arange(USERS), length)
    items = (np.arange(USERS)[:, None] + step * np.arange(length)) % ITEMS
    columns: dict[str, Any] = {
        "user": user,
        "item": items.ravel() + 1,
        "value": np.full(len(user), np.nan, np.float32),
        "timestamp": np.tile(np.arange(length) * DAY, USERS),
    }
    written = io.BytesIO()
    np.savez(written, **{**columns, **more})
    key = f"{GENERATIONS}{number}/interactions.npz" if number else "interactions.npz"
    put(key, written.getvalue())


def properties(number: int) -> dict[str, Any]:
    return {
        **PROPERTIES,
        "Bucket": BUCKET,
        "Interactions": f"{GENERATIONS}{number}/interactions.npz" if number else "interactions.npz",
        "Catalogue": "catalogue.json",
        "Generation": str(number),
        "Generations": GENERATIONS,
        "Gate": GATE,
    }


def deployed() -> str:
    event = resource(**properties(0))
    event |= training.on_event(event, None)
    assert training.is_complete(event, None)["IsComplete"]
    return str(event["PhysicalResourceId"])


def updated(physical_id: str, number: int) -> tuple[str, dict[str, Any]]:
    event = {
        **resource(**properties(number)),
        "RequestType": "Update",
        "PhysicalResourceId": physical_id,
        "OldResourceProperties": properties(0),
    }
    event |= training.on_event(event, None)
    return event["PhysicalResourceId"], training.is_complete(event, None)


def test_better_model_passes_the_gate_and_its_report_is_kept(
    retrain: Callable[[Any], dict[str, Any]],
) -> None:
    generation(0, step=3)
    generation(1, step=3)
    before = deployed()
    after, answer = updated(before, 1)
    assert after != before
    assert json.loads(answer["Data"]["Metrics"])["generation"] == 1
    told = json.loads(get(f"{GENERATIONS}1/report.json"))
    assert told["refused"] == [] and told["comparison"]["users"] == USERS // 2
    assert b"Accepted" in get(f"{GENERATIONS}1/report.html")


def test_worse_model_is_refused_and_the_reason_is_told(
    retrain: Callable[[Any], dict[str, Any]],
) -> None:
    """Thirty times as many others, who go another way, hide what the users of before do."""
    generation(0, step=3)
    before = deployed()
    with np.load(io.BytesIO(get("interactions.npz"))) as arrays:
        old = {name: arrays[name] for name in arrays.files}
    count, last = USERS, 5
    others = 30 * count
    mixed = ((np.arange(others)[:, None] + 7 * np.arange(4)) % ITEMS + 1).ravel()
    noise = np.repeat(np.arange(1000, 1000 + others), 4)
    item = np.concatenate([mixed, old["item"], (np.arange(count) + 3 * 4) % ITEMS + 1])
    user = np.concatenate([noise, old["user"], np.arange(count)])
    early = np.full(len(noise), 1)
    time = np.concatenate([early, old["timestamp"], np.full(count, last * DAY)])
    generation(
        *(1, 3),
        user=user,
        item=item,
        timestamp=time,
        value=np.full(len(user), np.nan, np.float32),
    )
    with pytest.raises(ListTrainingError, match="generation 0 goes on answering: nDCG@10"):
        updated(before, 1)
    told = json.loads(get(f"{GENERATIONS}1/report.json"))
    assert told["comparison"]["high"] < 0
    assert boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="models/")["KeyCount"] == 1


def test_suspicious_data_are_refused_before_a_training(
    retrain: Callable[[Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    generation(0, step=3)
    before = deployed()
    generation(1, step=3, unknown=np.arange(100) + 4 * DAY)
    monkeypatch.setattr("recsys.lists.training.Lists.fit", lambda *_: pytest.fail("it was trained"))
    with pytest.raises(ListTrainingError, match="100 of 340 new events are of items that"):
        updated(before, 1)
    assert b"class=refused" in get(f"{GENERATIONS}1/report.html")


def test_rollback_finds_the_old_model_and_judges_nothing(
    retrain: Callable[[Any], dict[str, Any]],
) -> None:
    generation(0, step=3)
    before = deployed()
    event = {
        **resource(**properties(0)),
        "RequestType": "Update",
        "PhysicalResourceId": "s3://movies/models/another.npz",
        "OldResourceProperties": properties(1),
    }
    event |= training.on_event(event, None)
    assert event["PhysicalResourceId"] == before
    assert training.is_complete(event, None)["IsComplete"]


def test_gathering_that_dynamodb_throttles_may_be_repeated(
    retrain: Callable[[Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(*_: Any) -> Any:
        raise BusyError("too much")
        yield

    watch("i0")
    monkeypatch.setattr("retraining.logic.scanned", throttled)
    with pytest.raises(RetrainingError, match="too much"):
        retrain({})
    monkeypatch.undo()
    assert keys() == []
