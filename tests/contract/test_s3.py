"""Amazon S3: objects, conditions, listings, errors, and what a new bucket has."""

import hashlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.cloud import Cloud, documented, policy, refused

_API = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_"
_GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
TEXT = b"0123456789"


@pytest.fixture(scope="module")
def s3(cloud: Cloud) -> Any:
    return cloud.client("s3")


@pytest.fixture(scope="module")
def bucket(cloud: Cloud, s3: Any) -> str:
    """A bucket with one object, `a/text`."""
    name = f"{cloud.prefix}-bucket"
    place = {"LocationConstraint": cloud.region}
    more = {} if cloud.region == "us-east-1" else {"CreateBucketConfiguration": place}
    s3.create_bucket(Bucket=name, **more)
    cloud.undo(name, lambda: s3.delete_bucket(Bucket=name))

    def empty() -> None:
        for one in s3.list_objects_v2(Bucket=name).get("Contents", []):
            s3.delete_object(Bucket=name, Key=one["Key"])

    cloud.undo(name, empty)
    s3.put_object(Bucket=name, Key="a/text", Body=TEXT, Metadata={"Colour": "blue"})
    return name


Call = Callable[[Any, str], Any]
SELF = {"Key": "a/text"}
REFUSED: dict[str, tuple[str, str, Call]] = {
    "a missing key": (
        "GetObject.html",
        "NoSuchKey",
        lambda s3, bucket: s3.get_object(Bucket=bucket, Key="missing"),
    ),
    "the head of a missing key": (
        "HeadObject.html",
        "404",
        lambda s3, bucket: s3.head_object(Bucket=bucket, Key="missing"),
    ),
    "a missing bucket": (
        "GetObject.html",
        "NoSuchBucket",
        lambda s3, bucket: s3.get_object(Bucket=f"{bucket}-missing", Key="a"),
    ),
    "the list of a missing bucket": (
        "ListObjectsV2.html",
        "NoSuchBucket",
        lambda s3, bucket: s3.list_objects_v2(Bucket=f"{bucket}-missing"),
    ),
    "a bucket's name of two characters": (
        "CreateBucket.html",
        "InvalidBucketName",
        lambda s3, _: s3.create_bucket(Bucket="ab"),
    ),
    "the deletion of a bucket with objects": (
        "DeleteBucket.html",
        "BucketNotEmpty",
        lambda s3, bucket: s3.delete_bucket(Bucket=bucket),
    ),
    "another ETag": (
        "GetObject.html",
        "PreconditionFailed",
        lambda s3, bucket: s3.get_object(Bucket=bucket, **SELF, IfMatch='"other"'),
    ),
    "the same ETag": (
        "GetObject.html",
        "304",
        lambda s3, bucket: s3.get_object(
            Bucket=bucket,
            **SELF,
            IfNoneMatch=f'"{hashlib.md5(TEXT, usedforsecurity=False).hexdigest()}"',
        ),
    ),
    "a range behind the end": (
        "GetObject.html",
        "InvalidRange",
        lambda s3, bucket: s3.get_object(Bucket=bucket, **SELF, Range="bytes=10-"),
    ),
    "a new object that exists": (
        "PutObject.html",
        "PreconditionFailed",
        lambda s3, bucket: s3.put_object(Bucket=bucket, **SELF, Body=b"", IfNoneMatch="*"),
    ),
    "a wrong MD5": (
        "PutObject.html",
        "BadDigest",
        lambda s3, bucket: s3.put_object(
            Bucket=bucket,
            Key="bad",
            Body=TEXT,
            ContentMD5=b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode(),
        ),
    ),
    "a copy to itself without a change": (
        "CopyObject.html",
        "InvalidRequest",
        lambda s3, bucket: s3.copy_object(Bucket=bucket, **SELF, CopySource=f"{bucket}/a/text"),
    ),
    "a key over 1024 bytes": (
        "PutObject.html",
        "KeyTooLongError",
        lambda s3, bucket: s3.put_object(Bucket=bucket, Key="k" * 1025, Body=b""),
    ),
    "the completion of an unknown upload": (
        "CompleteMultipartUpload.html",
        "NoSuchUpload",
        lambda s3, bucket: s3.complete_multipart_upload(
            Bucket=bucket,
            Key="a",
            UploadId="unknown",
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"e"'}]},
        ),
    ),
    "the policy of a bucket without one": (
        "GetBucketPolicy.html",
        "NoSuchBucketPolicy",
        lambda s3, bucket: s3.get_bucket_policy(Bucket=bucket),
    ),
    "a malformed policy": (
        "PutBucketPolicy.html",
        "MalformedPolicy",
        lambda s3, bucket: s3.put_bucket_policy(Bucket=bucket, Policy='{"Statement": 7}'),
    ),
    "a missing lifecycle": (
        "GetBucketLifecycleConfiguration.html",
        "NoSuchLifecycleConfiguration",
        lambda s3, bucket: s3.get_bucket_lifecycle_configuration(Bucket=bucket),
    ),
    "missing CORS rules": (
        "GetBucketCors.html",
        "NoSuchCORSConfiguration",
        lambda s3, bucket: s3.get_bucket_cors(Bucket=bucket),
    ),
    "missing tags": (
        "GetBucketTagging.html",
        "NoSuchTagSet",
        lambda s3, bucket: s3.get_bucket_tagging(Bucket=bucket),
    ),
    "a missing website": (
        "GetBucketWebsite.html",
        "NoSuchWebsiteConfiguration",
        lambda s3, bucket: s3.get_bucket_website(Bucket=bucket),
    ),
    "a public policy of a new bucket": (
        "PutBucketPolicy.html",
        "AccessDenied",
        lambda s3, bucket: s3.put_bucket_policy(
            Bucket=bucket,
            Policy=policy(
                {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "s3:GetObject",
                    "Resource": f"arn:aws:s3:::{bucket}/*",
                }
            ),
        ),
    ),
    "an ACL of a new bucket's object": (
        "PutObjectAcl.html",
        "AccessControlListNotSupported",
        lambda s3, bucket: s3.put_object_acl(Bucket=bucket, **SELF, ACL="public-read"),
    ),
    "another account's bucket": (
        "GetObject.html",
        "AccessDenied",
        lambda s3, bucket: s3.get_object(Bucket=bucket, **SELF, ExpectedBucketOwner="000000000000"),
    ),
}


