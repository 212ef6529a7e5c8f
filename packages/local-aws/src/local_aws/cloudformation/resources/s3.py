"""AWS::S3: buckets and their policies."""

import json
import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local_aws.cloudformation.errors import ResourceFailed
from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    Properties,
    renamed,
    tag_list,
)


class Bucket(Handler):
    """AWS::S3::Bucket."""

    type = "AWS::S3::Bucket"
    supported = frozenset(
        [
            "AccessControl",
            "BucketName",
            "BucketEncryption",
            "CorsConfiguration",
            "LifecycleConfiguration",
            "LoggingConfiguration",
            "OwnershipControls",
            "PublicAccessBlockConfiguration",
            "Tags",
            "VersioningConfiguration",
        ]
    )
    gone_codes = frozenset({"NoSuchBucket", "404"})

    def create(self, call: Call) -> Attributes:
        """Create the bucket, then each of its settings."""
        s3 = call.client("s3")
        name = call.properties.get("BucketName") or call.generated_name(63, lower=True)
        request: dict[str, Any] = {"Bucket": name}
        if call.region != "us-east-1":
            request["CreateBucketConfiguration"] = {"LocationConstraint": call.region}
        elif _exists(s3, name):
            # us-east-1 answers 200 for the owner's existing bucket, which a stack must not adopt
            raise ResourceFailed(f"{name} already exists")
        s3.create_bucket(**request)
        call.identify(name)
        self._configure(call)
        return _attributes(call)

    def update(self, call: Call) -> Attributes:
        """Change the settings that differ."""
        self._configure(call)
        return _attributes(call)

    def delete(self, call: Call) -> None:
        """Delete the bucket; AWS refuses this if it contains objects."""
        call.client("s3").delete_bucket(Bucket=call.physical_id)

    def _configure(self, call: Call) -> None:
        s3 = call.client("s3")
        bucket = {"Bucket": call.physical_id}
        for name, put, delete in (
            ("BucketEncryption", _put_encryption, s3.delete_bucket_encryption),
            ("PublicAccessBlockConfiguration", _put_access, s3.delete_public_access_block),
            ("OwnershipControls", _put_ownership, s3.delete_bucket_ownership_controls),
            ("AccessControl", _put_acl, lambda **b: _put_acl(s3, b, "Private")),
            ("LifecycleConfiguration", _put_lifecycle, s3.delete_bucket_lifecycle),
            ("CorsConfiguration", _put_cors, s3.delete_bucket_cors),
            (
                "LoggingConfiguration",
                _put_logging,
                lambda **b: s3.put_bucket_logging(**b, BucketLoggingStatus={}),
            ),
            (
                "VersioningConfiguration",
                _put_versioning,
                lambda **b: s3.put_bucket_versioning(
                    **b, VersioningConfiguration={"Status": "Suspended"}
                ),
            ),
            ("Tags", _put_tags, s3.delete_bucket_tagging),
        ):
            if not call.changed(name):
                continue
            if call.properties.get(name):
                put(s3, bucket, call.properties[name])
            else:
                delete(**bucket)


class BucketPolicy(Handler):
    """AWS::S3::BucketPolicy."""

    type = "AWS::S3::BucketPolicy"
    supported = frozenset({"Bucket", "PolicyDocument"})
    gone_codes = frozenset({"NoSuchBucket", "NoSuchBucketPolicy"})

    def create(self, call: Call) -> Attributes:
        """Put the policy on a bucket that has none."""
        bucket = call.properties["Bucket"]
        try:
            call.client("s3").get_bucket_policy(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
        else:
            raise ResourceFailed("The bucket policy already exists on bucket " + bucket)
        self._put(call)
        call.identify(bucket)
        return {}

    def update(self, call: Call) -> Attributes:
        """Replace the policy's text."""
        self._put(call)
        return {}

    def delete(self, call: Call) -> None:
        """Remove the policy."""
        call.client("s3").delete_bucket_policy(Bucket=call.properties["Bucket"])

    def _put(self, call: Call) -> None:
        document = call.properties["PolicyDocument"]
        text = document if isinstance(document, str) else json.dumps(document)
        call.client("s3").put_bucket_policy(Bucket=call.properties["Bucket"], Policy=text)


HANDLERS = (Bucket, BucketPolicy)


def _exists(s3: Any, name: str) -> bool:
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        # 403: the name belongs to another account
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 403)
    return True


def _attributes(call: Call) -> Attributes:
    name, region = call.physical_id, call.region
    return {
        "Arn": f"arn:aws:s3:::{name}",
        "DomainName": f"{name}.s3.amazonaws.com",
        "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
        "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        "WebsiteURL": f"http://{name}.s3-website-{region}.amazonaws.com",
    }


