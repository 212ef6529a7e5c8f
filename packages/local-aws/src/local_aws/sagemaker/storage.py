"""S3 access of jobs and endpoints: input prefixes, artifacts, archives."""

import gzip
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local_aws.documents import read_json
from local_aws.paths import inside
from local_aws.sagemaker.errors import ValidationException

_URI = re.compile(
    r"(?:s3|https)://(?:s3[.-][a-z0-9.-]+/)?(?P<bucket>[^/]+)/?(?P<key>.*)", re.DOTALL
)


@dataclass(frozen=True)
class Location:
    """A place in S3: an object, or a prefix of keys."""

    bucket: str
    key: str

    @classmethod
    def of(cls, uri: str) -> "Location":
        """Parse `s3://bucket/key` or S3's https form of it.

        Raises:
            ValidationException: the address is invalid.
        """
        match = _URI.fullmatch(uri)
        if match is None:
            raise ValidationException(
                f"S3 URI '{uri}' is not valid: it must have the form s3://bucket/key."
            )
        return cls(match["bucket"], match["key"])

    def child(self, name: str) -> "Location":
        """The location `name` below this one."""
        return Location(self.bucket, f"{self.key.rstrip('/')}/{name}".lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def encryption(output: Mapping[str, Any]) -> dict[str, str]:
    """The arguments of PutObject for the key of a job's output, if it names one.

    Args:
        output: the job's OutputDataConfig or TransformOutput.
    """
    key = output.get("KmsKeyId")
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}


def objects(s3: Any, prefix: Location) -> Iterator[tuple[Location, str]]:
    """Every object below `prefix`, with its path relative to the prefix's folder.

    As in SageMaker, `s3://b/a/train` is a string prefix that matches both `a/train/x` and
    `a/train_r.jsonl`; markers of empty folders are ignored.

    Raises:
        botocore.exceptions.ClientError: S3 refused the request.
    """
    folder = prefix.key if prefix.key.endswith("/") or not prefix.key else None
    for page in s3.get_paginator("list_objects_v2").paginate(
        Bucket=prefix.bucket, Prefix=prefix.key
    ):
        for entry in page.get("Contents", []):
            key: str = entry["Key"]
            if key.endswith("/"):
                continue
            if folder is not None:
                relative = key[len(folder) :]
            elif key.startswith(prefix.key + "/"):
                relative = key[len(prefix.key) + 1 :]
            else:
                relative = key[prefix.key.rfind("/") + 1 :]
            yield Location(prefix.bucket, key), relative


KINDS = ("S3Prefix", "ManifestFile")
_LONGEST_MANIFEST = 16 << 20  # bytes
_MOST_NAMES = 100_000  # of a manifest
_LONGEST_URI = 1024  # characters; S3Uri's, by the service's model
_TEXT = rb'("(?:[^"\\]|\\.)*+")\s*'
_FIRST = re.compile(rb'\s*\[\s*\{\s*"prefix"\s*:\s*' + _TEXT + rb"\}\s*", re.DOTALL)
_NEXT = re.compile(rb",\s*" + _TEXT, re.DOTALL)
_LAST = re.compile(rb"\]\s*")


def listed(s3: Any, source: Location, kind: str) -> Iterator[tuple[Location, str]]:
    """The objects of a data source, each with its path below the channel's folder.

    A ManifestFile is a JSON list: `{"prefix": "s3://bucket/folder/"}`, followed by relative keys.

    Args:
        s3: a client.
        source: a prefix, or a manifest.
        kind: one of KINDS.

    Raises:
        botocore.exceptions.ClientError: S3 refused the request.
        ValueError: the manifest is invalid; the message says why.
    """
    if kind == "S3Prefix":
        yield from objects(s3, source)
        return
    body = s3.get_object(Bucket=source.bucket, Key=source.key)["Body"].read(_LONGEST_MANIFEST + 1)
    if len(body) > _LONGEST_MANIFEST:
        raise ValueError(
            f"the manifest {source} is larger than {_LONGEST_MANIFEST} bytes, the most that the "
            "local AWS reads"
        )
    prefix, *names = _names(body, source)
    longest = len(prefix) + max(map(len, names), default=0)
    if longest > _LONGEST_URI:
        raise ValueError(
            f"the manifest {source} names an S3 URI of {longest} characters; {_LONGEST_URI} are "
            "allowed"
        )
    if not _URI.fullmatch(prefix):
        raise ValueError(f"the prefix of the manifest {source} must be s3://bucket/folder/")
    for name in names:
        yield Location.of(prefix + name), name


def _names(manifest: bytes, source: Location) -> list[str]:
    """The prefix of a manifest and its names, and nothing else that JSON could be.

    Raises:
        ValueError: the manifest is invalid.
    """
    found = []
    match = _FIRST.match(manifest)
    while match:
        found.append(read_json(match[1]))
        if len(found) > _MOST_NAMES + 1:
            raise ValueError(
                f"the manifest {source} has more than {_MOST_NAMES} names, the most that the "
                "local AWS reads"
            )
        at = match.end()
        match = _NEXT.match(manifest, at)
    if not found or not _LAST.fullmatch(manifest, at):
        raise ValueError(
            f'the manifest {source} must be [{{"prefix": "s3://bucket/folder/"}}, "name", …]'
        )
    return found


def exists(s3: Any, location: Location) -> bool:
    """Whether `location` is an object that the client may read."""
    try:
        s3.head_object(Bucket=location.bucket, Key=location.key)
    except ClientError:
        return False
    return True


def download(s3: Any, location: Location, folder: Path, relative: str) -> None:
    """Save the object at `location` as `folder`/`relative`.

    Raises:
        botocore.exceptions.ClientError: S3 refused the request.
        UnsafePath: the path would leave the folder.
    """
    path = inside(folder, relative)
    path.parent.mkdir(parents=True, exist_ok=True)
    body = s3.get_object(Bucket=location.bucket, Key=location.key)["Body"]
    with path.open("wb") as file:
        for chunk in body.iter_chunks(1 << 20):
            file.write(chunk)


def pack(folder: Path, archive: Path) -> None:
    """Write `folder`'s content as a deterministic tar.gz."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            tar.add(path, str(path.relative_to(folder)), recursive=False, filter=_anonymous)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = 0
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry
