"""S3 as AWS opens a bucket and decides about it; what it keeps is moto's."""

from functools import wraps
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket


def install() -> None:
    """Let moto leave decisions to `local_aws.iam`, and create buckets as AWS does. Harmless when
    called again."""
    from local_aws.s3 import public_access

    # moto would judge a second time, without knowing who calls and what conditions mean
    FakeBucket.get_permission = _permitted  # type: ignore[method-assign,assignment]
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
