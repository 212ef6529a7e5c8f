"""The lists from `cdk deploy` to `cdk destroy`, as a user lives them. The tests go in order."""

import gzip
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest

import experiment
import outputs
import retrain
from local_aws.iam.witness import Allowed, Permission
from recsys.experiments.analysis import analyse
from recsys.experiments.assignment import assign
from recsys.experiments.audience import Audience
from recsys.experiments.outcomes import Results
from rehearsal.audience import call, visit
from rehearsal.cdk import PROJECT
from rehearsal.inventory import inventory
from tests.e2e import privileges
from tests.e2e.conftest import Workbench
from tests.load import ONCE, Load
from tests.reliability import Tally
from tests.synthesis import bootstrap
from web import freshness
from web.clients import Clients

LISTS, EVENTS = "recommender-Lists", "recommender-Events"
T = TypeVar("T")


@dataclass
class Life:
    """What one test learns and a later one needs."""

    before: set[str] = field(default_factory=set)
    model: str = ""
    table: str = ""
    permissions: set[Permission] = field(default_factory=set)


MIXED = {
    "kind": "interleaving",
    "arms": {"personal": {"model": "lists"}, "popular": {"model": "popular"}},
    "metric": {"measure": "count", "event": "Watch"},
    "users": 200,
}
SAME: Any = {
    "arms": {"a": {"share": 50}, "b": {"share": 50}},
    "metric": {"measure": "count", "event": "Watch"},
}


@pytest.fixture(scope="module")
def workbench(workbench: Workbench) -> Workbench:
    """The data and the lists alone, with an API and two experiments."""
    settings = (
        "profile=lists",
        "api.http=true",
        "api.rate=1000",
        "api.burst=1000",
        f"experiments.mixed={json.dumps(MIXED)}",
        f"experiments.same={json.dumps(SAME)}",
    )
    return replace(
        workbench,
        quick=(*workbench.quick, *(word for one in settings for word in ("-c", one))),
    )


@pytest.fixture(scope="module")
def life() -> Life:
    return Life()


def ask(function: str, event: Any, client: Any = None) -> Any:
    answer = (client or boto3.client("lambda")).invoke(
        FunctionName=function, Payload=json.dumps(event)
    )
    told = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    return told


def watch(user: str, item: str) -> Any:
    event = {"user": user, "item": item, "timestamp": int(time.time())}
    return ask(EVENTS, {"events": [event]})


def items(answer: Any) -> list[str]:
    return [one["item"] for one in answer["items"]]


def keys(bucket: str, prefix: str) -> list[str]:
    found = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [one["Key"] for one in found["Contents"]]


def queried(database: str, table: str, bucket: str) -> list[Any]:
    """The rows of a table of Glue, from where its projection finds its partitions' files."""
    found = boto3.client("glue").get_table(DatabaseName=database, Name=table)["Table"]
    place = found["Parameters"]["storage.location.template"].partition("day=")[0]
    assert place == found["StorageDescriptor"]["Location"]
    folder = place.removeprefix(f"s3://{bucket}/")
    columns = {one["Name"] for one in found["StorageDescriptor"]["Columns"]}
    rows = []
    for key in keys(bucket, folder):
        assert re.fullmatch(r"day=\d{4}-\d\d-\d\d/\w+\.jsonl\.gz", key.removeprefix(folder))
        content = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        rows += [json.loads(line) for line in gzip.decompress(content).splitlines()]
    assert all(set(row) <= columns for row in rows)
    return rows


