"""The two Lambda functions behind CDK's Provider for `Custom::IndexedMovies`.

Properties: IndexArn, the ARN of the index to create, in an existing bucket of Amazon S3 Vectors;
Endpoint, which embeds the movies; Bucket, which lists them. Attributes: IndexArn and Movies, their
number.

Environment: CATALOGUE_KEY, the key of catalogue.json in the bucket, and EMBEDDINGS_PREFIX, the
prefix under which the progress is stored.

Permissions: `on_event` needs none, because it makes no calls. `is_complete` needs
sagemaker:DescribeEndpoint and InvokeEndpoint on the endpoint; s3vectors:GetIndex, CreateIndex,
DeleteIndex and PutVectors on the index; of the bucket, s3:GetObject on CATALOGUE_KEY, and
s3:GetObject, PutObject and DeleteObject below EMBEDDINGS_PREFIX.
"""

import re
from typing import Any

from common.custom_resource import COMPLETE, named, polled
from common.errors import FunctionError

from movie_index.logic import Import, forget

PROPERTIES = ("IndexArn", "Endpoint", "Bucket")


class MovieIndexError(FunctionError):
    """The movies cannot be imported into the index; the message is for people."""


def on_event(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Return the physical id of the import, which is that of its index.

    Raises:
        MovieIndexError: a property is missing.
    """
    if event["RequestType"] == "Delete":
        return named(event["PhysicalResourceId"])
    properties = event["ResourceProperties"]
    if missing := [name for name in PROPERTIES if not properties.get(name)]:
        raise MovieIndexError(f"{event['LogicalResourceId']} needs {', '.join(missing)}.")
    return named(properties["IndexArn"])


def is_complete(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Continue the import, or delete the index and the progress.

    Raises:
        MovieIndexError: the import failed permanently; the message says why.
    """
    deleting = event["RequestType"] == "Delete"
    properties, index = event["ResourceProperties"], event["PhysicalResourceId"]
    if deleting and not _is_index(index):
        return COMPLETE  # the id is CloudFormation's own: nothing was started

    def work() -> dict[str, Any]:
        if deleting:
            forget(index, _bucket_in(properties))
            return COMPLETE
        one = Import(properties["Bucket"], properties["Endpoint"], index)
        return one.proceed(context.get_remaining_time_in_millis)

    return polled(MovieIndexError, event, context, work)


def _is_index(arn: str) -> bool:
    return (
        re.fullmatch(r"arn:[^:]+:s3vectors:[^:]*:[^:]*:bucket/[^/]+/index/[^/]+", arn) is not None
    )


def _bucket_in(properties: object) -> str | None:
    bucket = properties.get("Bucket") if isinstance(properties, dict) else None
    valid = isinstance(bucket, str) and re.fullmatch(r"[a-z0-9.-]{3,63}", bucket)
    return bucket if valid else None
