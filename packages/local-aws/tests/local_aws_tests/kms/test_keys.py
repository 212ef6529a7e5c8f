"""The states of KMS keys, by the names that AWS documents for each operation."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.mocked import client


@pytest.fixture
def kms(mocked: None) -> Any:
    return client("kms")


@pytest.mark.parametrize("by", ["KeyId", "Arn"])
def test_key_changes_its_state_by_id_and_by_arn(kms: Any, by: str) -> None:
    key = kms.create_key()["KeyMetadata"]
    named = {"KeyId": key[by]}

    def state() -> str:
        return str(kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"])

    kms.disable_key(**named)
    assert state() == "Disabled"
    kms.enable_key(**named)
    assert state() == "Enabled"
    with pytest.raises(ClientError, match="KMSInvalidStateException"):
        kms.cancel_key_deletion(**named)
    assert kms.schedule_key_deletion(**named, PendingWindowInDays=7)["KeyId"] == key["Arn"]
    assert state() == "PendingDeletion"
    for change in (kms.enable_key, kms.disable_key, kms.schedule_key_deletion):
        with pytest.raises(ClientError, match="KMSInvalidStateException"):
            change(**named)
    assert kms.cancel_key_deletion(**named)["KeyId"] == key["Arn"]
    assert state() == "Disabled"


def test_alias_changes_no_state_of_its_key(kms: Any) -> None:
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/mine", TargetKeyId=key["KeyId"])
    arn = f"{key['Arn'].partition(':key/')[0]}:alias/mine"
    operations = (
        *(kms.disable_key, kms.enable_key),
        *(kms.schedule_key_deletion, kms.cancel_key_deletion),
    )
    for operation in operations:
        for name in ("alias/mine", arn, key["Arn"][:-1]):
            with pytest.raises(ClientError, match="NotFoundException"):
                operation(KeyId=name)
    assert kms.describe_key(KeyId="alias/mine")["KeyMetadata"]["KeyState"] == "Enabled"
