"""KMS keys of event buses, whose policies must permit EventBridge what AWS's example does.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
"""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_aws_tests.deliveries import admit
from local_aws_tests.mocked import ACCOUNT, REGION, ROOT, client

pytestmark = pytest.mark.usefixtures("mocked")

HERE = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/"


def _policy(bus: str, *, service: str = "events.amazonaws.com", leave_out: str = "") -> str:
    """AWS's example for one bus."""
    events = {"Effect": "Allow", "Principal": {"Service": service}, "Resource": "*"}
    here = {"kms:EncryptionContext:aws:events:event-bus:arn": HERE + bus}
    describes = {**events, "Action": ["kms:DescribeKey"]}
    uses = {
        **events,
        "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
        "Condition": {"StringEquals": {**here, "aws:SourceArn": HERE + bus}},
    }
    for statement in (describes, uses):
        statement["Action"] = [a for a in statement["Action"] if a != leave_out] or ["kms:Sign"]
    statements = [ROOT, describes, uses]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _in_context_only(policy: str) -> str:
    """A policy with the condition for all actions, also for DescribeKey, which has no context."""
    document = json.loads(policy)
    document["Statement"][1]["Condition"] = document["Statement"][2]["Condition"]
    return json.dumps(document)


def _key(policy: str | None = None, *, there: bool = False, **more: Any) -> str:
    given = {"Policy": policy} if policy else {}
    kms = boto3.client("kms", "eu-west-1" if there else REGION)
    return str(kms.create_key(**given, **more)["KeyMetadata"]["Arn"])


@pytest.mark.parametrize("by", ["CreateEventBus", "UpdateEventBus"])
def test_key_of_a_bus_permits_the_service_to_use_it(by: str) -> None:
    events, kms = client("events"), client("kms")
    bus = "new" if by == "CreateEventBus" else "default"

    def put(key: str) -> None:
        put_into = events.create_event_bus if bus == "new" else events.update_event_bus
        put_into(Name=bus, KmsKeyIdentifier=key)

    good = _key(_policy(bus))
    kms.create_alias(AliasName="alias/mine", TargetKeyId=good)
    kms.disable_key(KeyId=good)
    absent, signing = f"{good[:-3]}000", _key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")
    for key, refused in (
        (_key(), "to perform: kms:DescribeKey"),
        (_key(_policy("other")), "to perform: kms:GenerateDataKey"),
        (_key(_policy(bus, service="logs.amazonaws.com")), "to perform: kms:DescribeKey"),
        *(
            (_key(_policy(bus, leave_out=action)), f"to perform: {action}")
            for action in ("kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt")
        ),
        (_key(_policy(bus), there=True), "does not exist in"),
        (_key(_in_context_only(_policy(bus))), "to perform: kms:DescribeKey"),
        (absent, "ResourceNotFoundException"),
        (good, "is disabled"),
        (signing, "not a symmetric key"),
    ):
        with pytest.raises(ClientError, match=refused):
            put(key)
    kms.enable_key(KeyId=good)
    put("alias/mine")
    assert events.describe_event_bus(Name=bus)["KmsKeyIdentifier"] == "alias/mine"
    told = events.update_event_bus(Name=bus, Description="open")
    assert (told["Arn"], told["Name"], told["Description"]) == (HERE + bus, bus, "open")
    assert "KmsKeyIdentifier" not in events.describe_event_bus(Name=bus)


def test_events_are_lost_while_their_bus_lacks_its_key() -> None:
    events, kms, sqs = client("events"), client("kms"), client("sqs")
    key = _key(_policy("sealed"))
    events.create_event_bus(Name="sealed", KmsKeyIdentifier=key)
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = queue["Attributes"]["QueueArn"]
    place = {"Rule": "r", "EventBusName": "sealed"}
    events.put_rule(Name="r", EventBusName="sealed", EventPattern='{"source": ["films"]}')
    events.put_targets(**place, Targets=[{"Id": "q", "Arn": arn}])
    admit("events", arn)

    def received() -> int:
        entry = {"Source": "films", "DetailType": "d", "Detail": "{}", "EventBusName": "sealed"}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
        return len(sqs.receive_message(QueueUrl=url).get("Messages", []))

    assert received() == 1
    kms.disable_key(KeyId=key)
    assert received() == 0
    with pytest.raises(ClientError, match="is disabled"):
        events.list_rules(EventBusName="sealed")
    kms.enable_key(KeyId=key)
    assert received() == 1
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=_policy("other"))
    assert received() == 0
    events.update_event_bus(Name="sealed")
    assert received() == 1


def test_dead_letters_of_a_bus_are_refused() -> None:
    queue = {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}
    with pytest.raises(ClientError, match="DeadLetterConfig of an event bus"):
        client("events").create_event_bus(Name="new", DeadLetterConfig=queue)


def test_logs_of_a_bus_are_refused() -> None:
    events = client("events")
    for put in (events.create_event_bus, events.update_event_bus):
        with pytest.raises(ClientError, match="LogConfig of an event bus"):
            put(Name="new", LogConfig={"Level": "INFO"})
    events.create_event_bus(Name="new", LogConfig={"Level": "OFF"})
    events.update_event_bus(Name="new", Description="quiet")
