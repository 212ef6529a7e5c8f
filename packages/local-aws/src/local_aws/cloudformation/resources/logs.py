"""AWS::Logs: log groups and resource policies."""

from typing import Any

from local_aws.cloudformation.errors import ResourceFailed
from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    retag,
    tag_map,
)


class LogGroup(Handler):
    """AWS::Logs::LogGroup."""

    type = "AWS::Logs::LogGroup"
    supported = frozenset({"LogGroupName", "RetentionInDays", "KmsKeyId", "LogGroupClass", "Tags"})
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Create the group, then its retention."""
        logs = call.client("logs")
        name = call.properties.get("LogGroupName") or call.generated_name(512)
        request: dict[str, Any] = {"logGroupName": name}
        for theirs, ours in (("KmsKeyId", "kmsKeyId"), ("LogGroupClass", "logGroupClass")):
            if theirs in call.properties:
                request[ours] = call.properties[theirs]
        if tags := tag_map(call.properties.get("Tags")):
            request["tags"] = tags
        logs.create_log_group(**request)
        call.identify(name)
        self._retain(call)
        return _attributes(call)

    def update(self, call: Call) -> Attributes:
        """Change retention, key and tags."""
        logs = call.client("logs")
        self._retain(call)
        if call.changed("KmsKeyId"):
            if key := call.properties.get("KmsKeyId"):
                logs.associate_kms_key(logGroupName=call.physical_id, kmsKeyId=key)
            else:
                logs.disassociate_kms_key(logGroupName=call.physical_id)
        if call.changed("LogGroupClass"):
            raise ResourceFailed("The class of a log group cannot be changed.")
        attributes = _attributes(call)
        retag(call, logs, dict, resourceArn=attributes["Arn"].removesuffix(":*"))
        return attributes

    def delete(self, call: Call) -> None:
        """Delete the group with its streams."""
        call.client("logs").delete_log_group(logGroupName=call.physical_id)

    def _retain(self, call: Call) -> None:
        if not call.changed("RetentionInDays"):
            return
        logs = call.client("logs")
        if days := call.properties.get("RetentionInDays"):
            logs.put_retention_policy(logGroupName=call.physical_id, retentionInDays=days)
        else:
            logs.delete_retention_policy(logGroupName=call.physical_id)


class ResourcePolicy(Handler):
    """AWS::Logs::ResourcePolicy: an account-wide policy for AWS's services."""

    type = "AWS::Logs::ResourcePolicy"
    supported = frozenset({"PolicyDocument", "PolicyName"})
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Put the policy."""
        self._put(call)
        call.identify(call.properties["PolicyName"])
        return {}

    def update(self, call: Call) -> Attributes:
        """Update it."""
        self._put(call)
        return {}

    def delete(self, call: Call) -> None:
        """Delete it."""
        call.client("logs").delete_resource_policy(policyName=call.physical_id)

    def _put(self, call: Call) -> None:
        call.client("logs").put_resource_policy(
            policyName=call.properties["PolicyName"],
            policyDocument=call.properties["PolicyDocument"],
        )


HANDLERS = (LogGroup, ResourcePolicy)


def _attributes(call: Call) -> Attributes:
    return {"Arn": f"arn:aws:logs:{call.region}:{call.account_id}:log-group:{call.physical_id}:*"}
