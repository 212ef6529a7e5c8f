"""`aws_s3_deployment.BucketDeployment`: copies assets into a bucket, as `aws s3 sync` would."""

import errno
import fnmatch
import json
import logging
import mimetypes
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile

import boto3
from botocore.exceptions import ClientError

from . import cfn_response
from .cfn_response import Event

logger = logging.getLogger()
logger.setLevel(logging.INFO)

_OWNER_TAG = "aws-cdk:cr-owned"
# options of `aws s3 sync` for system metadata
_SYSTEM_METADATA = {
    "content-type": "ContentType",
    "content-language": "ContentLanguage",
    "content-encoding": "ContentEncoding",
    "content-disposition": "ContentDisposition",
    "cache-control": "CacheControl",
    "expires": "Expires",
    "storage-class": "StorageClass",
    "sse": "ServerSideEncryption",
    "sse-kms-key-id": "SSEKMSKeyId",
    "website-redirect": "WebsiteRedirectLocation",
    "acl": "ACL",
}


def handler(event: Event, context: Any) -> None:
    """The custom resource's function."""
    logger.info({name: value for name, value in event.items() if name != "ResponseURL"})
    physical_id, data, reason = event.get("PhysicalResourceId"), {}, None
    try:
        if event["RequestType"] == "Create":
            physical_id = f"aws.cdk.s3deployment.{uuid.uuid4()}"
        elif not physical_id:
            raise ValueError(
                f"invalid request: request type is '{event['RequestType']}' but "
                "'PhysicalResourceId' is not defined"
            )
        data = _handle(event)
    except KeyError as error:
        reason = f"missing request resource property {error}. props: {event['ResourceProperties']}"
        physical_id = event.get("PhysicalResourceId")
    except Exception as error:
        logger.exception("| unhandled error")
        reason = str(error)
        physical_id = event.get("PhysicalResourceId")
    default = f"See the details in CloudWatch Log Stream: {context.log_stream_name}"
    answer = {
        "Status": "SUCCESS" if reason is None else "FAILED",
        "Reason": reason or default,
        "PhysicalResourceId": physical_id or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": False,
        "Data": data,
    }
    logger.info("| response body: %s", json.dumps(answer))
    cfn_response.put(event["ResponseURL"], answer)


def _handle(event: Event) -> dict[str, Any]:
    kind, props = event["RequestType"], event["ResourceProperties"]
    if props.get("DistributionId"):
        raise NotImplementedError("the local AWS has no CloudFront distribution to invalidate")
    sources = list(zip(props["SourceBucketNames"], props["SourceObjectKeys"], strict=True))
    bucket = props["DestinationBucketName"]
    folder = _folder(props.get("DestinationBucketKeyPrefix", ""))
    retained = _true(props, "RetainOnDelete")
    if kind == "Delete" and not retained and not _owned_by_another(bucket, props):
        _remove(bucket, folder)
    old = event.get("OldResourceProperties") or {}
    if kind == "Update" and not retained and old.get("DestinationBucketName"):
        before = (
            old["DestinationBucketName"],
            _folder(old.get("DestinationBucketKeyPrefix", "")),
        )
        if before != (bucket, folder):
            _remove(*before)
    if kind != "Delete":
        with tempfile.TemporaryDirectory() as temporary:
            contents = Path(temporary, "contents")
            contents.mkdir()
            _fetch(sources, props, contents, Path(temporary, "archive"))
            _sync(contents, bucket, folder, props)
    answer = {
        "DestinationBucketArn": props.get("DestinationBucketArn"),
        "SourceObjectKeys": props["SourceObjectKeys"] if _true(props, "OutputObjectKeys") else [],
    }
    if _true(props, "OutputObjectVersionIds", default=False):
        names = [] if kind == "Delete" else [os.path.basename(key) for _, key in sources]
        answer["SourceObjectVersionIds"] = [_version(bucket, folder + name) for name in names]
    return answer


