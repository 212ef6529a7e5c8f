"""What lies below a prefix in Amazon S3, so that a deployment notices that it has changed."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from recsys import fields


class Objects(NamedTuple):
    """What lies below a prefix.

    Attributes:
        digest: SHA-256 over the keys, ETags and sizes of all objects.
        sizes: the bytes of the tables by how they are written: csv, json.gz, parquet, …
    """

    digest: str
    sizes: Mapping[str, int]


def look(uri: str) -> Objects:
    """List all objects below `s3://bucket/prefix/`.

    Raises:
        ValueError: there are none, or S3 refuses.
    """
    _, _, bucket, prefix = uri.split("/", 3)
    total, count, sizes = hashlib.sha256(), 0, Counter[str]()
    try:
        pages = boto3.client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", []):
                total.update(f"{one['Key']}\0{one['ETag']}\0{one['Size']}\n".encode())
                count += 1
                if form := fields.form(one["Key"]):
                    packed = next((end for end in fields.PACKED if one["Key"].endswith(end)), "")
                    sizes[form + packed] += one["Size"]
    except ClientError as error:
        raise ValueError(f"{uri} cannot be listed: {error.response['Error']['Message']}") from None
    except BotoCoreError as error:
        raise ValueError(f"{uri} cannot be listed: {error}") from None
    if not count:
        raise ValueError(f"{uri} holds nothing: give the prefix of your ratings or events")
    return Objects(total.hexdigest(), sizes)