def _put_encryption(s3: Any, bucket: Properties, value: Properties) -> None:
    rules = [
        renamed(
            rule,
            {
                "BucketKeyEnabled": "BucketKeyEnabled",
                "ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault",
            },
            "of a bucket's encryption rule",
        )
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    s3.put_bucket_encryption(**bucket, ServerSideEncryptionConfiguration={"Rules": rules})


def _put_access(s3: Any, bucket: Properties, value: Properties) -> None:
    s3.put_public_access_block(**bucket, PublicAccessBlockConfiguration=value)


def _put_ownership(s3: Any, bucket: Properties, value: Properties) -> None:
    s3.put_bucket_ownership_controls(**bucket, OwnershipControls=value)


def _put_acl(s3: Any, bucket: Properties, value: str) -> None:
    # PublicReadWrite in templates is public-read-write in the API
    acl = re.sub(r"(?<!^)(?=[A-Z])", "-", value).lower()
    try:
        s3.put_bucket_acl(**bucket, ACL=acl)
    except ClientError as error:
        # AWS sets it while it creates the bucket, which without such lists is private anyway
        no_lists = error.response["Error"]["Code"] == "AccessControlListNotSupported"
        if acl != "private" or not no_lists:
            raise


def _put_versioning(s3: Any, bucket: Properties, value: Properties) -> None:
    s3.put_bucket_versioning(**bucket, VersioningConfiguration=value)


def _put_tags(s3: Any, bucket: Properties, value: Any) -> None:
    s3.put_bucket_tagging(**bucket, Tagging={"TagSet": tag_list(value)})


def _put_logging(s3: Any, bucket: Properties, value: Properties) -> None:
    target = renamed(
        {"DestinationBucketName": bucket["Bucket"], "LogFilePrefix": "", **value},
        {"DestinationBucketName": "TargetBucket", "LogFilePrefix": "TargetPrefix"},
        "of a bucket's logging",
    )
    s3.put_bucket_logging(**bucket, BucketLoggingStatus={"LoggingEnabled": target})


def _put_cors(s3: Any, bucket: Properties, value: Properties) -> None:
    names = {
        "AllowedHeaders": "AllowedHeaders",
        "AllowedMethods": "AllowedMethods",
        "AllowedOrigins": "AllowedOrigins",
        "ExposedHeaders": "ExposeHeaders",
        "Id": "ID",
        "MaxAge": "MaxAgeSeconds",
    }
    rules = [renamed(rule, names, "of a CORS rule") for rule in value["CorsRules"]]
    s3.put_bucket_cors(**bucket, CORSConfiguration={"CORSRules": rules})


def _put_lifecycle(s3: Any, bucket: Properties, value: Properties) -> None:
    rules = [_lifecycle_rule(dict(rule)) for rule in value["Rules"]]
    s3.put_bucket_lifecycle_configuration(**bucket, LifecycleConfiguration={"Rules": rules})


def _lifecycle_rule(rule: Properties) -> Properties:
    expiration: Properties = {}
    for name, target, convert in (
        ("ExpirationInDays", "Days", int),
        ("ExpirationDate", "Date", str),
        ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker", bool),
    ):
        if name in rule:
            convert_to: Callable[[Any], Any] = convert
            expiration[target] = convert_to(rule.pop(name))
    filters: Properties = {}
    if "Prefix" in rule:
        filters["Prefix"] = rule.pop("Prefix")
    if "TagFilters" in rule:
        filters["Tags"] = rule.pop("TagFilters")
    for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan"):
        if name in rule:
            filters[name] = int(rule.pop(name))
    if len(filters) > 1 or "Tags" in filters:
        wanted: Properties = {"And": filters}
    else:
        wanted = filters or {"Prefix": ""}
    if "NoncurrentVersionExpirationInDays" in rule:
        rule["NoncurrentVersionExpiration"] = {
            "NoncurrentDays": rule.pop("NoncurrentVersionExpirationInDays")
        }
    for single, plural in (
        ("Transition", "Transitions"),
        ("NoncurrentVersionTransition", "NoncurrentVersionTransitions"),
    ):
        if single in rule:
            rule[plural] = [*rule.get(plural, []), rule.pop(single)]
    days = {"TransitionInDays": "Days", "TransitionDate": "Date", "StorageClass": "StorageClass"}
    result = renamed(
        rule,
        {
            "Id": "ID",
            "Status": "Status",
            "AbortIncompleteMultipartUpload": "AbortIncompleteMultipartUpload",
            "NoncurrentVersionExpiration": "NoncurrentVersionExpiration",
            "NoncurrentVersionTransitions": "NoncurrentVersionTransitions",
            "Transitions": "Transitions",
        },
        "of a lifecycle rule",
    )
    if "Transitions" in result:
        result["Transitions"] = [
            renamed(step, days, "of a lifecycle transition") for step in result["Transitions"]
        ]
    if "NoncurrentVersionTransitions" in result:
        result["NoncurrentVersionTransitions"] = [
            renamed(
                step,
                {
                    "TransitionInDays": "NoncurrentDays",
                    "StorageClass": "StorageClass",
                    "NewerNoncurrentVersions": "NewerNoncurrentVersions",
                },
                "of a lifecycle transition",
            )
            for step in result["NoncurrentVersionTransitions"]
        ]
    if expiration:
        result["Expiration"] = expiration
    return {**result, "Filter": wanted}
