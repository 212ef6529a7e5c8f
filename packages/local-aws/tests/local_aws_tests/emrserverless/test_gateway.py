"""S3 as a job's Hadoop sees it, without a job: each operation of WebHDFS that Spark uses."""

import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from local_aws import clients
from local_aws.emrserverless import gateway
from local_aws.emrserverless.gateway import Gateway
from local_aws.server import LocalAws

REGION, BUCKET, SECRET = "us-east-1", "my.bucket-1", "X-Job-abc"  # pragma: allowlist secret


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with LocalAws():
        clients.client("s3", REGION).create_bucket(Bucket=BUCKET)
        yield


class Files:
    """Hadoop's client, as far as these tests need one."""

    def __init__(self) -> None:
        self.s3 = clients.client("s3", REGION)
        self.gateway = Gateway(self.s3, SECRET)

    def call(
        self, operation: str, path: str, body: bytes = b"", secret: str = SECRET, **query: str
    ) -> tuple[int, Any]:
        """The status, and the body: JSON or bytes."""
        told: dict[str, Any] = {}

        def start(status: str, headers: list[tuple[str, str]]) -> None:
            told.update(status=int(status[:3]), headers=dict(headers))

        environ = {
            "PATH_INFO": f"/webhdfs/v1/{path}".encode().decode("latin-1"),
            "HTTP_HOST": f"{BUCKET}:9870",
            "QUERY_STRING": urlencode({"op": operation, **query}),
            f"HTTP_{secret.upper().replace('-', '_')}": '""',
            "wsgi.input": io.BytesIO(body),
        }
        content = b"".join(self.gateway(environ, start))
        told_type = told["headers"].get("Content-Type", "")
        return told["status"], json.loads(content) if "json" in told_type else content

    def put(self, path: str, body: bytes = b"x") -> int:
        return self.call("CREATE", path, body, data="1", overwrite="true")[0]

    def read(self, path: str, **query: str) -> bytes:
        status, content = self.call("OPEN", path, b"", SECRET, data="1", **query)
        assert status == 200
        return bytes(content)

    def listed(self, path: str) -> dict[str, str]:
        """Names and types."""
        status, content = self.call("LISTSTATUS", path)
        assert status == 200, content
        return {one["pathSuffix"]: one["type"] for one in content["FileStatuses"]["FileStatus"]}

    def keys(self, prefix: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", [])]


@pytest.fixture
def files() -> Iterator[Files]:
    made = Files()
    yield made
    for key in made.keys(""):
        made.s3.delete_object(Bucket=BUCKET, Key=key)


def exception(answer: tuple[int, Any]) -> tuple[int, str]:
    status, content = answer
    return status, content["RemoteException"]["exception"]


def test_reading_and_writing_are_of_the_object_at_once(files: Files) -> None:
    status, _ = files.call("CREATE", "a/b é.txt")
    assert status == 307
    assert files.put("a/b é.txt", b"0123456789") == 201
    stored = files.s3.get_object(Bucket=BUCKET, Key="a/b é.txt")["Body"].read()
    assert stored == b"0123456789"
    assert files.read("a/b é.txt") == b"0123456789"
    assert files.read("a/b é.txt", offset="3") == b"3456789"
    assert files.read("a/b é.txt", offset="3", length="2") == b"34"
    _, content = files.call("GETFILESTATUS", "a/b é.txt")
    assert (content["FileStatus"]["type"], content["FileStatus"]["length"]) == ("FILE", 10)
    assert exception(files.call("CREATE", "a/b é.txt", data="1", overwrite="false")) == (
        400,
        "FileAlreadyExistsException",
    )
    assert files.put("a/b é.txt", b"") == 201
    assert files.read("a/b é.txt") == b""


def test_folders_are_prefixes_or_known_to_the_job_only(files: Files) -> None:
    files.put("in/part-1")
    files.put("in/deep/part-2")
    files.call("MKDIRS", "in/empty/below")
    assert files.listed("in") == {"part-1": "FILE", "deep": "DIRECTORY", "empty": "DIRECTORY"}
    assert files.listed("in/empty") == {"below": "DIRECTORY"}
    assert files.listed("in/empty/below") == {}
    assert files.listed("in/part-1") == {"": "FILE"}
    assert files.listed("") == {"in": "DIRECTORY"}
    assert files.keys("") == ["in/deep/part-2", "in/part-1"]
    assert Files().call("GETFILESTATUS", "in/empty")[0] == 404
    assert exception(files.call("LISTSTATUS", "missing")) == (404, "FileNotFoundException")


def test_rename_moves_every_object_of_a_folder_and_nothing_beside_it(files: Files) -> None:
    for name in ("out/_temporary/0/a=1/part", "out/_temporary/0/part", "out/_temporary/01"):
        files.put(name, name.encode())
    files.call("MKDIRS", "out/_temporary/0/empty")
    assert files.call("RENAME", "out/_temporary/0", destination="/done")[1] == {"boolean": True}
    assert files.keys("") == ["done/a=1/part", "done/part", "out/_temporary/01"]
    assert files.read("done/part") == b"out/_temporary/0/part"
    assert files.listed("done")["empty"] == "DIRECTORY"
    # into a folder that is there, and not onto a file that is there
    assert files.call("RENAME", "out/_temporary/01", destination="/done")[1] == {"boolean": True}
    assert files.keys("") == ["done/01", "done/a=1/part", "done/part"]
    assert files.call("RENAME", "done/01", destination="/done/part")[1] == {"boolean": False}
    assert files.call("RENAME", "missing", destination="/other")[1] == {"boolean": False}
    assert files.call("RENAME", "done", destination="/done/below")[1] == {"boolean": False}
    assert files.keys("") == ["done/01", "done/a=1/part", "done/part"]


def test_deletion_needs_to_be_told_of_a_folder_that_is_not_empty(files: Files) -> None:
    for name in ("old/a", "old/b/c", "older"):
        files.put(name)
    assert exception(files.call("DELETE", "old", recursive="false")) == (400, "IOException")
    assert files.call("DELETE", "old", recursive="true")[1] == {"boolean": True}
    assert files.keys("") == ["older"]
    assert files.call("DELETE", "old", recursive="true")[1] == {"boolean": False}
    assert files.call("DELETE", "older")[1] == {"boolean": True}
    assert files.keys("") == []


def test_others_and_operations_that_s3_does_not_have_are_refused(files: Files) -> None:
    files.put("a")
    told = exception(files.call("GETFILESTATUS", "a", b"", "X-Job-abd"))
    assert told == (403, "AccessControlException")
    for operation in ("APPEND", "TRUNCATE", "FIND", "KEYS", "WRITE", ""):
        assert exception(files.call(operation, "a")) == (400, "UnsupportedOperationException")
    assert files.call("SETTIMES", "a")[0] == 200  # which has no effect


def test_many_objects_are_moved_and_deleted_in_batches(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "_BATCH", 2)
    for number in range(5):
        files.put(f"many/{number}")
    files.put("last")
    assert files.call("RENAME", "many", destination="/moved")[1] == {"boolean": True}
    assert files.keys("") == ["last", *(f"moved/{number}" for number in range(5))]
    files.call("DELETE", "moved", recursive="true")
    assert files.keys("") == ["last"]
