"""Digests of data in Amazon S3, so that a deployment notices that they have changed."""

import hashlib

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def digest(uri: str) -> str:
    """SHA-256 over the keys and ETags of all objects below `s3://bucket/prefix/`.

    Raises:
        ValueError: there are none, or S3 refuses.
    """
    _, _, bucket, prefix = uri.split("/", 3)
    total, count = hashlib.sha256(), 0
    try:
        pages = boto3.client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", []):
                total.update(f"{one['Key']}\0{one['ETag']}\0{one['Size']}\n".encode())
                count += 1
    except ClientError as error:
        raise ValueError(f"{uri} cannot be listed: {error.response['Error']['Message']}") from None
    except BotoCoreError as error:
        raise ValueError(f"{uri} cannot be listed: {error}") from None
    if not count:
        raise ValueError(f"{uri} holds nothing: give the prefix of your ratings or events")
    return total.hexdigest()