def _fetch(
    sources: Sequence[tuple[str, str]], props: dict[str, Any], contents: Path, archive: Path
) -> None:
    nothing: list[dict[str, str]] = [{}] * len(sources)
    markers = props.get("SourceMarkers") or nothing
    settings = props.get("SourceMarkersConfig") or nothing
    if len(markers) != len(sources):
        raise ValueError("'source_markers' and 's3_source_zips' must be the same length")
    for (bucket, key), tokens, config in zip(sources, markers, settings, strict=True):
        logger.info("| source: s3://%s/%s", bucket, key)
        if not _true(props, "Extract"):
            _s3().download_file(bucket, key, str(contents / os.path.basename(key)))
            continue
        _s3().download_file(bucket, key, str(archive))
        with ZipFile(archive) as zipped:
            if sum(one.file_size for one in zipped.infolist()) > _most(archive):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(archive))
            # extract returns an entry's path, because its name may be absolute
            extracted = [Path(zipped.extract(entry, contents)) for entry in zipped.infolist()]
        if tokens:
            for path in extracted:
                _replace_markers(path, tokens, _true(config, "jsonEscape", False))


def _most(archive: Path) -> int:
    """The most bytes to which an archive may grow."""
    return max(1 << 30, 20 * archive.stat().st_size)


def _replace_markers(path: Path, tokens: dict[str, str], json_escape: bool) -> None:
    if path.is_dir():
        return
    content = path.read_bytes()
    for token, value in tokens.items():
        text = json.dumps(value) if json_escape else value
        if json_escape and isinstance(value, str):
            text = text[1:-1]
        content = content.replace(token.encode(), text.encode())
    path.write_bytes(content)


def _sync(contents: Path, bucket: str, folder: str, props: dict[str, Any]) -> None:
    exclude, include = props.get("Exclude", []), props.get("Include", [])
    settings = _metadata(props)
    wanted = set()
    for path in sorted(contents.rglob("*")):
        name = PurePosixPath(path.relative_to(contents)).as_posix()
        if path.is_dir() or not _chosen(name, exclude, include):
            continue
        wanted.add(name)
        guessed, encoding = mimetypes.guess_type(name)
        # `aws s3` sets no content type for compressed files
        typed = {"ContentType": guessed} if guessed and not encoding else {}
        _s3().upload_file(str(path), bucket, folder + name, ExtraArgs={**typed, **settings})
        logger.info("| upload: s3://%s/%s%s", bucket, folder, name)
    if props.get("Prune", "true").lower() == "true":
        names = [key.removeprefix(folder) for key in _keys(bucket, folder)]
        _delete(
            bucket,
            [folder + n for n in names if n not in wanted and _chosen(n, exclude, include)],
        )


def _chosen(name: str, exclude: Sequence[str], include: Sequence[str]) -> bool:
    chosen = not any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)
    return chosen or any(fnmatch.fnmatchcase(name, pattern) for pattern in include)


def _metadata(props: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, value in props.get("SystemMetadata", {}).items():
        if name.lower() not in _SYSTEM_METADATA:
            raise ValueError(f"Unknown options: --{name.lower()}")
        settings[_SYSTEM_METADATA[name.lower()]] = value
    user = {name.lower(): value for name, value in props.get("UserMetadata", {}).items()}
    return {**settings, "Metadata": user} if user else settings


def _remove(bucket: str, folder: str) -> None:
    _delete(bucket, list(_keys(bucket, folder)))


def _keys(bucket: str, folder: str) -> Iterator[str]:
    for page in _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder):
        for one in page.get("Contents", []):
            yield one["Key"]


def _delete(bucket: str, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), 1000):
        chunk = keys[start : start + 1000]
        logger.info("| delete from s3://%s: %s", bucket, list(chunk))
        answer = _s3().delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in chunk]}
        )
        if answer.get("Errors"):
            raise RuntimeError(f"delete failed: {answer['Errors'][0]}")


def _owned_by_another(bucket: str, props: dict[str, Any]) -> bool:
    """Whether another deployment owns the bucket by tag: then nothing is deleted."""
    prefix = props.get("DestinationBucketKeyPrefix", "").removeprefix("/")
    tag = f"{_OWNER_TAG}:{prefix}" if prefix else _OWNER_TAG
    try:
        tags = _s3().get_bucket_tagging(Bucket=bucket)["TagSet"]
    except ClientError:
        logger.info("| error getting tags from bucket")
        return False
    return any(one["Key"].startswith(tag) for one in tags)


def _version(bucket: str, key: str) -> str:
    try:
        version: str = _s3().head_object(Bucket=bucket, Key=key).get("VersionId", "")
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NotFound"):
            raise
        return ""
    return version


def _folder(prefix: str) -> str:
    if prefix in ("", "/"):
        return ""
    return prefix if prefix.endswith("/") else prefix + "/"


def _true(props: dict[str, Any], name: str, default: bool = True) -> bool:
    return str(props.get(name, default)).lower() == "true"


@lru_cache
def _s3() -> Any:
    return boto3.client("s3")