def test_the_lists_answer_by_the_histories_that_were_imported(
    workbench: Workbench, life: Life
) -> None:
    bootstrap()
    life.before = inventory()
    workbench.cdk("deploy", "--all", "--require-approval=never")
    told = outputs.by_stack()["recommender-Lists"]
    life.model, life.table = told["ListsModelKey"], told["HistoriesTableName"]
    life.permissions = privileges.deployed()
    metrics = json.loads(told["ListsMetrics"])
    assert metrics["validation_ndcg@10"] > 0
    user = boto3.client("dynamodb").scan(TableName=life.table, Limit=1)["Items"][0]["user"]["S"]
    answer = ask(LISTS, {"user": user})
    assert answer["basis"] == "history" and len(answer["items"]) == 10
    assert any(one.get("because") for one in answer["items"])
    assert ask(LISTS, {"user": "not seen yet"})["basis"] == "popular"


def test_an_acknowledged_event_counts_in_the_next_list_and_can_be_forgotten(life: Life) -> None:
    popular = items(ask(LISTS, {"user": "new"}))
    assert watch("new", popular[0]) == {"written": 1, "unknown_items": []}
    answer = ask(LISTS, {"user": "new"})
    assert answer["basis"] == "history"
    assert popular[0] not in items(answer)
    assert ask(EVENTS, {"forget": "new"}) == {"user": "new", "forgotten": 1}
    assert items(ask(LISTS, {"user": "new"})) == popular


def test_an_audience_decides_an_experiment_as_its_tastes_do(tmp_path: Path) -> None:
    """By calls of the HTTP API alone, and clicks whose truth is known."""
    audience = Audience("small", seed=0)
    users = audience.users[:60]
    told = outputs.by_stack()
    api, bucket = told[LISTS]["ApiEndpoint"], told["recommender-Data"]["BucketName"]
    stale = "experiments/results/exposures/day=2026-01-01/exposures.jsonl.gz"
    boto3.client("s3").put_object(Bucket=bucket, Key=stale, Body=b"")
    began = time.time()
    assert visit(api, users, audience.clicks) > 0
    again = call(api, "GET", f"/users/{users[0]}/recommendations")
    tomorrow = time.time() + 90_000  # when the window of a day has ended for all

    results = experiment.read("mixed")
    rows = queried(told[LISTS]["ExperimentsDatabaseName"], "exposures", bucket)
    assert Counter(row["experiment"] for row in rows)["mixed"] == len(results.exposures)
    assert stale not in keys(bucket, "experiments/results/")
    report = analyse(results, tomorrow)
    shown = Counter(one["user"] for one in results.exposures.to_pylist() if one["time"] >= began)
    assert shown == Counter([*users, users[0]])  # each list, once
    # what both arms' items would be clicked where they stood, as the tastes have it
    truth = dict.fromkeys(("popular", "personal"), 0.0)
    for exposure in results.exposures.to_pylist():
        if exposure["user"] in users:
            likely = audience.satisfaction(exposure["user"], exposure["items"])
            for team, one in zip(exposure["teams"], likely, strict=True):
                truth[team] += one
    assert truth["personal"] > truth["popular"]
    assert report.comparisons[0].verdict == "worse", (report, truth)

    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(tomorrow))
    assert experiment.main(["same", "--at", at, "--out", str(tmp_path)]) == 0
    recorded = Results.read(tmp_path / "same")
    arms = [
        (one["user"], one["arm"]) for one in recorded.exposures.to_pylist() if one["user"] in users
    ]
    shares = {name: arm["share"] for name, arm in SAME["arms"].items()}
    assert sorted(arms) == sorted((user, assign("same", shares, user)) for user in users)
    assert again["experiments"] == {"same": dict(arms)[users[0]]}
    same = analyse(recorded, tomorrow)
    assert not same.broken and same.comparisons[0].verdict in ("open", "equal")
    assert experiment.main(["unheard-of"]) == 1