@pytest.mark.parametrize(
    ("code", "call"),
    [
        pytest.param(code, call, id=name, marks=documented(_API + page))
        for name, (page, code, call) in REFUSED.items()
    ],
)
def test_request_is_refused(s3: Any, bucket: str, code: str, call: Call) -> None:
    with refused(code):
        call(s3, bucket)


@documented(_API + "GetObject.html")
def test_object_has_its_body_etag_and_metadata(s3: Any, bucket: str) -> None:
    found = s3.get_object(Bucket=bucket, Key="a/text")
    assert found["Body"].read() == TEXT
    assert found["ETag"] == f'"{hashlib.md5(TEXT, usedforsecurity=False).hexdigest()}"'
    assert found["Metadata"] == {"colour": "blue"}
    assert found["ContentType"] == "binary/octet-stream"


@documented(_API + "GetObject.html")
def test_range_returns_its_part(s3: Any, bucket: str) -> None:
    found = s3.get_object(Bucket=bucket, Key="a/text", Range="bytes=-3")
    assert found["Body"].read() == b"789"
    assert (found["ContentRange"], found["ContentLength"]) == ("bytes 7-9/10", 3)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206


@documented(_API + "DeleteObject.html")
def test_deletion_of_a_missing_key_succeeds(s3: Any, bucket: str) -> None:
    told = s3.delete_object(Bucket=bucket, Key="missing")
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 204


@documented(_API + "DeleteObjects.html")
def test_deletion_of_several_keys_tells_of_missing_ones_too(s3: Any, bucket: str) -> None:
    told = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "x"}, {"Key": "y"}]})
    assert sorted(one["Key"] for one in told["Deleted"]) == ["x", "y"]


@documented(_API + "ListObjectsV2.html")
def test_list_by_delimiter_returns_common_prefixes(s3: Any, bucket: str) -> None:
    told = s3.list_objects_v2(Bucket=bucket, Prefix="a", Delimiter="/")
    assert told["CommonPrefixes"] == [{"Prefix": "a/"}]
    assert "Contents" not in told


@documented(_API + "ListObjectsV2.html")
def test_list_of_one_key_at_a_time_continues(s3: Any, bucket: str) -> None:
    for key in ("list/b", "list/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    first = s3.list_objects_v2(Bucket=bucket, Prefix="list/", MaxKeys=1)
    assert (first["IsTruncated"], first["KeyCount"]) == (True, 1)
    rest = s3.list_objects_v2(
        Bucket=bucket, Prefix="list/", ContinuationToken=first["NextContinuationToken"]
    )
    assert rest["IsTruncated"] is False
    keys = [one["Key"] for one in (*first["Contents"], *rest["Contents"])]
    assert keys == ["list/a", "list/b"]


@documented(_GUIDE + "default-encryption-faq.html")
def test_new_bucket_is_encrypted(s3: Any, bucket: str) -> None:
    told = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    (rule,) = told["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


@documented(_GUIDE + "access-control-block-public-access.html")
def test_new_bucket_blocks_public_access(s3: Any, bucket: str) -> None:
    told = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(told.values()) == {True} and len(told) == 4


@documented(_GUIDE + "about-object-ownership.html")
def test_new_bucket_is_its_owners_alone(s3: Any, bucket: str) -> None:
    told = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert told["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


@documented(_API + "PutObject.html")
def test_object_put_with_a_checksum_tells_it(s3: Any, bucket: str) -> None:
    told = s3.put_object(Bucket=bucket, Key="sum", Body=TEXT, ChecksumAlgorithm="SHA256")
    assert told["ChecksumSHA256"] == b64encode(hashlib.sha256(TEXT).digest()).decode()
