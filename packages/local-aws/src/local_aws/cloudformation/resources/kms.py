"""AWS::KMS: keys and aliases."""

import json
from typing import Any

from botocore.exceptions import ClientError

from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    pick,
    retag,
    tag_map,
)


class Key(Handler):
    """AWS::KMS::Key."""

    type = "AWS::KMS::Key"
    supported = frozenset(
        [
            "BypassPolicyLockoutSafetyCheck",
            "Description",
            "EnableKeyRotation",
            "Enabled",
            "KeyPolicy",
            "KeySpec",
            "KeyUsage",
            "MultiRegion",
            "PendingWindowInDays",
            "Tags",
        ]
    )
    gone_codes = frozenset({"NotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Create the key."""
        kms = call.client("kms")
        names = [
            "BypassPolicyLockoutSafetyCheck",
            "Description",
            "KeySpec",
            "KeyUsage",
            "MultiRegion",
        ]
        request = pick(call.properties, names)
        if "KeyPolicy" in call.properties:
            request["Policy"] = _text(call.properties["KeyPolicy"])
        if call.properties.get("Tags"):
            request["Tags"] = _tags(tag_map(call.properties["Tags"]))
        key = kms.create_key(**request)["KeyMetadata"]
        call.identify(key["KeyId"])
        self._switch(call)
        return {"KeyId": key["KeyId"], "Arn": key["Arn"]}

    def update(self, call: Call) -> Attributes:
        """Change policy, description, rotation, state and tags."""
        kms = call.client("kms")
        key = {"KeyId": call.physical_id}
        if call.changed("KeyPolicy") and "KeyPolicy" in call.properties:
            policy = _text(call.properties["KeyPolicy"])
            kms.put_key_policy(**key, PolicyName="default", Policy=policy)
        if call.changed("Description"):
            kms.update_key_description(**key, Description=call.properties.get("Description", ""))
        self._switch(call)
        retag(call, kms, _tags, **key)
        return call.attributes

    def delete(self, call: Call) -> None:
        """Schedule the deletion, as AWS does."""
        days = call.properties.get("PendingWindowInDays", 30)
        kms = call.client("kms")
        kms.schedule_key_deletion(KeyId=call.physical_id, PendingWindowInDays=days)

    def gone(self, error: ClientError) -> bool:
        """A key that is pending deletion counts as deleted."""
        return super().gone(error) or "pending deletion" in error.response["Error"]["Message"]

    def _switch(self, call: Call) -> None:
        kms = call.client("kms")
        key = {"KeyId": call.physical_id}
        if call.changed("EnableKeyRotation"):
            rotate = call.properties.get("EnableKeyRotation")
            (kms.enable_key_rotation if rotate else kms.disable_key_rotation)(**key)
        if call.changed("Enabled"):
            enabled = call.properties.get("Enabled", True)
            (kms.enable_key if enabled else kms.disable_key)(**key)


class Alias(Handler):
    """AWS::KMS::Alias."""

    type = "AWS::KMS::Alias"
    supported = frozenset({"AliasName", "TargetKeyId"})
    gone_codes = frozenset({"NotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Create the alias."""
        call.client("kms").create_alias(**call.properties)
        call.identify(call.properties["AliasName"])
        return {}

    def update(self, call: Call) -> Attributes:
        """Update the alias."""
        call.client("kms").update_alias(**call.properties)
        return {}

    def delete(self, call: Call) -> None:
        """Delete the alias."""
        call.client("kms").delete_alias(AliasName=call.physical_id)


HANDLERS = (Key, Alias)


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
