"""SimulatePrincipalPolicy: what policies say, without making the call."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.iam.models import iam_backends

from local_aws import clients
from local_aws.iam import access
from local_aws.server import LocalAws
from tests.reliability import Tally

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


def test_what_is_not_simulated_is_refused_by_name(iam: Any, tally: Tally) -> None:
    iam.create_user(UserName="otto")
    arn = "arn:aws:iam::123456789012:user/otto"
    of_another = {"ResourceArns": ["arn:aws:sqs:us-east-1:999999999999:q"]}
    for wanted, code in (
        ({"PolicySourceArn": arn.replace("otto", "nobody")}, "NoSuchEntity"),
        ({"PolicySourceArn": "arn:aws:iam::999999999999:user/otto"}, "AccessDenied"),
        ({"PolicySourceArn": "arn:aws:iam::888888888888:role/otto"}, "AccessDenied"),
        ({"PolicySourceArn": arn, "ActionNames": ["s3:" + "x" * 126]}, "ValidationError"),
        ({"PolicySourceArn": arn, "ResourceArns": ["x" * 2049]}, "ValidationError"),
        ({"PolicySourceArn": arn, "MaxItems": 1001}, "ValidationError"),
        ({"PolicySourceArn": arn, "Marker": "2"}, "InvalidInput"),
        ({"PolicySourceArn": arn, "Marker": "last"}, "InvalidInput"),
        ({"PolicySourceArn": arn, **of_another}, "NotImplementedByLocalAws"),
        ({"PolicySourceArn": arn, "ResourcePolicy": policy()}, "NotImplementedByLocalAws"),
        ({"PolicySourceArn": arn.replace("user/", "group/")}, "NotImplementedByLocalAws"),
    ):
        with pytest.raises(ClientError) as error:
            iam.simulate_principal_policy(**{"ActionNames": ["s3:GetObject"], **wanted})
        assert error.value.response["Error"]["Code"] == code, wanted
        tally("inputs tried", "simulations that are refused")
    assert set(iam_backends) == {"123456789012"}


def test_results_come_in_pages_of_a_hundred_or_as_many_as_asked(
    iam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = iam.create_user(UserName="page")["User"]["Arn"]
    allow = {"Effect": "Allow", "Action": "s3:Get*", "Resource": f"{BUCKET}/1"}
    iam.put_user_policy(UserName="page", PolicyName="p", PolicyDocument=policy(allow))
    actions = [f"s3:{verb}Object{number}" for verb in ("Get", "Put") for number in range(500)]
    asked = {"ActionNames": actions, "ResourceArns": [f"{BUCKET}/{n}" for n in range(500)]}
    evaluated: list[int] = []
    simulated = access.simulated

    def counted(principal: str, requests: list[Any], region: str) -> list[Any]:
        evaluated.append(len(requests))
        return simulated(principal, requests, region)

    monkeypatch.setattr(access, "simulated", counted)
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, **asked)
    assert len(answer["EvaluationResults"]) == 100
    assert answer["IsTruncated"]
    shown = {one["EvalActionName"] for one in answer["EvaluationResults"]}
    assert shown == {"s3:GetObject0"}
    allowed = [one["EvalDecision"] == "allowed" for one in answer["EvaluationResults"]]
    assert allowed == [number == 1 for number in range(100)]
    answer = iam.simulate_principal_policy(
        PolicySourceArn=arn, **asked, MaxItems=1000, Marker=answer["Marker"]
    )
    assert answer["EvaluationResults"][-1]["EvalActionName"] == "s3:GetObject2"
    assert answer["EvaluationResults"][-1]["EvalResourceName"] == f"{BUCKET}/99"
    assert evaluated == [100, 1000]
    last = iam.simulate_principal_policy(PolicySourceArn=arn, **asked, Marker="499990")
    assert len(last["EvaluationResults"]) == 10
    assert not last["IsTruncated"]
    assert "Marker" not in last
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn, ActionNames=actions[:3], ResourceArns=asked["ResourceArns"]
    )
    assert len(pages.build_full_result()["EvaluationResults"]) == 1500
