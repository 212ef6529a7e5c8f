"""KMS keys of dataset groups, which the group's role and Personalize must be permitted to use.

https://docs.aws.amazon.com/personalize/latest/dg/granting-personalize-key-access.html
"""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.personalize.models import personalize_backends

from local_aws.personalize.access import key_refusal
from local_aws.personalize.engine import Served
from local_aws.personalize.errors import InvalidInput
from local_aws.personalize.resources import KINDS, Resource
from local_aws_tests.mocked import ACCOUNT, REGION, client
from local_aws_tests.personalize.conftest import INTERACTIONS

ROLE = f"arn:aws:iam::{ACCOUNT}:role/Sealing"
BOTH = ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:ListGrants"]


def _document(*statements: dict[str, Any]) -> str:
    allowed = [{"Effect": "Allow", **statement} for statement in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": allowed})


@pytest.fixture(autouse=True)
def _role(mocked: None) -> None:
    service = {"Principal": {"Service": "personalize.amazonaws.com"}}
    trust = _document({**service, "Action": "sts:AssumeRole"})
    client("iam").create_role(RoleName="Sealing", AssumeRolePolicyDocument=trust)


def _permit(key: str, *, leave_out: str = "", of: str = "") -> None:
    """Permit what AWS's example does, but for one action in one of the three policies."""

    def actions(holder: str) -> list[str]:
        every = BOTH if holder == "role" else [*BOTH, "kms:CreateGrant"]
        return [action for action in every if holder != of or action != leave_out]

    role = {"Action": actions("role"), "Resource": key}
    client("iam").put_role_policy(
        RoleName="Sealing", PolicyName="key", PolicyDocument=_document(role)
    )
    root = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Resource": "*"}
    named = {"Principal": {"Service": "personalize.amazonaws.com"}, "Resource": "*"}
    delegated = [*actions("root"), *("kms:PutKeyPolicy", "kms:DisableKey", "kms:EnableKey")]
    statements = [{**root, "Action": delegated}, {**named, "Action": actions("service")}]
    client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=_document(*statements))


def _settled(kind: str, arn: str) -> Resource:
    found: Resource = personalize_backends[ACCOUNT][REGION].registry.find(kind, arn)  # type: ignore[attr-defined]
    deadline = time.monotonic() + 60
    while found.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def _group(name: str, key: str) -> Resource:
    made = client("personalize").create_dataset_group(name=name, kmsKeyArn=key, roleArn=ROLE)
    return _settled("datasetGroup", made["datasetGroupArn"])


def test_key_of_a_dataset_group_permits_its_role_and_the_service() -> None:
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    group = f"arn:aws:personalize:{REGION}:{ACCOUNT}:dataset-group/g"
    left_out = [(action, of) for action in BOTH for of in ("role", "root", "service")]
    for action, of in [*left_out, ("kms:CreateGrant", "service")]:
        _permit(key, leave_out=action, of=of)
        who = "personalize.amazonaws.com" if of == "service" else f"Role {ROLE}"
        told = key_refusal(key, ROLE, group) or ""
        assert told.startswith(f"{who} is not authorized to perform: {action}")
    refused = _group("refused", key)
    assert refused.status == "CREATE FAILED"
    assert "kms:CreateGrant" in refused["failureReason"]
    _permit(key)
    assert _group("good", key).status == "ACTIVE"
    assert "does not exist" in _group("absent", f"{key[:-3]}000")["failureReason"]
    personalize = client("personalize")
    untrusted = {"kmsKeyArn": key, "roleArn": f"{ROLE}2"}
    with pytest.raises(ClientError, match="does not exist, or does not trust"):
        personalize.create_dataset_group(name="untrusted", **untrusted)


def test_data_of_a_group_need_its_key() -> None:
    personalize, kms, events = map(client, ("personalize", "kms", "personalize-events"))
    key = kms.create_key()["KeyMetadata"]["Arn"]
    _permit(key)
    group = _group("sealed", key)
    schema = personalize.create_schema(name="s", schema=INTERACTIONS)["schemaArn"]
    in_group = {"datasetGroupArn": group.arn}
    made = personalize.create_dataset(
        name="d", schemaArn=schema, datasetType="INTERACTIONS", **in_group
    )
    assert _settled("dataset", made["datasetArn"]).status == "ACTIVE"
    tracker = personalize.create_event_tracker(name="t", **in_group)
    _settled("eventTracker", tracker["eventTrackerArn"])
    event = {"eventType": "watch", "itemId": "i", "sentAt": 1_600_000_000}
    told = {"trackingId": tracker["trackingId"], "userId": "u", "sessionId": "s"}
    chosen = 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")'

    def filtered(name: str) -> Resource:
        made = personalize.create_filter(name=name, filterExpression=chosen, **in_group)
        return _settled("filter", made["filterArn"])

    events.put_events(**told, eventList=[event])
    assert filtered("before").status == "ACTIVE"
    kms.disable_key(KeyId=key)
    assert "is disabled" in filtered("meanwhile")["failureReason"]
    with pytest.raises(ClientError, match=r"InvalidInputException.*is disabled"):
        events.put_events(**told, eventList=[event])
    backend: Any = personalize_backends[ACCOUNT][REGION]
    campaign = Resource(KINDS["campaign"], f"{group.arn}/c", group.arn, {"status": "ACTIVE"})
    campaign.inner = object.__new__(Served)
    backend.registry.resources[campaign.arn] = campaign
    with pytest.raises(InvalidInput, match="is disabled"):
        backend.runtime.get_recommendations({"campaignArn": campaign.arn})
    campaign.inner = None  # so that nothing is closed
    kms.enable_key(KeyId=key)
    assert filtered("afterwards").status == "ACTIVE"
    events.put_events(**told, eventList=[event])
