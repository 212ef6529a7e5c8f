"""Rules that send events to other buses: once, and never without end."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.api import AwsError
from local_aws.eventbridge import rules
from local_aws.eventbridge.models import EventsBackend
from local_aws.server import LocalAws
from local_aws_tests.deliveries import admit
from tests.reliability import Tally

pytestmark = pytest.mark.slow
REGION, ACCOUNT = "us-east-1", "123456789012"
ENTRY = {"Source": "films", "DetailType": "film", "Detail": json.dumps({"title": "Up"})}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        yield running


@pytest.fixture
def events(aws: LocalAws) -> Iterator[Any]:
    client = clients.client("events", REGION)
    yield client
    for bus in client.list_event_buses()["EventBuses"]:
        for rule in client.list_rules(EventBusName=bus["Name"])["Rules"]:
            place = {"Rule": rule["Name"], "EventBusName": bus["Name"]}
            targets = client.list_targets_by_rule(**place)["Targets"]
            if targets:
                client.remove_targets(Ids=[one["Id"] for one in targets], **place)
            client.delete_rule(Name=rule["Name"], EventBusName=bus["Name"])
        if bus["Name"] != "default":
            client.delete_event_bus(Name=bus["Name"])


def bus_arn(name: str) -> str:
    return f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{name}"


def route(events: Any, bus: str, *targets: str, rule: str = "all") -> None:
    events.put_rule(Name=rule, EventBusName=bus, EventPattern='{"source": ["films"]}')
    told = [{"Id": str(number), "Arn": arn} for number, arn in enumerate(targets)]
    events.put_targets(Rule=rule, EventBusName=bus, Targets=told)


def queue(name: str) -> tuple[str, str]:
    url = clients.client("sqs", REGION).create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    admit("events", arn)
    return url, arn


def received(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    sqs = clients.client("sqs", REGION)
    while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in got]
    return found


def test_event_passes_from_one_bus_to_another_and_to_no_third(events: Any, tally: Tally) -> None:
    urls = {}
    for name in ("second", "third"):
        events.create_event_bus(Name=name)
        urls[name], arn = queue(f"of-{name}")
        route(events, name, arn, rule="kept")
    route(events, "default", bus_arn("second"))
    route(events, "second", bus_arn("third"))
    moment = {"Time": "2024-02-29T12:00:00Z", "Resources": ["arn:aws:s3:::films"]}
    assert events.put_events(Entries=[{**ENTRY, **moment}])["FailedEntryCount"] == 0
    [event] = received(urls["second"])
    assert event["detail"] == {"title": "Up"}
    assert event["time"] == "2024-02-29T12:00:00Z"
    assert event["resources"] == ["arn:aws:s3:::films"]
    assert received(urls["third"]) == []
    assert events.put_events(Entries=[{**ENTRY, "EventBusName": "second"}])["FailedEntryCount"] == 0
    assert len(received(urls["third"])) == 1
    tally("inputs tried", "chains and loops of event buses")


def test_buses_that_send_to_each_other_end(events: Any, tally: Tally) -> None:
    events.create_event_bus(Name="ping")
    events.create_event_bus(Name="pong")
    url, arn = queue("ping-queue")
    route(events, "ping", bus_arn("pong"), bus_arn("ping"), arn)
    route(events, "pong", bus_arn("ping"), bus_arn("ping"))
    assert events.put_events(Entries=[{**ENTRY, "EventBusName": "ping"}])["FailedEntryCount"] == 0
    assert len(received(url)) == 2  # its own, and the one that ping sent to itself
    tally("inputs tried", "chains and loops of event buses")


def test_rule_of_a_deleted_bus_or_another_account_stops_nothing(events: Any) -> None:
    url, arn = queue("after")
    another = bus_arn("default").replace(ACCOUNT, "999999999999")
    route(events, "default", bus_arn("gone"), another, arn)
    assert events.put_events(Entries=[ENTRY])["FailedEntryCount"] == 0
    assert len(received(url)) == 1


def test_deliveries_of_one_request_are_bounded(
    events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_MOST_SENT", 6)
    events.create_event_bus(Name="many")
    url, arn = queue("flood")
    route(events, "many", *[arn] * 5)
    route(events, "default", *[bus_arn("many")] * 5)
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*more than 6 deliveries"):
        events.put_events(Entries=[ENTRY])
    assert len(received(url)) == 5
    events.put_events(Entries=[{**ENTRY, "EventBusName": "many"}])
    assert len(received(url)) == 5


def test_quotas_of_eventbridge_are_enforced(events: Any) -> None:
    _, arn = queue("quota")
    route(events, "default", *[arn] * 5)
    sixth = {"Rule": "all", "Targets": [{"Id": "sixth", "Arn": arn}]}
    with pytest.raises(ClientError, match="LimitExceededException"):
        events.put_targets(**sixth)
    events.put_targets(Rule="all", Targets=[{"Id": "0", "Arn": arn}])  # replaces one
    entry = {**ENTRY, "Detail": json.dumps({"text": "x" * 105_000})}
    with pytest.raises(ClientError, match=r"ValidationException.*Total size of the entries"):
        events.put_events(Entries=[entry] * 10)
    assert events.put_events(Entries=[entry] * 9)["FailedEntryCount"] == 0


def test_prefix_of_names_is_no_regular_expression() -> None:
    events = EventsBackend(REGION, ACCOUNT)
    events.put_rule("a.a", event_pattern='{"source": ["a"]}')
    assert [rule.name for rule in events.list_rules(prefix="a.")[0]] == ["a.a"]
    assert events.list_rules(prefix="..")[0] == []
    with pytest.raises(AwsError, match="namePrefix"):
        events.list_rules(prefix="(a+)+x")
