"""Digests of data in S3: what makes a deployment notice that they have changed."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

import sources


class S3:
    """Objects by key, in pages of one."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, int]] = {}
        self.error: ClientError | None = None

    def get_paginator(self, operation: str) -> "S3":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        assert Bucket == "logs"
        if self.error:
            raise self.error
        found = [
            {"Key": key, "ETag": etag, "Size": size}
            for key, (etag, size) in sorted(self.objects.items())
            if key.startswith(Prefix)
        ]
        return [{"Contents": [one]} for one in found] or [{}]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> S3:
    fake = S3()
    monkeypatch.setattr("sources.boto3.client", lambda service: fake)
    return fake


def test_digest_changes_with_any_object(s3: S3) -> None:
    s3.objects = {"2026/a.csv": ("e1", 3)}
    digests = [sources.look("s3://logs/2026/").digest]
    s3.objects["2025/a.csv"] = ("e1", 3)  # of another prefix
    assert sources.look("s3://logs/2026/").digest == digests[0]
    for changed in ({"2026/a.csv": ("e2", 3)}, {"2026/b.csv": ("e1", 3)}):
        s3.objects |= changed
        digests.append(sources.look("s3://logs/2026/").digest)
    assert len(set(digests)) == 3


def test_tables_are_counted_by_how_they_are_written(s3: S3) -> None:
    s3.objects = {
        "2026/a.csv": ("e", 3),
        "2026/b.TSV": ("e", 4),
        "2026/c.csv.gz": ("e", 5),
        "2026/day=1/d.parquet": ("e", 6),
        "2026/readme": ("e", 7),
        "2026/_SUCCESS": ("e", 0),
        "2026/d.jsonl.bz2": ("e", 8),
    }
    assert sources.look("s3://logs/2026/").sizes == {
        "csv": 7,
        "csv.gz": 5,
        "parquet": 6,
        "json.bz2": 8,
    }


def test_prefix_without_objects_is_told(s3: S3) -> None:
    with pytest.raises(ValueError, match="s3://logs/2026/ holds nothing: give the prefix"):
        sources.look("s3://logs/2026/")


def test_refusal_of_s3_is_told(s3: S3) -> None:
    refused: Any = {"Error": {"Code": "NoSuchBucket", "Message": "The bucket does not exist"}}
    s3.error = ClientError(refused, "ListObjectsV2")
    with pytest.raises(ValueError, match=r"s3://logs/ cannot be listed: The bucket does not exist"):
        sources.look("s3://logs/")
