"""AWS::DynamoDB: tables, optionally imported from S3."""

from typing import Any

from local_aws.cloudformation.errors import ResourceFailed
from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    pick,
    retag,
    tag_list,
)

_LOOK_SECONDS = 0.1
_SCHEMA = ("AttributeDefinitions", "BillingMode", "KeySchema", "ProvisionedThroughput")


class Table(Handler):
    """AWS::DynamoDB::Table."""

    type = "AWS::DynamoDB::Table"
    supported = frozenset(
        [
            *_SCHEMA,
            "DeletionProtectionEnabled",
            "ImportSourceSpecification",
            "PointInTimeRecoverySpecification",
            "SSESpecification",
            "TableName",
            "Tags",
            "TimeToLiveSpecification",
        ]
    )
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Create the table, or import it; then what takes separate calls."""
        dynamodb = call.client("dynamodb")
        name = call.properties.get("TableName") or call.generated_name(255)
        request: dict[str, Any] = {
            "TableName": name,
            **pick(call.properties, _SCHEMA),
            **_encryption(call),
        }
        if source := call.properties.get("ImportSourceSpecification"):
            self._import(call, request, source)
        else:
            dynamodb.create_table(
                **request, DeletionProtectionEnabled=_protected(call), Tags=_tags(call)
            )
            call.identify(name)
        arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
        if source:
            if tags := _tags(call):
                dynamodb.tag_resource(ResourceArn=arn, Tags=tags)
            if request.get("SSESpecification") or _protected(call):
                settings = pick(request, ["SSESpecification"])
                dynamodb.update_table(
                    TableName=name, DeletionProtectionEnabled=_protected(call), **settings
                )
        self._configure(call)
        return {"Arn": arn}

    def update(self, call: Call) -> Attributes:
        """Apply changes that are possible in place."""
        dynamodb = call.client("dynamodb")
        changes: dict[str, Any] = {}
        if call.changed("BillingMode", "ProvisionedThroughput"):
            changes |= pick(call.properties, ("BillingMode", "ProvisionedThroughput"))
        if call.changed("SSESpecification"):
            changes |= _encryption(call) or {"SSESpecification": {"Enabled": False}}
        if call.changed("DeletionProtectionEnabled"):
            changes["DeletionProtectionEnabled"] = _protected(call)
        if changes:
            dynamodb.update_table(TableName=call.physical_id, **changes)
        self._configure(call)
        retag(call, dynamodb, ResourceArn=call.attributes["Arn"])
        return call.attributes

    def delete(self, call: Call) -> None:
        """Delete the table with its items."""
        call.client("dynamodb").delete_table(TableName=call.physical_id)

    def _import(self, call: Call, request: dict[str, Any], source: dict[str, Any]) -> None:
        dynamodb, name = call.client("dynamodb"), request["TableName"]
        if source["InputFormat"] != "DYNAMODB_JSON":
            raise ResourceFailed(
                f"The local AWS does not implement imports of {source['InputFormat']}; "
                "DYNAMODB_JSON it does"
            )
        compression = source.get("InputCompressionType", "NONE")
        if compression == "ZSTD":
            raise ResourceFailed("The local AWS does not implement imports of ZSTD; GZIP it does")
        found = dynamodb.import_table(
            S3BucketSource=source["S3BucketSource"],
            InputFormat=source["InputFormat"],
            InputCompressionType=compression,
            TableCreationParameters=request,
        )["ImportTableDescription"]
        call.identify(name)
        while found["ImportStatus"] == "IN_PROGRESS":
            call.pause(_LOOK_SECONDS)
            found = dynamodb.describe_import(ImportArn=found["ImportArn"])["ImportTableDescription"]
        if found["ImportStatus"] != "COMPLETED":
            told = found.get("FailureMessage") or found.get("FailureCode") or "no reason was given"
            place = "/".join(
                source["S3BucketSource"].get(part, "") for part in ("S3Bucket", "S3KeyPrefix")
            )
            raise ResourceFailed(
                f"The import of s3://{place} into {name} ended as {found['ImportStatus']} with "
                f"{found.get('ErrorCount', 0)} bad items: {told}"
            )

    def _configure(self, call: Call) -> None:
        dynamodb, name = call.client("dynamodb"), call.physical_id
        if call.changed("PointInTimeRecoverySpecification"):
            wanted = call.properties.get("PointInTimeRecoverySpecification")
            dynamodb.update_continuous_backups(
                TableName=name,
                PointInTimeRecoverySpecification=wanted or {"PointInTimeRecoveryEnabled": False},
            )
        if call.changed("TimeToLiveSpecification"):
            before = call.old.get("TimeToLiveSpecification")
            now = call.properties.get("TimeToLiveSpecification")
            wanted = now or {**(before or {}), "Enabled": False}
            if before or wanted["Enabled"]:
                dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=wanted)


HANDLERS = (Table,)


def _encryption(call: Call) -> dict[str, Any]:
    """The API's form of SSESpecification; without one, AWS's own key encrypts."""
    wanted = call.properties.get("SSESpecification") or {}
    if not wanted.get("SSEEnabled"):
        return {}
    return {"SSESpecification": {"Enabled": True, **pick(wanted, ("KMSMasterKeyId", "SSEType"))}}


def _protected(call: Call) -> bool:
    return bool(call.properties.get("DeletionProtectionEnabled", False))


def _tags(call: Call) -> list[dict[str, str]]:
    return tag_list(call.properties.get("Tags"))
