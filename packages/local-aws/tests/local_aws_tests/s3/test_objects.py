"""Objects of S3: verified while they come in, kept on disk, and read in parts."""

import base64
import gzip
import hashlib
import hmac
import http.client
import os
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as Secret
from botocore.exceptions import ClientError
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from moto import mock_aws

from local_aws import clients, state
from local_aws.clients import OWNER
from local_aws.moto_patches import install
from local_aws.s3.models import LocalS3Backend
from local_aws.server import LocalAws, _Dispatcher
from tests.reliability import Tally

PROJECT = Path(__file__).parents[3]
REGION = "us-east-1"
FAULTS = "objects that are not what their headers say"
MB = 1024**2
CHECK = b"123456789"
# of CHECK, as the catalogue of CRCs and the standards of the hashes have them
DIGESTS = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",  # pragma: allowlist secret
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",  # pragma: allowlist secret
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",  # pragma: allowlist secret  # noqa: E501
}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        clients.client("s3", REGION).create_bucket(Bucket="books")
        yield running


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    return clients.client("s3", REGION)


def text(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def body(s3: Any, key: str, **more: Any) -> bytes:
    found: bytes = s3.get_object(Bucket="books", Key=key, **more)["Body"].read()
    return found


def files() -> set[str]:
    return set(os.listdir(state.folder("s3")))


def random(size: int, seed: int = 0) -> bytes:
    """The same bytes each time, which nothing compresses."""
    return hashlib.shake_128(str(seed).encode()).digest(size)


def sent(
    aws: LocalAws, path: str, data: bytes, method: str = "PUT", **headers: str
) -> tuple[int, str]:
    """A request whose headers are the owner's, and whose body is anything."""
    request = AWSRequest(
        method=method,
        url=f"{aws.url}{path}",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )

    class Told(S3SigV4Auth):
        def payload(self, request: Any) -> Any:
            return headers.get("x_amz_content_sha256", hashlib.sha256(data).hexdigest())

    Told(Secret(OWNER.access_key_id, OWNER.secret_access_key), "s3", REGION).add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(aws.url).netloc, timeout=30)
    try:
        connection.request(method, path, data, dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


# --- checksums -------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_checksum_is_verified_kept_and_told(s3: Any, tally: Tally, algorithm: str) -> None:
    right = text(DIGESTS[algorithm])
    name = f"Checksum{algorithm}"
    s3.put_object(Bucket="books", Key=algorithm, Body=CHECK, **{name: right})
    for call in (s3.get_object, s3.head_object):
        told = call(Bucket="books", Key=algorithm, ChecksumMode="ENABLED")
        assert (told[name], told["ChecksumType"]) == (right, "FULL_OBJECT")
    tally("faults injected", FAULTS)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="books", Key=algorithm, Body=CHECK + b"0", **{name: right})
    assert code(error) == "BadDigest"
    tally("faults injected", FAULTS)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="books", Key=algorithm, Body=CHECK, **{name: "AAAA"})
    assert code(error) == "InvalidRequest"
    assert body(s3, algorithm) == CHECK


def test_content_md5_is_verified(s3: Any, tally: Tally) -> None:
    right = base64.b64encode(hashlib.md5(CHECK, usedforsecurity=False).digest()).decode()
    s3.put_object(Bucket="books", Key="md5", Body=CHECK, ContentMD5=right)
    for wrong, refused in ((text("00" * 16), "BadDigest"), ("AAAA", "InvalidDigest")):
        tally("faults injected", FAULTS)
        with pytest.raises(ClientError) as error:
            s3.put_object(Bucket="books", Key="md5", Body=b"other", ContentMD5=wrong)
        assert code(error) == refused
    assert body(s3, "md5") == CHECK


def test_body_that_is_not_what_was_signed_is_refused(aws: LocalAws, s3: Any, tally: Tally) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    for path in ("/books/signed", "/books?policy"):
        tally("faults injected", FAULTS)
        status, told = sent(aws, path, b"body", x_amz_content_sha256=other)
        assert status == 400
        assert "XAmzContentSHA256Mismatch" in told
    with pytest.raises(ClientError, match="NoSuchKey"):
        body(s3, "signed")
    status, told = sent(aws, "/books/signed", b"body", x_amz_content_sha256="hash")
    assert "<Code>InvalidArgument</Code>" in told


def test_checksum_that_cannot_be_computed_is_refused_by_name(aws: LocalAws, s3: Any) -> None:
    status, told = sent(aws, "/books/x", b"x", x_amz_checksum_xxhash64=text("00" * 8))
    assert status == 501
    assert "NotImplementedByLocalAws" in told
    assert "XXHASH64" in told
    _, told = sent(aws, "/books/x", b"x", x_amz_sdk_checksum_algorithm="CRC32")
    assert "no corresponding x-amz-checksum-*" in told
    two = {"x_amz_checksum_crc32": text("00" * 4), "x_amz_checksum_sha1": text("00" * 20)}
    _, told = sent(aws, "/books/x", b"x", **two)
    assert "Expecting a single x-amz-checksum- header" in told
    with pytest.raises(ClientError, match="NoSuchKey"):
        body(s3, "x")


def test_trailer_is_verified(aws: LocalAws, s3: Any, tally: Tally) -> None:
    data = random(3 * MB)
    chunked = AwsChunkedWrapper(BytesIO(data), Crc32Checksum, "x-amz-checksum-crc32").read()
    headers = {
        "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x_amz_trailer": "x-amz-checksum-crc32",
        "x_amz_decoded_content_length": str(len(data)),
        "content_encoding": "aws-chunked",
    }
    assert sent(aws, "/books/trailer", chunked, **headers)[0] == 200
    assert body(s3, "trailer") == data
    told = s3.head_object(Bucket="books", Key="trailer", ChecksumMode="ENABLED")
    assert told["ChecksumCRC32"] == text(f"{zlib.crc32(data):08x}")
    assert "ContentEncoding" not in told
    damaged = bytearray(chunked)
    damaged[1_000] ^= 1
    for wrong, refused in (
        (bytes(damaged), "BadDigest"),
        (chunked[:2_000_000], "IncompleteBody"),
        (chunked.replace(b"100000\r\n", b"0fffff\r\n", 1), "IncompleteBody"),
        (chunked.replace(b"100000\r\n", b"ffffffffffffff\r\n", 1), "EntityTooLarge|IncompleteBody"),
        (chunked[: chunked.rindex(b"x-amz")] + b"\r\n", "MalformedTrailerError"),
        (b"no chunk", "IncompleteBody"),
    ):
        tally("faults injected", FAULTS)
        status, answer = sent(aws, "/books/trailer2", wrong, **headers)
        assert status == 400
        assert any(f"<Code>{one}</Code>" in answer for one in refused.split("|")), answer
    status, answer = sent(
        aws, "/books/trailer2", chunked, **headers | {"x_amz_decoded_content_length": ""}
    )
    assert (status, "MissingContentLength" in answer) == (411, True)
    with pytest.raises(ClientError, match="NoSuchKey"):
        body(s3, "trailer2")


@pytest.mark.parametrize("trailer", [False, True])
def test_signed_chunks_are_verified(aws: LocalAws, s3: Any, tally: Tally, trailer: bool) -> None:
    """Signed here by the documentation's recipe alone."""
    data = random(150_000)
    key = f"chunks-{trailer}"
    right = _signed_upload(aws, f"/books/{key}", data, trailer)
    assert right[0] == 200, right
    assert body(s3, key) == data
    for damage in ("data", "signature", *(("trailer",) if trailer else ())):
        tally("faults injected", FAULTS)
        status, told = _signed_upload(aws, f"/books/{key}-2", data, trailer, damage)
        assert (status, "SignatureDoesNotMatch" in told) == (403, True), told
    with pytest.raises(ClientError, match="NoSuchKey"):
        body(s3, f"{key}-2")


def _signed_upload(
    aws: LocalAws, path: str, data: bytes, trailer: bool, damage: str = ""
) -> tuple[int, str]:
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    checksum = text(f"{zlib.crc32(data):08x}")
    request = AWSRequest(
        method="PUT",
        url=f"{aws.url}{path}",
        headers={
            "Content-Encoding": "aws-chunked",
            "X-Amz-Decoded-Content-Length": str(len(data)),
            **({"X-Amz-Trailer": "x-amz-checksum-crc32"} if trailer else {}),
        },
    )

    class Streaming(S3SigV4Auth):
        def payload(self, request: Any) -> str:
            return kind

    Streaming(Secret(OWNER.access_key_id, OWNER.secret_access_key), "s3", REGION).add_auth(request)
    stamp = request.headers["X-Amz-Date"]
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    signing = f"AWS4{OWNER.secret_access_key}".encode()
    for step in scope.split("/"):
        signing = hmac.new(signing, step.encode(), "sha256").digest()
    before = request.headers["Authorization"].rpartition("=")[2]

    def sign(name: str, *rest: bytes) -> str:
        nonlocal before
        hashes = [hashlib.sha256(one).hexdigest() for one in rest]
        told = "\n".join([f"AWS4-HMAC-SHA256-{name}", stamp, scope, before, *hashes])
        before = hmac.new(signing, told.encode(), "sha256").hexdigest()
        return before

    wire = b""
    for start in (*range(0, len(data), 65_536), len(data)):
        part = data[start : start + 65_536]
        signature = sign("PAYLOAD", b"", part)
        if damage == "signature":
            signature = signature[::-1]
        if damage == "data" and start == 65_536:
            part = part[::-1]
        wire += f"{len(part):x};chunk-signature={signature}\r\n".encode() + part
        wire += b"\r\n" if part or not trailer else b""
    if trailer:
        line = f"x-amz-checksum-crc32:{checksum}"
        signature = sign("TRAILER", f"{line}\n".encode())
        if damage == "trailer":
            signature = signature[::-1]
        wire += f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()
    connection = http.client.HTTPConnection(urlsplit(aws.url).netloc, timeout=30)
    try:
        connection.request("PUT", path, wire, dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_upload_in_parts_is_verified_part_by_part_and_as_a_whole(s3: Any, tally: Tally) -> None:
    pieces = [random(5 * MB, 1), random(5 * MB + 1, 2), random(10, 3)]
    whole = b"".join(pieces)
    sums = [f"{zlib.crc32(piece):08x}" for piece in pieces]
    composite = text(f"{zlib.crc32(bytes.fromhex(''.join(sums))):08x}")
    md5s = b"".join(hashlib.md5(piece, usedforsecurity=False).digest() for piece in pieces)
    etag = f'"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-3"'
    for kind, right in (
        ("COMPOSITE", composite),
        ("FULL_OBJECT", text(f"{zlib.crc32(whole):08x}")),
    ):
        place: dict[str, Any] = {"Bucket": "books", "Key": kind}
        upload = s3.create_multipart_upload(**place, ChecksumAlgorithm="CRC32", ChecksumType=kind)[
            "UploadId"
        ]
        place["UploadId"] = upload
        parts = []
        for number, (piece, one) in enumerate(zip(pieces, sums, strict=True), 1):
            tally("faults injected", FAULTS)
            with pytest.raises(ClientError) as error:
                s3.upload_part(
                    **place, PartNumber=number, Body=piece, ChecksumCRC32=text("00000000")
                )
            assert code(error) == "BadDigest"
            done = s3.upload_part(**place, PartNumber=number, Body=piece)
            assert done["ChecksumCRC32"] == text(one)
            parts.append({"PartNumber": number, "ETag": done["ETag"], "ChecksumCRC32": text(one)})
        damaged = [parts[0], parts[1] | {"ChecksumCRC32": text("00000000")}, parts[2]]
        for wrong, refused in (
            ({"MultipartUpload": {"Parts": damaged}}, "InvalidPart"),
            ({"MultipartUpload": {"Parts": parts}, "ChecksumCRC32": text("00" * 4)}, "BadDigest"),
            ({"MultipartUpload": {"Parts": parts}, "MpuObjectSize": 7}, "InvalidRequest"),
        ):
            tally("faults injected", FAULTS)
            with pytest.raises(ClientError) as error:
                s3.complete_multipart_upload(**place, **wrong)
            assert code(error) == refused
        made = s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        told = made["ChecksumCRC32"].partition("-")[0], made["ChecksumType"], made["ETag"]
        assert told == (right, kind, etag)
        assert body(s3, kind) == whole
        last = {"Range": f"bytes={5 * MB - 2}-{5 * MB + 2}"}
        assert body(s3, kind, **last) == whole[5 * MB - 2 : 5 * MB + 3]
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.upload_part(**place, PartNumber=1, Body=b"")
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.complete_multipart_upload(**place | {"UploadId": "x"}, MultipartUpload={"Parts": parts})


def test_copy_has_the_checksum_that_is_asked_for(s3: Any) -> None:
    s3.put_object(Bucket="books", Key="check", Body=CHECK)
    answer = s3.copy_object(
        Bucket="books", Key="copy", CopySource="books/check", ChecksumAlgorithm="SHA256"
    )
    right = text(DIGESTS["SHA256"])
    assert answer["CopyObjectResult"]["ChecksumSHA256"] == right
    told = s3.head_object(Bucket="books", Key="copy", ChecksumMode="ENABLED")
    assert told["ChecksumSHA256"] == right


# --- storage ---------------------------------------------------------------------------------


def test_select_is_refused_by_name(s3: Any) -> None:
    with pytest.raises(ClientError, match="s3:SelectObjectContent"):
        s3.select_object_content(
            Bucket="objects",
            Key="a",
            Expression="SELECT * FROM S3Object",
            ExpressionType="SQL",
            InputSerialization={"JSON": {"Type": "LINES"}, "CompressionType": "GZIP"},
            OutputSerialization={"JSON": {}},
        )


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("PUT", "x_amz_server_side_encryption_customer_algorithm"),
        ("GET", "x_amz_server_side_encryption_customer_key"),
        ("PUT", "x_amz_copy_source_server_side_encryption_customer_key"),
        ("PUT", "x_amz_write_offset_bytes"),
        ("DELETE", "x_amz_if_match_size"),
        ("PUT", "x_amz_object_lock_event_hold"),
    ],
)
def test_header_that_would_be_ignored_is_refused_by_name(
    aws: LocalAws, s3: Any, tally: Tally, method: str, name: str
) -> None:
    s3.put_object(Bucket="books", Key="kept", Body=b"as it was")
    status, told = sent(aws, "/books/kept", b"" if method != "PUT" else b"x", method, **{name: "1"})
    assert (status, "NotImplementedByLocalAws" in told) == (501, True)
    assert name.replace("_", "-") in told
    assert body(s3, "kept") == b"as it was"
    tally("inputs tried", "headers that would be ignored")


def test_copies_and_deletions_with_conditions_are_refused_by_name(s3: Any) -> None:
    s3.put_object(Bucket="books", Key="kept", Body=b"as it was")
    source = {"Bucket": "books", "Key": "kept"}
    with pytest.raises(ClientError, match="x-amz-copy-source-if-match"):
        s3.copy_object(Bucket="books", Key="copy", CopySource=source, CopySourceIfMatch="other")
    with pytest.raises(ClientError, match="DeleteObjects with conditions"):
        s3.delete_objects(Bucket="books", Delete={"Objects": [{"Key": "kept", "ETag": "other"}]})
    assert body(s3, "kept") == b"as it was"


def test_deletion_of_more_than_a_thousand_objects_is_malformed(s3: Any) -> None:
    for count in (1000, 1001):
        objects = {"Objects": [{"Key": f"none-{number}"} for number in range(count)]}
        if count > 1000:
            with pytest.raises(ClientError, match="MalformedXML"):
                s3.delete_objects(Bucket="books", Delete=objects)
        else:
            assert len(s3.delete_objects(Bucket="books", Delete=objects)["Deleted"]) == 1000


@pytest.mark.parametrize("in_parts", [False, True], ids=["whole", "in parts"])
def test_of_objects_put_at_once_if_there_is_none_one_is_kept(
    s3: Any, monkeypatch: pytest.MonkeyPatch, tally: Tally, in_parts: bool
) -> None:
    looked_up = LocalS3Backend.get_object
    place = {"Bucket": "books", "Key": f"lock {in_parts}"}
    uploads = [_upload(s3, place, str(number).encode()) for number in range(4 * in_parts)]

    def slowly(*arguments: Any, **named: Any) -> Any:
        found = looked_up(*arguments, **named)
        time.sleep(0.05)
        return found

    monkeypatch.setattr(LocalS3Backend, "get_object", slowly)

    def put(number: int) -> str:
        try:
            if in_parts:
                s3.complete_multipart_upload(**uploads[number], IfNoneMatch="*")
            else:
                s3.put_object(**place, Body=str(number).encode(), IfNoneMatch="*")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "put"

    with ThreadPoolExecutor(4) as pool:
        told = sorted(pool.map(put, range(4)))
    assert told == ["PreconditionFailed"] * 3 + ["put"]
    tally("inputs tried", "conditional writes at once", 4)


def _upload(s3: Any, place: dict[str, str], content: bytes) -> dict[str, Any]:
    """The arguments that complete an upload of one part."""
    upload = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=content)
    return {**upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}}


@pytest.mark.parametrize("by", ["upload in parts", "copy"])
def test_object_is_replaced_only_if_it_is_the_expected_one(s3: Any, by: str) -> None:
    place = {"Bucket": "books", "Key": f"expected by {by}"}
    s3.put_object(Bucket="books", Key="new", Body=b"new")
    write: Callable[..., Any] = partial(s3.copy_object, **place, CopySource="books/new")
    if by != "copy":
        write = partial(s3.complete_multipart_upload, **_upload(s3, place, b"new"))
    with pytest.raises(ClientError, match="NoSuchKey"):
        write(IfMatch='"x"')
    etag = s3.put_object(**place, Body=b"old")["ETag"]
    for unfulfilled in ({"IfMatch": '"x"'}, {"IfNoneMatch": "*"}):
        with pytest.raises(ClientError, match="PreconditionFailed"):
            write(**unfulfilled)
        assert body(s3, place["Key"]) == b"old"
    for other in (write, partial(s3.put_object, **place)):
        with pytest.raises(ClientError, match='If-None-Match with "x", but \\* only'):
            other(IfNoneMatch='"x"')
    assert body(s3, place["Key"]) == b"old"
    write(IfMatch=etag)
    assert body(s3, place["Key"]) == b"new"


@pytest.mark.parametrize(
    ("algorithm", "key", "refused"),
    [
        ("AES512", None, "InvalidEncryptionAlgorithmError"),
        ("", None, "InvalidEncryptionAlgorithmError"),
        (None, "alias/mine", "InvalidArgument"),
        ("AES256", "alias/mine", "InvalidArgument"),
    ],
)
def test_unknown_encryption_is_refused(
    aws: LocalAws, algorithm: str | None, key: str | None, refused: str
) -> None:
    name = "x_amz_server_side_encryption"
    given = {name: algorithm, f"{name}_aws_kms_key_id": key}
    headers = {header: value for header, value in given.items() if value is not None}
    status, told = sent(aws, "/books/sealed", b"x", **headers)
    assert (status, f"<Code>{refused}</Code>" in told) == (400, True)


def test_tags_of_a_missing_object_are_missing_too(s3: Any) -> None:
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.delete_object_tagging(Bucket="books", Key="nowhere")


def test_body_is_kept_whatever_its_type(aws: LocalAws, s3: Any) -> None:
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert sent(aws, "/books/form", b"key=value&a=%20", content_type=kind)[0] == 200
        assert body(s3, "form") == b"key=value&a=%20"


def test_files_go_with_the_last_object_that_shares_them(s3: Any) -> None:
    before = files()
    versions = {"Status": "Enabled"}
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration=versions)
    for bucket in ("books", "versions"):
        s3.put_object(Bucket=bucket, Key="big", Body=random(MB))
    s3.copy_object(Bucket="books", Key="other", CopySource="books/big")
    assert len(files() - before) == 2
    found = s3.list_object_versions(Bucket="versions")["Versions"]
    assert [one["Size"] for one in found] == [MB]
    s3.delete_object(Bucket="versions", Key="big", VersionId=found[0]["VersionId"])
    s3.put_object(Bucket="books", Key="big", Body=b"")
    assert len(files() - before) == 1
    assert body(s3, "other") == random(MB)
    s3.delete_object(Bucket="books", Key="other")
    upload = s3.create_multipart_upload(Bucket="books", Key="never")["UploadId"]
    place = {"Bucket": "books", "Key": "never", "UploadId": upload}
    s3.upload_part(**place, PartNumber=1, Body=random(MB))
    assert len(files() - before) == 1
    s3.abort_multipart_upload(**place)
    assert files() == before


def test_deleted_object_of_a_bucket_with_versions_is_missing(s3: Any) -> None:
    s3.create_bucket(Bucket="with-versions")
    versions = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket="with-versions", VersioningConfiguration=versions)
    place = {"Bucket": "with-versions", "Key": "k"}
    kept = s3.put_object(**place, Body=b"1")["VersionId"]
    s3.delete_object(**place)
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(**place)
    with pytest.raises(ClientError, match="404"):
        s3.head_object(**place, ChecksumMode="ENABLED")
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.copy_object(Bucket="with-versions", Key="copy", CopySource=place)
    assert s3.get_object(**place, VersionId=kept)["Body"].read() == b"1"


def test_object_is_answered_in_small_pieces(s3: Any) -> None:
    data = random(40 * MB)
    s3.put_object(Bucket="books", Key="pieces", Body=data)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "books", "Key": "pieces"})
    parts = urlsplit(url)
    environ = {
        **{"REQUEST_METHOD": "GET", "PATH_INFO": parts.path, "QUERY_STRING": parts.query},
        **{"RAW_URI": f"{parts.path}?{parts.query}", "HTTP_HOST": parts.netloc},
        **{"SERVER_NAME": "127.0.0.1", "SERVER_PORT": str(parts.port)},
        **{"wsgi.url_scheme": "http", "wsgi.input": BytesIO(), "SERVER_PROTOCOL": "HTTP/1.1"},
    }
    digest, told = hashlib.sha256(), []
    app = _Dispatcher()
    tracemalloc.start()
    answer = app(environ, lambda status, headers, *_: told.append((status, dict(headers))))
    for piece in answer:
        digest.update(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    answer.close()
    assert told[0][0] == "200 OK"
    assert told[0][1]["content-length"] == str(len(data))
    assert digest.digest() == hashlib.sha256(data).digest()
    assert peak < 20 * MB
    s3.delete_object(Bucket="books", Key="pieces")


def test_object_that_is_too_large_is_refused_before_it_is_sent(aws: LocalAws) -> None:
    url = urlsplit(aws.url)
    request = AWSRequest(method="PUT", url=f"{aws.url}/books/huge")
    signer = S3SigV4Auth(Secret(OWNER.access_key_id, OWNER.secret_access_key), "s3", REGION)
    signer.add_auth(request)
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    connection.putrequest("PUT", "/books/huge")
    for name, value in request.headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(5 * 1024**3 + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, b"EntityTooLarge" in answer.read()) == (400, True)
    connection.close()


def test_body_that_unpacks_to_too_much_is_refused(aws: LocalAws, tally: Tally) -> None:
    for packed, refused in (
        (gzip.compress(bytes(17 * MB)), "RequestEntityTooLarge"),
        (b"no gzip", "SerializationException"),
        (gzip.compress(bytes(MB))[:500], "SerializationException"),
    ):
        tally("faults injected", "bodies that unpack to too much, or not at all")
        request = AWSRequest(
            method="POST",
            url=f"{aws.url}/",
            data=packed,
            headers={
                "Content-Encoding": "gzip",
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData",
            },
        )
        secret = Secret(OWNER.access_key_id, OWNER.secret_access_key)
        SigV4Auth(secret, "monitoring", REGION).add_auth(request)
        connection = http.client.HTTPConnection(urlsplit(aws.url).netloc, timeout=30)
        connection.request("POST", "/", packed, dict(request.headers.items()))
        answer = connection.getresponse()
        assert (answer.status, refused.encode() in answer.read()) == (400, True)
        connection.close()


def test_objects_in_process() -> None:
    install()
    with mock_aws():
        s3: Any = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket="books")
        data = random(200_000)
        s3.put_object(Bucket="books", Key="big", Body=data)  # in chunks, with a trailer
        assert body(s3, "big") == data
        assert body(s3, "big", Range="bytes=70000-70009") == data[70_000:70_010]
        with pytest.raises(ClientError, match="BadDigest"):
            s3.put_object(Bucket="books", Key="big", Body=data, ChecksumSHA1=text("00" * 20))


SERVER = """
import resource, sys
from local_aws.__main__ import main
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
sys.exit(main(["--port", "0"]))
"""


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[tuple[psutil.Process, Any]]:
    """A server in a separate process with a low limit of open files, and a client of it."""
    popen = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert popen.stdout is not None
    url = popen.stdout.readline().split()[5].rstrip(".")
    make: Any = boto3.client
    client = make(
        "s3",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # pragma: allowlist secret
        config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
    )
    client.create_bucket(Bucket="books")
    yield psutil.Process(popen.pid), client
    popen.terminate()
    popen.wait(60)
    popen.stdout.close()
    assert not list(tmp_path.glob("local-aws-*"))


def peak(process: psutil.Process) -> int:
    """The most bytes that a process has had in memory."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("only Linux tells the most memory that a process has had")
    lines = status.read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


@pytest.mark.slow
def test_large_upload_takes_little_memory(apart: tuple[psutil.Process, Any]) -> None:
    process, s3 = apart
    place: dict[str, Any] = {"Bucket": "books", "Key": "big"}
    s3.put_object(**place, Body=random(8 * MB))
    body(s3, "big", Range="bytes=0-0")
    before = peak(process)
    upload = place | {"UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    piece = random(8 * MB)
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**upload, PartNumber=n, Body=piece)["ETag"]}
        for n in range(1, 33)
    ]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.head_object(**place)["ContentLength"] == 256 * MB
    assert body(s3, "big", Range="bytes=200000000-200000009") == (piece * 32)[200_000_000:][:10]
    s3.copy_object(Bucket="books", Key="copy", CopySource="books/big")
    for number in range(200):
        s3.put_object(Bucket="books", Key=f"small/{number}", Body=piece[:MB])
    assert body(s3, "small/7") == piece[:MB]
    assert process.num_fds() < 60
    assert peak(process) - before < 64 * MB


@pytest.mark.slow
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_large_unsigned_form_takes_little_memory(
    apart: tuple[psutil.Process, Any], tally: Tally, method: str
) -> None:
    process, s3 = apart
    connection = http.client.HTTPConnection(urlsplit(s3.meta.endpoint_url).netloc, timeout=60)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, "/books", b"", headers)
    connection.getresponse().read()
    before = peak(process)
    length = {"Content-Length": str(256 * MB)}
    connection.request(method, "/nowhere/form", iter([b"a&" * (MB // 2)] * 256), headers | length)
    assert connection.getresponse().status in (400, 404)
    connection.close()
    tally("faults injected", "bodies that are too large")
    assert peak(process) - before < 64 * MB
