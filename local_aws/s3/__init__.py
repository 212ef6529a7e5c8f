"""S3's bucket policies with their conditions, and objects on disk; the rest of S3 is moto's."""

import json

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from local_aws.iam.policies import Decision, Request, evaluate

_ANSWERS = {
    Decision.ALLOW: PermissionResult.PERMITTED,
    Decision.DENY: PermissionResult.DENIED,
    Decision.NEUTRAL: PermissionResult.NEUTRAL,
}


def install() -> None:
    """Let buckets evaluate their policies. moto takes a condition that it does not know as met,
    so that a policy which only refuses plain HTTP would refuse everybody."""
    from moto.s3 import models

    from local_aws.s3.models import LocalKey, LocalMultipart, LocalS3Backend

    FakeBucket.get_permission = _permission  # type: ignore[method-assign,assignment]
    # moto's backend makes objects and uploads by these names
    models.FakeKey, models.FakeMultipart = LocalKey, LocalMultipart  # type: ignore[misc]
    models.s3_backends.backend = LocalS3Backend


def _permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    # the loopback interface cannot be listened to, and so stands for TLS
    request = Request(action, resource, context={"aws:SecureTransport": "true"})
    return _ANSWERS[evaluate([json.loads(bucket.policy)], request)]
