"""Policy evaluation against AWS's documented rules."""

from typing import Any

import pytest

from local_aws.api import NotImplementedByLocalAws
from local_aws.iam.policies import Decision, Request, condition_fault, evaluate

READ = Request("s3:GetObject", "arn:aws:s3:::films/input/train.jsonl")


def _policy(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}}


@pytest.mark.parametrize(
    ("statement", "decision"),
    [
        ({"Action": "s3:GetObject", "Resource": "*"}, Decision.ALLOW),
        ({"Action": "S3:getobject", "Resource": "*"}, Decision.ALLOW),  # actions ignore case
        ({"Action": "s3:Get*", "Resource": "arn:aws:s3:::films/input/*"}, Decision.ALLOW),
        ({"Action": "s3:Get?bject", "Resource": "*"}, Decision.ALLOW),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::FILMS/*"}, Decision.NEUTRAL),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::films"}, Decision.NEUTRAL),
        ({"Action": "s3:PutObject", "Resource": "*"}, Decision.NEUTRAL),
        ({"NotAction": "s3:PutObject", "Resource": "*"}, Decision.ALLOW),
        ({"NotAction": "s3:*", "Resource": "*"}, Decision.NEUTRAL),
        ({"Action": "*", "NotResource": "arn:aws:s3:::films/*"}, Decision.NEUTRAL),
        ({"Action": "*", "Resource": "arn:aws:s3:::films/[i]nput/*"}, Decision.NEUTRAL),
    ],
)
def test_action_and_resource_patterns_match(statement: dict[str, Any], decision: Decision) -> None:
    assert evaluate([_policy(**statement)], READ) is decision


def test_deny_overrides_allow_in_any_order() -> None:
    allow = _policy(Action="*", Resource="*")
    deny = _policy(Effect="Deny", Action="s3:*", Resource="*")
    assert evaluate([allow, deny], READ) is Decision.DENY
    assert evaluate([deny, allow], READ) is Decision.DENY


@pytest.mark.parametrize(
    ("principal", "decision"),
    [
        ("*", Decision.ALLOW),
        ({"AWS": "*"}, Decision.ALLOW),
        ({"Service": "personalize.amazonaws.com"}, Decision.ALLOW),
        ({"Service": ["lambda.amazonaws.com", "personalize.amazonaws.com"]}, Decision.ALLOW),
        ({"Service": "lambda.amazonaws.com"}, Decision.NEUTRAL),
    ],
)
def test_principals(principal: Any, decision: Decision) -> None:
    request = Request("s3:GetObject", "arn:aws:s3:::films/a", ("personalize.amazonaws.com",))
    policy = _policy(Action="s3:GetObject", Resource="*", Principal=principal)
    assert evaluate([policy], request) is decision


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
        ({"Bool": {"aws:SecureTransport": True}}, True),
        ({"StringEquals": {"AWS:sourceaccount": "123456789012"}}, True),
        ({"StringEquals": {"aws:SourceAccount": ["1", "123456789012"]}}, True),
        ({"StringEquals": {"aws:SourceAccount": "1"}}, False),
        ({"StringNotEquals": {"aws:SourceAccount": "1"}}, True),
        ({"StringNotEquals": {"sts:ExternalId": "1"}}, True),
        ({"StringEquals": {"sts:ExternalId": "1"}}, False),
        ({"StringEqualsIfExists": {"sts:ExternalId": "1"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:personalize:*:123456789012:*"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:personalize:*"}}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:*:dataset/x"}}, False),
        ({"ArnEquals": {"aws:SourceArn": "arn:*:*:*:*:dataset/*"}}, True),
        ({"ArnNotLike": {"aws:SourceArn": "arn:aws:*:dataset/x"}}, True),
        ({"Null": {"sts:ExternalId": "true"}}, True),
        ({"Null": {"sts:ExternalId": "True"}}, True),
        ({"Null": {"aws:SourceArn": "true"}}, False),
        ({"Null": {"aws:SourceArn": "FALSE"}}, True),
        ({"NumericLessThan": {"s3:max-keys": "10"}}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, False),
        # of a key that is missing, none of the values is one, and all are
        ({"ForAnyValue:StringEquals": {"sts:ExternalId": "1"}}, False),
        ({"ForAnyValue:StringNotEquals": {"sts:ExternalId": "1"}}, False),
        ({"ForAnyValue:StringNotEqualsIfExists": {"sts:ExternalId": "1"}}, True),
        ({"ForAllValues:StringNotEquals": {"sts:ExternalId": "1"}}, True),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        # all operators and all keys of a condition must hold
        ({"Bool": {"aws:SecureTransport": "true"}, "Null": {"aws:SourceArn": "true"}}, False),
    ],
)
def test_conditions(condition: dict[str, Any], met: bool) -> None:
    request = Request(
        "s3:GetObject",
        "arn:aws:s3:::films/a",
        context={
            "aws:SecureTransport": "true",
            "aws:SourceAccount": "123456789012",
            "aws:SourceArn": "arn:aws:personalize:us-east-1:123456789012:dataset/x",
            "aws:SourceIp": "127.0.0.1",
            "aws:TagKeys": ["a", "b"],
            "s3:max-keys": "5",
        },
    )
    policy = _policy(Action="*", Resource="*", Condition=condition)
    assert (evaluate([policy], request) is Decision.ALLOW) is met


def test_unknown_operator_is_refused() -> None:
    policy = _policy(Action="*", Resource="*", Condition={"BinaryEquals": {"key": "QQ=="}})
    with pytest.raises(NotImplementedByLocalAws, match="BinaryEquals"):
        evaluate([policy], READ)


# a condition of which it is not known whether it is met
_UNKNOWN = {"StringEquals": {"aws:PrincipalTag/team": "films"}}


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        # one statement that surely allows suffices, before the unknown one or after it
        ([{"Condition": _UNKNOWN}, {}], Decision.ALLOW),
        ([{}, {"Condition": _UNKNOWN}], Decision.ALLOW),
        # one that surely denies is enough, too
        ([{"Effect": "Deny", "Condition": _UNKNOWN}, {"Effect": "Deny"}, {}], Decision.DENY),
        # a statement that surely does not match is no matter, whatever is unknown of it
        ([{"Condition": {**_UNKNOWN, "Null": {"aws:SourceIp": "false"}}}], Decision.NEUTRAL),
        ([{"Condition": {"Null": {"aws:SourceIp": "false"}, **_UNKNOWN}}], Decision.NEUTRAL),
        ([{"Resource": ["arn:aws:s3:::${aws:username}/*", "*"]}], Decision.ALLOW),
        # it depends on the unknown one
        ([{"Condition": _UNKNOWN}], None),
        ([{}, {"Effect": "Deny", "Condition": _UNKNOWN}], None),
        ([{"Resource": ["arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::other"]}], None),
        ([{"NotResource": "arn:aws:s3:::${aws:username}/*", "Resource": None}], None),
    ],
)
def test_unknown_condition_matters_only_if_decisive(
    statements: list[dict[str, Any]], decision: Decision | None
) -> None:
    policy = {
        "Statement": [
            {
                key: value
                for key, value in (
                    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"} | statement
                ).items()
                if value is not None
            }
            for statement in statements
        ]
    }
    if decision is None:
        with pytest.raises(NotImplementedByLocalAws, match=r"PrincipalTag|aws:username"):
            evaluate([policy], READ)
    else:
        assert evaluate([policy], READ) is decision


@pytest.mark.parametrize(
    "operator", ["StringEquals", "StringNotEqualsIgnoreCase", "StringLike", "ArnNotEquals"]
)
def test_policy_variable_is_unknown_to_every_operator(operator: str) -> None:
    name = "arn:aws:iam::123456789012:user/"
    condition = {operator: {"aws:PrincipalArn": f"{name}${{aws:username}}"}}
    deny = _policy(Effect="Deny", Action="*", Resource="*", Condition=condition)
    request = Request("s3:GetObject", "*", context={"aws:PrincipalArn": f"{name}anna"})
    with pytest.raises(NotImplementedByLocalAws, match="aws:username"):
        evaluate([_policy(Action="*", Resource="*"), deny], request)
    with pytest.raises(NotImplementedByLocalAws, match="aws:username"):
        condition_fault(condition)


@pytest.mark.parametrize(
    ("action", "condition", "met"),
    [
        # the Reference: which keys of its own service a request of the action may have
        ("s3:DeleteObject", {"StringEquals": {"s3:x-amz-acl": "private"}}, False),
        ("s3:DeleteObject", {"StringNotEquals": {"s3:x-amz-acl": "private"}}, True),
        ("s3:PutObject", {"StringEquals": {"s3:x-amz-acl": "private"}}, None),
        ("s3:PutObject", {"StringEquals": {"s3:RequestObjectTag/a": "b"}}, None),
        ("sagemaker:CreateModel", {"StringEqualsIfExists": {"sagemaker:WorkteamType": "x"}}, True),
        ("sagemaker:CreateLabelingJob", {"StringEquals": {"sagemaker:WorkteamType": "x"}}, None),
        ("sagemaker:DescribeModel", {"StringEquals": {"sagemaker:ResourceTag/a": "b"}}, None),
        ("kms:Decrypt", {"StringEquals": {"kms:EncryptionContext:a": "b"}}, None),
        # which others' keys it may have is said nowhere
        ("s3:GetObject", {"ArnEquals": {"lambda:SourceFunctionArn": "arn:x"}}, None),
        ("s3:NoSuchThing", {"StringEquals": {"s3:x-amz-acl": "private"}}, None),
    ],
)
def test_condition_key_that_an_action_never_has_is_absent(
    action: str, condition: dict[str, Any], met: bool | None
) -> None:
    policy = _policy(Action="*", Resource="*", Condition=condition)
    request = Request(action, "*")
    if met is None:
        with pytest.raises(NotImplementedByLocalAws, match="condition key"):
            evaluate([policy], request)
    else:
        assert (evaluate([policy], request) is Decision.ALLOW) is met
