"""What a caller of S3 needs of the keys with which objects are encrypted.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from moto.s3.models import FakeBucket, FakeKey, s3_backends

from local_aws.iam import identities
from local_aws.s3.operations import copy_source

_BY_KEY: Final = ("aws:kms", "aws:kms:dsse")
_READ: Final = ("GetObject", "GetObjectAttributes")
_STARTS: Final = ("CopyObject", "CreateMultipartUpload", "PutObject")
_IN_PARTS: Final = ("CreateMultipartUpload", "UploadPart", "UploadPartCopy")


class _Call(Protocol):
    @property
    def operation(self) -> str: ...
    @property
    def params(self) -> Mapping[str, Any]: ...
    @property
    def account(self) -> str: ...
    @property
    def partition(self) -> str: ...


def permissions(call: _Call) -> Iterator[tuple[str, str, str]]:
    """The actions of KMS that a call needs, their keys' ARNs, and the service that acts for it.

    Keys that AWS manages are open to every caller of S3 in the account.
    """
    for action, bucket, name in _uses(call):
        arn = identities.customers_key(name, call.account, bucket.region_name)
        if arn:
            yield action, arn, f"s3.{bucket.region_name}.amazonaws.com"


def _uses(call: _Call) -> Iterator[tuple[str, FakeBucket, str]]:
    """Actions, the bucket, and the key as it is named there."""
    buckets = s3_backends[call.account][call.partition].buckets
    own = buckets.get(call.params.get("Bucket", ""))
    read = []
    if call.operation in _READ or call.params.get("ChecksumMode"):
        read.append((own, call.params.get("Key"), call.params.get("VersionId")))
    if "CopySource" in call.params:
        source = copy_source(call.params["CopySource"])
        read.append((buckets.get(source.bucket), source.key, source.version))
    for bucket, key, version in read:
        if bucket and (name := _own_key(bucket, key, version)):
            yield "Decrypt", bucket, name
    if own is None:
        return
    name = None
    if call.operation in _STARTS:
        name = _new_key(own, call.params)
    elif call.operation in _IN_PARTS:
        upload = own.multiparts.get(call.params.get("UploadId", ""))
        told = {"ServerSideEncryption": upload.sse_encryption} if upload else {}
        name = _new_key(own, {**told, "SSEKMSKeyId": upload.kms_key_id if upload else None})
    if name:
        yield "GenerateDataKey", own, name
        if call.operation in _IN_PARTS:
            yield "Decrypt", own, name


def to_read(place: str, version: str | None, account: str, partition: str) -> Iterator[str]:
    """The customer's key with which an object is encrypted, which is needed to read it.

    Args:
        place: the bucket and the object's key, with a slash between them.
        version: the object's version; None for the latest.
        account, partition: where the bucket is.
    """
    name, _, key = place.partition("/")
    bucket = s3_backends[account][partition].buckets.get(name)
    own = _own_key(bucket, key, version) if bucket else None
    if bucket and own and (arn := identities.customers_key(own, account, bucket.region_name)):
        yield arn


def _own_key(bucket: FakeBucket, key: Any, version: str | None) -> str | None:
    """The customer's key of an object; None if there is none, or no object."""
    found: Any = bucket.keys.get(key)
    if version is not None:
        versions = bucket.keys.getlist(key, default=[])
        found = next((one for one in versions if str(one.version_id) == version), None)
    if not isinstance(found, FakeKey) or found.encryption not in _BY_KEY:  # or a delete marker
        return None
    return found.kms_key_id


def _new_key(bucket: FakeBucket, params: Mapping[str, Any]) -> str | None:
    """The customer's key for a new object; None without one."""
    algorithm, name = params.get("ServerSideEncryption"), params.get("SSEKMSKeyId")
    if algorithm is None and bucket.encryption:
        default = bucket.encryption["Rule"]["ApplyServerSideEncryptionByDefault"]
        algorithm, name = default.get("SSEAlgorithm"), name or default.get("KMSMasterKeyID")
    return name if algorithm in _BY_KEY else None
