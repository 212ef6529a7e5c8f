"""SimulatePrincipalPolicy: what policies say, without making the call."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.server import LocalAws

pytestmark = pytest.mark.slow
BUCKET = "arn:aws:s3:::films"


@pytest.fixture(scope="module")
def iam() -> Iterator[Any]:
    with LocalAws():
        yield clients.client("iam", "us-east-1")


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def decisions(iam: Any, arn: str, action: str, *resources: str) -> list[str]:
    more = {"ResourceArns": list(resources)} if resources else {}
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=[action], **more)
    return [one["EvalDecision"] for one in answer["EvaluationResults"]]


def test_users_policies_decide_by_action_and_resource(iam: Any) -> None:
    arn = iam.create_user(UserName="anna")["User"]["Arn"]
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": f"{BUCKET}/secret/*"}
    iam.put_user_policy(UserName="anna", PolicyName="p", PolicyDocument=policy(allow, deny))
    keys = [f"{BUCKET}/u.data", f"{BUCKET}/secret/u.data", "arn:aws:s3:::books/u.data"]
    assert decisions(iam, arn, "s3:GetObject", *keys) == ["allowed", "explicitDeny", "implicitDeny"]
    assert decisions(iam, arn, "s3:PutObject", keys[0]) == ["implicitDeny"]
    assert decisions(iam, arn, "s3:ListAllMyBuckets") == ["implicitDeny"]


def test_roles_boundary_limits_its_policies(iam: Any) -> None:
    trust = policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )
    boundary = iam.create_policy(
        PolicyName="boundary",
        PolicyDocument=policy({"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}),
    )["Policy"]["Arn"]
    arn = iam.create_role(
        RoleName="r", AssumeRolePolicyDocument=trust, PermissionsBoundary=boundary
    )["Role"]["Arn"]
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy(everything))
    assert decisions(iam, arn, "s3:GetObject") == ["allowed"]
    assert decisions(iam, arn, "s3:PutObject") == ["implicitDeny"]


def test_what_is_not_simulated_is_refused_by_name(iam: Any) -> None:
    iam.create_user(UserName="otto")
    arn = "arn:aws:iam::123456789012:user/otto"
    for wanted, code in (
        ({"PolicySourceArn": "arn:aws:iam::123456789012:user/nobody"}, "NoSuchEntity"),
        ({"PolicySourceArn": arn, "ResourcePolicy": policy()}, "NotImplementedByLocalAws"),
    ):
        with pytest.raises(ClientError) as error:
            iam.simulate_principal_policy(ActionNames=["s3:GetObject"], **wanted)
        assert error.value.response["Error"]["Code"] == code
