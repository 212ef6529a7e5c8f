"""`Custom::S3AutoDeleteObjects`: empties a tagged bucket before its stack deletes it."""

import json
from functools import lru_cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from . import cfn_response
from .cfn_response import Event, hidden, log

_TAG = "aws-cdk:auto-delete-objects"


def handler(event: Event, _context: Any) -> None:
    """The custom resource's function."""
    log.info(json.dumps(hidden(event), indent=2))
    if cfn_response.is_delete_of_failed_create(event):
        log.info("ignoring DELETE event caused by a failed CREATE event")
        cfn_response.submit("SUCCESS", event)
        return
    try:
        physical_id = _handle(event)
    except Exception as error:
        failed = cfn_response.with_failed_id(event)
        cfn_response.submit("FAILED", failed, reason=f"{type(error).__name__}: {error}")
        return
    cfn_response.submit("SUCCESS", {**event, "PhysicalResourceId": physical_id})


def _handle(event: Event) -> str:
    current: str = event.get("PhysicalResourceId") or event["RequestId"]
    bucket = event.get("ResourceProperties", {}).get("BucketName")
    if event["RequestType"] == "Update":
        # another bucket is another resource: CloudFormation then deletes and empties the old one
        return bucket or event.get("OldResourceProperties", {}).get("BucketName") or current
    if event["RequestType"] == "Delete":
        if not bucket:
            raise ValueError("No BucketName was provided.")
        try:
            _empty(bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise
            log.info(f"Bucket '{bucket}' does not exist.")
    return current


def _empty(bucket: str) -> None:
    tags = _s3().get_bucket_tagging(Bucket=bucket)["TagSet"]
    if {"Key": _TAG, "Value": "true"} not in tags:
        log.info(f"Bucket does not have '{_TAG}' tag, skipping cleaning.")
        return
    _deny_new_objects(bucket)
    while True:
        page = _s3().list_object_versions(Bucket=bucket)
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not found:
            return
        _s3().delete_objects(
            Bucket=bucket,
            Delete={
                "Objects": [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            },
        )
        if not page.get("IsTruncated"):
            return


def _deny_new_objects(bucket: str) -> None:
    try:
        try:
            policy = json.loads(_s3().get_bucket_policy(Bucket=bucket)["Policy"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
            policy = {"Version": "2012-10-17", "Statement": []}
        policy["Statement"].append(
            {
                "Principal": "*",
                "Effect": "Deny",
                "Action": ["s3:PutObject"],
                "Resource": [f"arn:aws:s3:::{bucket}/*"],
            }
        )
        _s3().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            raise
        log.info(f"Could not set new object deny policy on bucket '{bucket}' prior to deletion.")


@lru_cache
def _s3() -> Any:
    return boto3.client("s3")