def test_a_new_model_takes_over_without_a_lost_call(
    workbench: Workbench, life: Life, tally: Tally
) -> None:
    """Another setting is another model; the table and what was written into it stay."""
    popular = items(ask(LISTS, {"user": "loyal"}))
    watch("loyal", popular[0])
    client = boto3.client("lambda", config=ONCE)
    with Load(
        lambda: items(ask(LISTS, {"user": "loyal"}, client))[0], callers=4, pause=0.5
    ) as load:
        load.wait(10)
        workbench.cdk(
            *("deploy", "--all", "--require-approval=never"),
            *("-c", "lists.validation=random"),
        )
        load.wait(10)
    told = outputs.by_stack()["recommender-Lists"]
    assert told["ListsModelKey"] != life.model
    assert told["HistoriesTableName"] == life.table
    assert load.lost == []
    tally("calls under load", "Lists: while another model takes over", len(load.answers))
    tally("calls lost", "Lists: while another model takes over", len(load.lost))
    bucket = outputs.by_stack()["recommender-Data"]["BucketName"]
    found = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="lists/movielens/models/")
    assert [one["Key"] for one in found["Contents"]] == [told["ListsModelKey"]]
    assert ask(LISTS, {"user": "loyal"})["basis"] == "history"


def test_other_data_get_another_table_and_no_live_event_is_lost(
    workbench: Workbench, life: Life
) -> None:
    other = workbench.folder / "other"
    subprocess.run(
        [
            *(sys.executable, "-m", "recsys", "prepare"),
            *("--size", "small", "--seed", "7", "--out", str(other)),
        ],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    popular = items(ask(LISTS, {"user": "steady"}))
    watch("steady", popular[0])
    replace(workbench, data=other).cdk(
        *("deploy", "--all", "--require-approval=never"), *("-c", "retrain.schedule=rate(1 minute)")
    )
    life.permissions |= privileges.deployed()
    table = outputs.by_stack()["recommender-Lists"]["HistoriesTableName"]
    assert table != life.table
    assert life.table not in boto3.client("dynamodb").list_tables()["TableNames"]
    assert ask(EVENTS, {"forget": "steady"}) == {"user": "steady", "forgotten": 1}
    assert ask(EVENTS, {"forget": "loyal"}) == {"user": "loyal", "forgotten": 1}


def until(met: Callable[[], T | None], seconds: float = 900) -> T:
    """What something returns once it is met; the limit only tells a hang from a slow machine."""
    ends = time.monotonic() + seconds
    while (found := met()) is None:
        assert time.monotonic() < ends
        time.sleep(1)
    return found


def status() -> str:
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=LISTS)["Stacks"]
    return str(stack["StackStatus"])


def stable() -> str:
    """The stack's state once no operation is in progress."""
    return until(lambda: None if status().endswith("_IN_PROGRESS") else status())


def failures() -> list[str]:
    """Why resources of the stack could not be created or updated."""
    client = boto3.client("cloudformation")
    events = client.describe_stack_events(StackName=LISTS)["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
        for event in events
        if event["ResourceStatus"].endswith("_FAILED")
    ]


def stop_schedule() -> None:
    scheduler = boto3.client("scheduler")
    schedule = scheduler.get_schedule(Name="recommender-Retraining")
    kept = ("Name", "ScheduleExpression", "Target", "FlexibleTimeWindow")
    scheduler.update_schedule(State="DISABLED", **{name: schedule[name] for name in kept})


def retraining() -> str:
    """The generation of the data in service."""
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=LISTS)["Stacks"]
    values = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    (found,) = (value for name, value in values.items() if name.startswith("Generation"))
    return str(found)


def generation(number: int, name: str) -> bytes:
    """A file of a generation."""
    content = boto3.client("s3").get_object(
        Bucket=outputs.by_stack()["recommender-Data"]["BucketName"],
        Key=f"lists/generations/{number}/{name}",
    )
    found: bytes = content["Body"].read()
    return found


