"""S3 with AWS's rules for who may open a bucket, and objects on disk; the rest is moto's."""

from functools import wraps
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket


def install() -> None:
    """Let moto leave decisions to `local_aws.iam`, and create buckets as AWS does. Harmless when
    called again."""
    from moto.s3 import models

    from local_aws.s3 import public_access
    from local_aws.s3.models import LocalKey, LocalMultipart, LocalS3Backend

    # moto would judge a second time, without knowing who calls and what conditions mean
    FakeBucket.get_permission = _permitted  # type: ignore[method-assign,assignment]
    # moto's backend makes objects and uploads by these names
    models.FakeKey, models.FakeMultipart = LocalKey, LocalMultipart  # type: ignore[misc]
    models.s3_backends.backend = LocalS3Backend
    create = FakeBucket.__init__
    if hasattr(create, "__wrapped__"):
        return

    @wraps(create)
    def protected(bucket: FakeBucket, *arguments: Any, **named: Any) -> None:
        create(bucket, *arguments, **named)
        public_access.protect(bucket)

    FakeBucket.__init__ = protected  # type: ignore[method-assign,assignment]


def _permitted(*_: Any) -> PermissionResult:
    return PermissionResult.PERMITTED
