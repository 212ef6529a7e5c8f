"""Changes of roles hold after a delay, as on AWS; the clock is the tests'."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local_aws import __main__ as command_line
from local_aws.iam import propagation
from local_aws.moto_patches import install

TRUST = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}
LISTS = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The seconds that have passed; changes take thirty."""
    now = [1000.0]
    install()
    with mock_aws():
        propagation.set_delay(30)
        monkeypatch.setattr(propagation, "time", SimpleNamespace(monotonic=lambda: now[0]))
        yield now
        propagation.set_delay(0)


@pytest.fixture
def iam(clock: list[float]) -> Any:
    return boto3.client("iam", region_name="us-east-1")


def assumed() -> Any:
    """S3 as the role `r`."""
    sts = boto3.client("sts", region_name="us-east-1")
    made = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="session")
    keys = made["Credentials"]
    return boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def allowed(s3: Any) -> bool:
    try:
        s3.list_buckets()
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def test_new_role_cannot_be_assumed_before_the_delay(iam: Any, clock: list[float]) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=document(TRUST))
    with pytest.raises(ClientError, match="AccessDenied"):
        assumed()
    clock[0] += 31
    assumed()


def test_policy_put_on_a_role_allows_after_the_delay(iam: Any, clock: list[float]) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=document(TRUST))
    clock[0] += 31
    s3 = assumed()
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document(LISTS))
    clock[0] += 29
    assert not allowed(s3)
    clock[0] += 2
    assert allowed(s3)


def test_policy_taken_off_a_role_allows_until_the_delay(iam: Any, clock: list[float]) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=document(TRUST))
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document(LISTS))
    clock[0] += 31
    s3 = assumed()
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    assert allowed(s3)
    clock[0] += 31
    assert not allowed(s3)


def test_each_of_several_changes_waits_for_its_own_time(iam: Any, clock: list[float]) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=document(TRUST))
    clock[0] += 31
    s3 = assumed()
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document(LISTS))
    clock[0] += 10
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    clock[0] += 21  # the first change holds, the second does not
    assert allowed(s3)
    clock[0] += 10
    assert not allowed(s3)


def test_managed_policy_and_trust_change_after_the_delay(iam: Any, clock: list[float]) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=document(TRUST))
    arn = iam.create_policy(PolicyName="m", PolicyDocument=document(LISTS))["Policy"]["Arn"]
    clock[0] += 31
    s3 = assumed()
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    iam.update_assume_role_policy(
        RoleName="r",
        PolicyDocument=document({**TRUST, "Principal": {"Service": "lambda.amazonaws.com"}}),
    )
    assert not allowed(s3)
    assumed()
    clock[0] += 31
    assert allowed(s3)
    with pytest.raises(ClientError, match="AccessDenied"):
        assumed()
    iam.detach_role_policy(RoleName="r", PolicyArn=arn)
    assert allowed(s3)


@pytest.mark.parametrize("seconds", ["-1", "61", "nan"])
def test_delay_that_aws_does_not_have_is_refused(
    seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["--iam-delay", seconds])
    assert "--iam-delay is from 0 to 60 seconds" in capsys.readouterr().err
    with pytest.raises(ValueError, match="from 0 to 60 seconds"):
        propagation.set_delay(float(seconds))