def test_a_schedule_lets_a_better_model_take_over_without_a_lost_call(
    life: Life, tally: Tally, capsys: pytest.CaptureFixture[str]
) -> None:
    """What users click starts it, and a second one meanwhile is refused."""
    stable()
    before = outputs.by_stack()[LISTS]["ListsModelKey"]
    client = boto3.client("lambda", config=ONCE)
    audience = Audience("small", seed=7)
    with Load(lambda: items(ask(LISTS, {"user": "9"}, client))[0], callers=4, pause=0.5) as load:
        visit(outputs.by_stack()[LISTS]["ApiEndpoint"], audience.users[:30], audience.clicks)
        until(lambda: status() if status() == "UPDATE_IN_PROGRESS" else None)
        stop_schedule()  # so that nothing else starts one from here on
        assert retrain.main([]) == 1
        refused = capsys.readouterr()
        assert "is being updated (UPDATE_" in refused.err, refused
        assert stable() == "UPDATE_COMPLETE", failures()
        load.wait(10)
    assert outputs.by_stack()[LISTS]["ListsModelKey"] != before
    assert retrain.main([]) == 0  # what was clicked meanwhile
    assert retrain.main([]) == 0
    assert "nothing to do: There are no new events since" in capsys.readouterr().out
    life.model = outputs.by_stack()[LISTS]["ListsModelKey"]
    assert load.lost == []
    tally("calls under load", "Lists: while a retrained model takes over", len(load.answers))
    tally("calls lost", "Lists: while a retrained model takes over", len(load.lost))
    assert json.loads(generation(int(retraining()), "report.json"))["refused"] == []


def test_poisoned_data_are_refused_and_the_old_model_goes_on_answering(
    life: Life, capsys: pytest.CaptureFixture[str], tally: Tally
) -> None:
    began = retraining()
    now = int(time.time())
    poison = [{"user": "bot", "item": f"nothing {n}", "timestamp": now} for n in range(90)]
    for first in range(0, 90, 30):
        ask(EVENTS, {"events": poison[first : first + 30]})
    client = boto3.client("lambda", config=ONCE)
    with Load(lambda: items(ask(LISTS, {"user": "9"}, client))[0], callers=2, pause=0.2) as load:
        assert retrain.main([]) == 1
    told = capsys.readouterr()
    assert "refused: the old model goes on answering (UPDATE_ROLLBACK_COMPLETE)" in told.err, told
    assert "are of items that the catalogue does not have" in told.err
    assert load.lost == []
    tally("calls under load", "Lists: while a retrained model is refused", len(load.answers))
    tally("calls lost", "Lists: while a retrained model is refused", len(load.lost))
    assert outputs.by_stack()[LISTS]["ListsModelKey"] == life.model
    assert retraining() == began
    reasons = [
        event.get("ResourceStatusReason", "")
        for event in boto3.client("cloudformation").describe_stack_events(StackName=LISTS)[
            "StackEvents"
        ]
    ]
    assert any("Model: Generation" in one and "is refused" in one for one in reasons)
    assert b"class=refused" in generation(int(began) + 1, "report.html")
    page = freshness.look(Clients(), outputs.PREFIX)
    assert page and page.generation == int(began)
    newest = page.generations[0]
    assert (newest.number, newest.state) == (int(began) + 1, "refused")
    assert any("are of items that the catalogue does not have" in why for why in newest.refused)


def test_deployment_keeps_the_generation(workbench: Workbench, life: Life) -> None:
    before = retraining()
    assert before != "0"
    replace(workbench, data=workbench.folder / "other").cdk(
        *("deploy", LISTS, "--exclusively", "--require-approval=never"),
        *("-c", "retrain.schedule=rate(1 minute)"),
    )
    assert retraining() == before
    assert outputs.by_stack()[LISTS]["ListsModelKey"] == life.model
    # an experiment's exposures outlive other data, and its outcomes are those of the new table
    assert len(experiment.read("mixed").exposures) > 0


def test_nothing_is_left_and_nothing_was_allowed_in_vain(
    workbench: Workbench, life: Life, seen: set[Allowed], tally: Tally
) -> None:
    workbench.cdk("destroy", "--all", "--force")
    left = inventory() - life.before
    assert left == set()
    tally("leftovers found", "Lists: after the destruction", len(left))
    privileges.check(life.permissions, seen, tally)
