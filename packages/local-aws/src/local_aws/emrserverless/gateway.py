"""Lets Hadoop read and write `s3://`: WebHDFS's REST API in front of S3.

The release of Spark on PyPI has no file system for S3, but Hadoop's client of WebHDFS, which is
HTTP: it asks `http://BUCKET:9870/webhdfs/v1/KEY?op=…`. This application answers as the HTTP proxy
of the job's Java, so that it is asked for every bucket, and calls S3 for each operation with the
credentials of its environment. As with EMRFS, all takes place in S3 at once, and S3 decides what
the job's role may do. Folders without objects are known to one job run only.

https://hadoop.apache.org/docs/r3.3.4/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

_ROOT: Final = "/webhdfs/v1"
_BLOCK: Final = 128 << 20  # bytes of a split
_CHUNK: Final = 1 << 20
_BATCH: Final = 1000  # keys of a DeleteObjects
_IN_TURN: Final = TransferConfig(use_threads=False)  # Spark's tasks are at the same time already
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_STATUS: Final = {"FileNotFoundException": 404, "AccessControlException": 403}

Environ = dict[str, Any]
Reply = tuple[int, dict[str, str], Iterable[bytes]]
_Operation = Callable[[str, str, dict[str, str]], Reply]


class _Refused(Exception):
    """What Hadoop's client throws in the job."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        package = "java.lang" if kind.startswith("Unsupported") else "java.io"
        if kind == "AccessControlException":
            package = "org.apache.hadoop.security"
        self.kind, self.java = kind, f"{package}.{kind}"


class Gateway:
    """A WSGI application that answers WebHDFS's operations from S3.

    Args:
        s3: a boto3 client.
        header: the name of a header that requests must have; it is a secret of the job's Java.
    """

    def __init__(self, s3: Any, header: str) -> None:
        self._s3 = s3
        self._header = "HTTP_" + header.upper().replace("-", "_")
        self._folders: set[tuple[str, str]] = set()  # bucket and key, without objects in them
        self._lock = threading.Lock()
        self._operations: dict[str, _Operation] = {
            "DELETE": self._delete,
            "GETFILESTATUS": self._status,
            "GET_BLOCK_LOCATIONS": self._locations,
            "LISTSTATUS": self._listing,
            "LISTSTATUS_BATCH": self._batch,
            "MKDIRS": self._mkdirs,
            "OPEN": self._open,
            "RENAME": self._rename,
            # S3 has no owners, permissions and times of files to set
            **dict.fromkeys(("SETOWNER", "SETPERMISSION", "SETTIMES"), _nothing),
        }

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        try:
            status, headers, body = self._answer(environ)
        except ClientError as error:
            status, headers, body = _told(_of_s3(error))
        except BotoCoreError as error:
            status, headers, body = _told(_Refused("IOException", str(error)))
        except _Refused as refused:
            status, headers, body = _told(refused)
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return body

    def _answer(self, environ: Environ) -> Reply:
        path = environ["PATH_INFO"].encode("latin-1").decode()
        if self._header not in environ or not path.startswith(_ROOT):
            raise _Refused("AccessControlException", "This is S3 for one job run only")
        bucket = environ["HTTP_HOST"].partition(":")[0]
        key = path.removeprefix(_ROOT).strip("/")
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        operation = query.get("op", "").upper()
        if operation in ("OPEN", "CREATE") and "data" not in query:  # as a name node, to itself
            place = f"http://{environ['HTTP_HOST']}{quote(path)}?{environ['QUERY_STRING']}&data=1"
            return 307, {"Location": place, "Content-Length": "0"}, []
        if operation == "CREATE":
            self._write(bucket, key, environ["wsgi.input"], query.get("overwrite") == "true")
            return 201, {"Content-Length": "0"}, []
        if operation not in self._operations:
            raise _Refused(
                "UnsupportedOperationException", f"{operation} is not possible with files in S3"
            )
        return self._operations[operation](bucket, key, query)

    # Reading -------------------------------------------------------------------------------------

    def _status(self, bucket: str, key: str, _: dict[str, str]) -> Reply:
        found = self._find(bucket, key)
        if found is None:
            raise _missing(bucket, key)
        return _json({"FileStatus": found})

    def _listing(self, bucket: str, key: str, _: dict[str, str]) -> Reply:
        return _json({"FileStatuses": {"FileStatus": self._list(bucket, key)}})

    def _batch(self, bucket: str, key: str, _: dict[str, str]) -> Reply:
        listing = {"FileStatuses": {"FileStatus": self._list(bucket, key)}}
        return _json({"DirectoryListing": {"partialListing": listing, "remainingEntries": 0}})

    def _locations(self, bucket: str, key: str, _: dict[str, str]) -> Reply:
        # no host is nearer to an object than another
        return _json(
            {
                "LocatedBlocks": {
                    "fileLength": 0,
                    "isUnderConstruction": False,
                    "locatedBlocks": [],
                    "lastLocatedBlock": None,
                    "isLastBlockComplete": True,
                }
            }
        )

    def _open(self, bucket: str, key: str, query: dict[str, str]) -> Reply:
        first, length = int(query.get("offset", 0)), query.get("length")
        wanted = {}
        if first or length is not None:
            last = "" if length is None else str(first + int(length) - 1)
            wanted["Range"] = f"bytes={first}-{last}"
        try:
            found = self._s3.get_object(Bucket=bucket, Key=key, **wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                raise _missing(bucket, key) from None
            raise
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(found["ContentLength"]),
        }
        return 200, headers, _chunks(found["Body"])

    def _find(self, bucket: str, key: str) -> dict[str, Any] | None:
        """The status of an object or a folder; None if there is neither."""
        if not key:
            self._s3.list_objects_v2(Bucket=bucket, MaxKeys=1)  # it exists, and may be listed
            return _folder()
        try:
            head = self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "403":  # HeadObject's answer tells no more
                self._s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
            if error.response["Error"]["Code"] not in _MISSING:
                raise
        else:
            return _file(head["ContentLength"], head["LastModified"])
        if (bucket, key) in self._folders:
            return _folder()
        below = self._s3.list_objects_v2(Bucket=bucket, Prefix=f"{key}/", MaxKeys=1)
        return _folder() if below.get("Contents") else None

    def _list(self, bucket: str, key: str) -> list[dict[str, Any]]:
        prefix = f"{key}/" if key else ""
        found: dict[str, dict[str, Any]] = {}
        for page in self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, Delimiter="/"
        ):
            for one in page.get("CommonPrefixes", []):
                name = one["Prefix"].removeprefix(prefix).rstrip("/")
                found[name] = _folder(name)
            for one in page.get("Contents", []):
                if name := one["Key"].removeprefix(prefix):  # none: the marker of the folder
                    found[name] = _file(one["Size"], one["LastModified"], name)
        with self._lock:
            for within, folder in self._folders:
                name = folder.removeprefix(prefix)
                if within == bucket and folder.startswith(prefix) and name and "/" not in name:
                    found.setdefault(name, _folder(name))
        if not found:
            status = self._find(bucket, key)
            if status is None:
                raise _missing(bucket, key)
            return [] if status["type"] == "DIRECTORY" else [status]
        return [found[name] for name in sorted(found)]

    # Writing -------------------------------------------------------------------------------------

    def _write(self, bucket: str, key: str, body: Any, overwrite: bool) -> None:
        if not overwrite and self._find(bucket, key) is not None:
            raise _Refused("FileAlreadyExistsException", f"s3://{bucket}/{key} already exists")
        self._s3.upload_fileobj(body, bucket, key, Config=_IN_TURN)

    def _mkdirs(self, bucket: str, key: str, _: dict[str, str]) -> Reply:
        parts = key.split("/") if key else []
        with self._lock:
            self._folders |= {(bucket, "/".join(parts[:end])) for end in range(1, len(parts) + 1)}
        return _json({"boolean": True})

    def _rename(self, bucket: str, key: str, query: dict[str, str]) -> Reply:
        target = query["destination"].strip("/")
        source = self._find(bucket, key)
        if source is None:
            return _json({"boolean": False})
        there = self._find(bucket, target) if target else _folder()
        if there is not None:
            if there["type"] != "DIRECTORY":
                return _json({"boolean": False})
            target = f"{target}/{key.rpartition('/')[2]}".lstrip("/")
        if target == key or target.startswith(f"{key}/"):
            return _json({"boolean": target == key})
        keys = list(self._keys(bucket, key)) if source["type"] == "DIRECTORY" else [key]
        for one in keys:
            moved = target + one.removeprefix(key)
            self._s3.copy({"Bucket": bucket, "Key": one}, bucket, moved, Config=_IN_TURN)
        self._remove(bucket, keys)
        with self._lock:
            for folder in [one for one in self._folders if _is_below(one, bucket, key)]:
                self._folders.remove(folder)
                self._folders.add((bucket, target + folder[1].removeprefix(key)))
        return _json({"boolean": True})

    def _delete(self, bucket: str, key: str, query: dict[str, str]) -> Reply:
        found = self._find(bucket, key)
        if found is None:
            return _json({"boolean": False})
        keys = [key]
        if found["type"] == "DIRECTORY":
            keys = list(self._keys(bucket, key))
            if keys and query.get("recursive") != "true":
                raise _Refused("IOException", f"s3://{bucket}/{key} is not empty")
        self._remove(bucket, keys)
        with self._lock:
            self._folders = {one for one in self._folders if not _is_below(one, bucket, key)}
        return _json({"boolean": True})

    def _keys(self, bucket: str, folder: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{folder}/" if folder else ""
        )
        return (one["Key"] for page in pages for one in page.get("Contents", []))

    def _remove(self, bucket: str, keys: list[str]) -> None:
        for start in range(0, len(keys), _BATCH):
            batch = [{"Key": key} for key in keys[start : start + _BATCH]]
            answer = self._s3.delete_objects(
                Bucket=bucket, Delete={"Objects": batch, "Quiet": True}
            )
            for error in answer.get("Errors", []):
                raise ClientError({"Error": error}, "DeleteObjects")


def _nothing(*_: Any) -> Reply:
    return 200, {"Content-Length": "0"}, []


def _is_below(place: tuple[str, str], bucket: str, key: str) -> bool:
    return place[0] == bucket and f"{place[1]}/".startswith(f"{key}/" if key else "")


def _file(size: int, modified: datetime, name: str = "") -> dict[str, Any]:
    return {**_folder(name), "type": "FILE", "length": size, "replication": 1} | {
        "blockSize": _BLOCK,
        "modificationTime": int(modified.timestamp() * 1000),
    }


def _folder(name: str = "") -> dict[str, Any]:
    return {
        "type": "DIRECTORY",
        "pathSuffix": name,
        "length": 0,
        "accessTime": 0,
        "blockSize": 0,
        "childrenNum": 0,
        "fileId": 0,
        "group": "",
        "modificationTime": 0,
        "owner": "",
        "permission": "777",
        "replication": 0,
        "storagePolicy": 0,
    }


def _chunks(body: Any) -> Iterator[bytes]:
    try:
        yield from body.iter_chunks(_CHUNK)
    finally:
        body.close()


def _json(content: dict[str, Any], status: int = 200) -> Reply:
    body = json.dumps(content).encode()
    return status, {"Content-Type": "application/json", "Content-Length": str(len(body))}, [body]


def _missing(bucket: str, key: str) -> _Refused:
    return _Refused("FileNotFoundException", f"No such file or directory 's3://{bucket}/{key}'")


def _of_s3(error: ClientError) -> _Refused:
    """The exception for S3's error, in EMRFS's words."""
    told = error.response["Error"]
    code = told.get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    text = told.get("Message") or code
    first, last = text, f"Operation: {error.operation_name}"
    if code == "AccessDenied":
        first, last = "Access Denied", text
    where = f"Service: Amazon S3; Status Code: {status}; Error Code: {code}"
    kinds = {"AccessDenied": "AccessControlException", "NoSuchBucket": "FileNotFoundException"}
    return _Refused(kinds.get(code, "IOException"), f"{first} ({where}; {last})")


def _told(refused: _Refused) -> Reply:
    remote = {"exception": refused.kind, "javaClassName": refused.java, "message": str(refused)}
    return _json({"RemoteException": remote}, _STATUS.get(refused.kind, 400))
