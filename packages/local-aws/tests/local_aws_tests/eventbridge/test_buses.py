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
SENDER = f"arn:aws:iam::{ACCOUNT}:role/sender"  # which sends to any bus
ENTRY = {"Source": "films", "DetailType": "film", "Detail": json.dumps({"title": "Up"})}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        role("sender", {"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*"})
        yield running


def role(name: str, *statements: dict[str, Any]) -> str:
    """The ARN of a new role of EventBridge's."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    }
    iam = clients.client("iam", REGION)
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]
    if statements:
        text = document(*statements)
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=text)
    return str(made["Arn"])


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


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
    told = [
        {"Id": str(number), "Arn": arn, **({"RoleArn": SENDER} if ":event-bus/" in arn else {})}
        for number, arn in enumerate(targets)
    ]
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


def test_rule_sends_to_another_bus_only_as_its_role_and_the_bus_allow(
    events: Any, tally: Tally
) -> None:
    events.create_event_bus(Name="guarded")
    url, arn = queue("of-guarded")
    route(events, "guarded", arn)
    target = {"Id": "bus", "Arn": bus_arn("guarded")}
    events.put_rule(Name="on", EventPattern='{"source": ["films"]}')
    with pytest.raises(ClientError, match="RoleArn is required for target"):
        events.put_targets(Rule="on", Targets=[target])
    powerless = role("powerless")
    for sender, sent in ((powerless, 0), (SENDER, 1)):
        events.put_targets(Rule="on", Targets=[{**target, "RoleArn": sender}])
        events.put_events(Entries=[ENTRY])
        assert len(received(url)) == sent
    deny = {"Effect": "Deny", "Principal": "*", "Action": "events:PutEvents", "Resource": "*"}
    events.put_permission(EventBusName="guarded", Policy=document(deny))
    events.put_events(Entries=[ENTRY])
    assert received(url) == []
    tally("inputs tried", "policies of resources", 4)


def test_rule_writes_only_to_log_groups_whose_policy_permits_it(events: Any) -> None:
    logs = clients.client("logs", REGION)
    logs.create_log_group(logGroupName="written")
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:written"
    route(events, "default", group)
    events.put_events(Entries=[ENTRY])
    assert logs.filter_log_events(logGroupName="written")["events"] == []
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{group}:*",
    }
    with pytest.raises(ClientError, match="InvalidParameterException"):
        logs.put_resource_policy(policyName="p", policyDocument='{"Statement": "x"}')
    logs.put_resource_policy(policyName="p", policyDocument=document(allow))
    events.put_events(Entries=[ENTRY])
    [event] = logs.filter_log_events(logGroupName="written")["events"]
    assert json.loads(event["message"])["detail"] == {"title": "Up"}


def test_policy_of_a_bus_keeps_each_of_its_statements(events: Any, tally: Tally) -> None:
    events.create_event_bus(Name="kept")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "events:PutEvents", "Resource": "*"}
    managing = ["events:D*", "events:L*", "events:PutPermission"]
    others = {"NotAction": managing, "NotResource": bus_arn("default")}
    unusual = {"Effect": "Deny", "NotPrincipal": {"AWS": ACCOUNT.replace("1", "9")}, **others}
    for statements in (
        [{"Sid": "s", **deny}, {"Sid": "s", **deny, "Effect": "Allow"}],
        [deny],
        [unusual],
    ):
        events.put_permission(EventBusName="kept", Policy=document(*statements))
        kept = json.loads(events.describe_event_bus(Name="kept")["Policy"])["Statement"]
        assert kept == statements
        with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
            events.put_events(Entries=[{**ENTRY, "EventBusName": "kept"}])
        tally("inputs tried", "policies of resources")


def test_bus_of_another_region_is_not_the_one_with_its_name_here(events: Any) -> None:
    events.create_event_bus(Name="here")
    there = bus_arn("here").replace(REGION, "eu-west-1")
    with pytest.raises(ClientError, match="is not in this region"):
        events.put_events(Entries=[{**ENTRY, "EventBusName": there}])


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
