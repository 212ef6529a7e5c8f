"""Notifications of buckets, which functions, queues and topics must permit by their policies.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.awslambda.models import lambda_backends
from moto.core.exceptions import ServiceException
from moto.s3.exceptions import S3ClientError
from werkzeug.exceptions import HTTPException

from local_aws.iam import access

log = logging.getLogger("local_aws")

# the kinds of destinations in moto's form of a configuration, and the name of their ARN
_KINDS: Final = {
    "CloudFunctionConfiguration": "CloudFunction",
    "QueueConfiguration": "Queue",
    "TopicConfiguration": "Topic",
}
_ACTIONS: Final = {"sns": "sns:Publish", "sqs": "sqs:SendMessage"}


def check(bucket: str, configuration: Mapping[str, Any] | None) -> None:
    """Refuse a configuration with a destination that does not exist or permits no notifications.

    Args:
        bucket: the bucket's ARN.
        configuration: in moto's form.

    Raises:
        S3ClientError: InvalidArgument, with the reasons.
    """
    refused = [
        f"{one[name]}, {why}"
        for kind, name in _KINDS.items()
        for one in (configuration or {}).get(kind) or ()
        if (why := _refusal(one[name], bucket))
    ]
    if refused:
        raise S3ClientError(
            "InvalidArgument",
            f"Unable to validate the following destination configurations: {'; '.join(refused)}",
        )


def _refusal(destination: str, bucket: str) -> str | None:
    """The reason why a destination gets no notifications of a bucket; None if it does."""
    _, _, service, region, account, _ = f"{destination}:::::".split(":", 5)
    if service in _ACTIONS:
        return access.service_refusal("s3", _ACTIONS[service], destination, bucket)
    try:
        functions: Any = lambda_backends[account][region]
        functions.check_permission(destination, "s3", bucket)
    except (KeyError, ServiceException, HTTPException) as error:
        return str(error)
    return None


def permitted(send: Callable[..., None], service: str) -> Callable[..., None]:
    """A replacement of one of moto's senders, which do not ask for permission.

    Args:
        send: moto's, for destinations of one service.
        service: `lambda`, `sns` or `sqs`.
    """

    def send_if_permitted(account_id: str, event: Any, destination: str, region: str) -> None:
        arn = destination
        if service == "sqs":  # which moto has by name
            arn = f"arn:aws:sqs:{region}:{account_id}:{destination}"
        if "Records" in event:
            bucket = event["Records"][0]["s3"]["bucket"]["arn"]
        else:  # a test event
            bucket = f"arn:aws:s3:::{event['Bucket']}"
        if why := _refusal(arn, bucket):
            log.warning("a notification of %s: %s", bucket, why)
        else:
            send(account_id, event, destination, region)

    return send_if_permitted
