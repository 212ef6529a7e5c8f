"""IAM's quotas of policies."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.server import LocalAws

MANAGED = "arn:aws:iam::aws:policy/"


@pytest.fixture(scope="module")
def iam() -> Iterator[Any]:
    with LocalAws():
        yield clients.client("iam", "us-east-1")


def _policy(size: int, **more: Any) -> str:
    """A policy of this many characters besides its white space."""
    statement = {"Effect": "Allow", "Sid": "", "Action": "s3:GetObject", "Resource": "*", **more}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    statement["Sid"] = "a" * (size - len(json.dumps(document, separators=(",", ":"))))
    return json.dumps(document, indent=4)


def _trust(size: int) -> str:
    policy = json.loads(_policy(size, Action="sts:AssumeRole", Principal={"AWS": "123456789012"}))
    del policy["Statement"][0]["Resource"]
    policy["Statement"][0]["Sid"] += "a" * len('"Resource":"*",')
    return json.dumps(policy, indent=4)


def test_policy_sizes_are_limited_without_white_space(iam: Any) -> None:
    with pytest.raises(ClientError, match=r"LimitExceeded.*ACLSizePerRole: 2048"):
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=_trust(2_049))
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=_trust(2_048))
    with pytest.raises(ClientError, match=r"LimitExceeded.*ACLSizePerRole"):
        iam.update_assume_role_policy(RoleName="r", PolicyDocument=_trust(2_049))
    with pytest.raises(ClientError, match=r"LimitExceeded.*PolicySize: 6144"):
        iam.create_policy(PolicyName="p", PolicyDocument=_policy(6_145))
    arn = iam.create_policy(PolicyName="p", PolicyDocument=_policy(6_144))["Policy"]["Arn"]
    with pytest.raises(ClientError, match=r"LimitExceeded.*PolicySize"):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=_policy(6_145))


def test_session_policy_is_limited(iam: Any) -> None:
    iam.create_role(RoleName="session", AssumeRolePolicyDocument=_trust(200))
    sts = clients.client("sts", "us-east-1")
    asked = {"RoleArn": "arn:aws:iam::123456789012:role/session", "RoleSessionName": "me"}
    longest = json.dumps(json.loads(_policy(2_048)), separators=(",", ":"))
    sts.assume_role(**asked, Policy=longest)
    with pytest.raises(ClientError, match=r"ValidationError.*less than or equal to 2048"):
        sts.assume_role(**asked, Policy=f"{longest} ")


@pytest.mark.parametrize(("kind", "total"), [("user", 2_048), ("role", 10_240), ("group", 5_120)])
def test_inline_policies_are_limited_together_and_attached_ones_by_number(
    iam: Any, kind: str, total: int
) -> None:
    name = {f"{kind.capitalize()}Name": "limited"}
    trust = {"AssumeRolePolicyDocument": _trust(200)} if kind == "role" else {}
    getattr(iam, f"create_{kind}")(**name, **trust)
    put, attach = getattr(iam, f"put_{kind}_policy"), getattr(iam, f"attach_{kind}_policy")
    put(**name, PolicyName="a", PolicyDocument=_policy(total - 200))
    with pytest.raises(ClientError, match=rf"LimitExceeded.*{total} bytes exceeded for {kind}"):
        put(**name, PolicyName="b", PolicyDocument=_policy(201))
    put(**name, PolicyName="b", PolicyDocument=_policy(200))
    put(**name, PolicyName="a", PolicyDocument=_policy(total - 200))  # replaces its own
    policies = [f"{MANAGED}{one}" for one in _TEN]
    for policy in policies:
        attach(**name, PolicyArn=policy)
    with pytest.raises(ClientError, match=rf"LimitExceeded.*PoliciesPer{kind.capitalize()}: 10"):
        attach(**name, PolicyArn=f"{MANAGED}AWSLambda_FullAccess")
    attach(**name, PolicyArn=policies[0])  # is attached


_TEN = (
    *("AdministratorAccess", "ReadOnlyAccess", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess"),
    *("AmazonSQSFullAccess", "AmazonSNSFullAccess", "AmazonSSMFullAccess", "IAMFullAccess"),
    *("IAMReadOnlyAccess", "CloudWatchFullAccess"),
)
