"""KMS keys of log groups, whose policies must permit CloudWatch Logs what AWS's example does.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
"""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.mocked import ACCOUNT, REGION, ROOT, client

pytestmark = pytest.mark.usefixtures("mocked")

HERE = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"
ACTIONS = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*"]
Call = Callable[[], Any]


def _policy(
    group: str, principal: str = f"logs.{REGION}.amazonaws.com", leave_out: str = ""
) -> str:
    """AWS's example for one log group."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": [*(action for action in ACTIONS if action != leave_out), "kms:Describe*"],
        "Resource": "*",
        "Condition": {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": f"{HERE}{group}"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [ROOT, statement]})


def _key(policy: str | None = None, **more: Any) -> str:
    given = {"Policy": policy} if policy else {}
    return str(client("kms").create_key(**given, **more)["KeyMetadata"]["Arn"])


def _refused(code: str, call: Call) -> str:
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] == code
    return str(error.value.response["Error"]["Message"])


@pytest.mark.parametrize("by", ["CreateLogGroup", "AssociateKmsKey"])
def test_key_of_a_log_group_permits_the_service_to_use_it(by: str) -> None:
    logs = client("logs")
    if by == "AssociateKmsKey":
        logs.create_log_group(logGroupName="plain")

    def put(key: str) -> None:
        if by == "CreateLogGroup":
            logs.create_log_group(logGroupName="sealed", kmsKeyId=key)
        else:
            logs.associate_kms_key(logGroupName="plain", kmsKeyId=key)

    group = "sealed" if by == "CreateLogGroup" else "plain"
    others = (
        (None, "kms:Encrypt"),
        (_policy("other"), "kms:Encrypt"),
        (_policy(group, "logs.eu-west-1.amazonaws.com"), "kms:Encrypt"),
        *((_policy(group, leave_out=one), one.rstrip("*")) for one in ACTIONS),
    )
    for policy, missing in others:
        told = _refused("AccessDeniedException", partial(put, _key(policy)))
        assert f"not allowed to be used with Arn '{HERE}{group}'" in told
        assert f"to perform: {missing}" in told
    good = _key(_policy(group))
    kms = client("kms")
    kms.create_alias(AliasName="alias/mine", TargetKeyId=good)
    kms.disable_key(KeyId=good)
    signing = _key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")
    for wrong in (good, f"{good[:-3]}000", good.rpartition("/")[2], "alias/mine", signing):
        _refused("InvalidParameterException", partial(put, wrong))
    kms.enable_key(KeyId=good)
    put(good)
    [found] = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert found["kmsKeyId"] == good


def test_events_need_the_key_that_encrypted_them() -> None:
    logs, kms, key = client("logs"), client("kms"), _key(_policy("sealed"))
    logs.create_log_group(logGroupName="sealed", kmsKeyId=key)
    stream = {"logGroupName": "sealed", "logStreamName": "s"}
    logs.create_log_stream(**stream)
    moment = int(time.time() * 1000)

    def write() -> None:
        logs.put_log_events(**stream, logEvents=[{"timestamp": moment, "message": "m"}])

    def read() -> int:
        found = logs.filter_log_events(logGroupName="sealed")["events"]
        assert len(logs.get_log_events(**stream)["events"]) == len(found)
        return len(found)

    write()
    assert read() == 1
    reads: tuple[Call, ...] = (
        lambda: logs.get_log_events(**stream),
        lambda: logs.filter_log_events(logGroupName="sealed"),
        lambda: logs.start_query(
            logGroupName="sealed", startTime=0, endTime=moment, queryString="fields @message"
        ),
    )
    _refused(
        "NotImplementedByLocalAws",
        lambda: logs.start_query(
            logGroupIdentifiers=["sealed"], startTime=0, endTime=moment, queryString="fields @log"
        ),
    )
    kms.disable_key(KeyId=key)
    for call in (write, *reads):
        assert "is disabled" in _refused("AccessDeniedException", call)
    logs.disassociate_kms_key(resourceIdentifier=f"{HERE}sealed")
    write()  # in the open, while what lies there stays encrypted
    for call in reads:
        _refused("AccessDeniedException", call)
    kms.enable_key(KeyId=key)
    assert read() == 2
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=_policy("other"))
    _refused("AccessDeniedException", reads[0])
    logs.delete_log_group(logGroupName="sealed")
    logs.create_log_group(logGroupName="sealed")
    assert logs.filter_log_events(logGroupName="sealed")["events"] == []


def test_only_log_groups_have_keys() -> None:
    logs, results = client("logs"), f"arn:aws:logs:{REGION}:{ACCOUNT}:query-result:*"
    key = _key(_policy("sealed"))
    _refused("NotImplementedByLocalAws", lambda: _associate(logs, key, resourceIdentifier=results))
    _refused("InvalidParameterException", lambda: _associate(logs, key))
    _refused("ResourceNotFoundException", lambda: _associate(logs, key, logGroupName="none"))


def _associate(logs: Any, key: str, **target: str) -> None:
    logs.associate_kms_key(kmsKeyId=key, **target)
