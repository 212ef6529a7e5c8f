"""Bodies of S3's requests: decoded, verified and stored as streams.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

import hashlib
import re
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Iterator
from hashlib import sha256
from io import BufferedReader, BytesIO
from typing import Any, Final

from moto.core.request import Request
from moto.s3.exceptions import S3ClientError
from werkzeug.datastructures import ImmutableMultiDict

from local_aws.iam import signatures
from local_aws.s3 import checksums
from local_aws.s3.checksums import Checksum
from local_aws.s3.storage import CHUNK, Content, Writer

LARGEST: Final = 5 * 1024**3  # maximum bytes of one PUT
_LINE: Final = 8 * 1024  # maximum bytes of a line between chunks
_SHORTEST_CHUNK: Final = 8 * 1024  # minimum bytes of a signed chunk except the last
_EMPTY: Final = sha256().hexdigest()
_SIGNATURE: Final = "x-amz-trailer-signature"
_HEADER: Final = "x-amz-checksum-"
_HASH: Final = re.compile("[0-9a-f]{64}")
_DECODED: Final = "X-Amz-Decoded-Content-Length"
_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,16})((?:;[^\r\n]*)?)\r\n")


def detached(request: Request) -> Any:
    """Detach the stream of a request's body, so that moto does not read it."""
    stream = request.stream
    nothing: ImmutableMultiDict[str, str] = ImmutableMultiDict()
    request.__dict__.update(stream=BytesIO(), form=nothing, files=nothing, _cached_data=b"")
    return stream


def received(
    request: Request, stream: Any, default: str = checksums.DEFAULT, *, of_body: bool = True
) -> Content:
    """Read and verify the body of a request.

    Args:
        request: the request with its headers.
        stream: the body as sent.
        default: the checksum to compute if the request has none.
        of_body: whether a checksum in the headers is that of the body.

    Raises:
        S3ClientError: it is too large or damaged, or does not match the headers.
        SignatureError: a chunk does not match its signature.
        NotImplementedByLocalAws: its checksum is not implemented.
    """
    headers = request.headers
    in_query = request.args.get("X-Amz-Content-Sha256", "")
    payload = headers.get("X-Amz-Content-Sha256", in_query)
    streaming = payload.startswith("STREAMING-") and payload != in_query
    length = headers[_DECODED] if streaming else None
    _check_length(int(length or headers.get("Content-Length") or 0))
    expected = _md5(headers.get("Content-Md5"))
    stated = _stated(request) if of_body else None
    algorithm = stated[0] if stated else default
    trailers: dict[str, str] = {}
    parts = _decoded(request, stream, payload, trailers) if streaming else _pieces(stream)
    digest, total = hashlib.md5(usedforsecurity=False), checksums.running(algorithm)
    whole = sha256() if _HASH.fullmatch(payload) else None
    count = 0
    with Writer() as writer:
        for data in parts:
            count += len(data)
            _check_length(count)
            digest.update(data)
            total.update(data)
            if whole:
                whole.update(data)
            writer.write(data)
        if length is not None and count != int(length):
            raise _incomplete()
        if whole and whole.hexdigest() != payload:
            raise _other_hash()
        if expected not in (None, digest.digest()):
            raise S3ClientError(
                "BadDigest", "The Content-MD5 you specified did not match what we received."
            )
        checksum = Checksum(algorithm, total.digest())
        if stated:
            _check(checksum, stated[1] or trailers.get(f"{_HEADER}{algorithm.lower()}"))
        return writer.content(digest.hexdigest(), checksum)


def check_none(request: Request) -> None:
    """Verify that a request without a body has no body's hash.

    Raises:
        S3ClientError: it has.
    """
    payload = request.headers.get("X-Amz-Content-Sha256", "")
    if payload != _EMPTY and _HASH.fullmatch(payload):
        raise _other_hash()


def check_hash(request: Request, body: bytes) -> None:
    """Verify that a document matches the hash in the request.

    Raises:
        S3ClientError: it does not.
    """
    stated = request.headers.get("X-Amz-Content-Sha256", "")
    if _HASH.fullmatch(stated) and sha256(body).hexdigest() != stated:
        raise _other_hash()


def _other_hash() -> S3ClientError:
    return S3ClientError(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    )


def lacks_length(request: Request) -> bool:
    """Whether a chunked body has no decoded length."""
    streaming = request.headers.get("X-Amz-Content-Sha256", "").startswith("STREAMING-")
    return streaming and not request.headers.get(_DECODED, "").isdecimal()


def stated_algorithm(request: Request) -> str | None:
    """The algorithm of the checksum in a request's headers or trailers."""
    stated = _stated(request)
    return stated[0] if stated else None


def _check_length(length: int) -> None:
    if length > LARGEST:
        raise S3ClientError(
            "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."
        )


def _md5(header: str | None) -> bytes | None:
    if header is None:
        return None
    try:
        found = b64decode(header, validate=True)
    except NoBase64:
        found = b""
    if len(found) != hashlib.md5(usedforsecurity=False).digest_size:
        raise S3ClientError("InvalidDigest", "The Content-MD5 you specified was invalid.")
    return found


def _stated(request: Request) -> tuple[str, str | None] | None:
    """The algorithm and value of a request's checksum; no value if it is in a trailer."""
    headers, found = request.headers, list[tuple[str, str | None]]()
    for name, text in request.environ.items():
        algorithm = name.removeprefix("HTTP_X_AMZ_CHECKSUM_")
        if algorithm in checksums.ALGORITHMS:
            found.append((algorithm, str(text)))
    trailer = headers.get("X-Amz-Trailer", "").strip().lower()
    if trailer:
        found.append((trailer.removeprefix(_HEADER).upper(), None))
    if len(found) > 1:
        raise S3ClientError(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    named = headers.get("X-Amz-Sdk-Checksum-Algorithm", "").upper()
    if found:
        checksums.check_known(found[0][0])
        if named not in ("", found[0][0]):
            raise S3ClientError(
                "InvalidRequest",
                "Value for x-amz-sdk-checksum-algorithm header is invalid.",
            )
        return found[0]
    if named:
        checksums.check_known(named)
        raise S3ClientError(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
            "x-amz-trailer headers were found.",
        )
    return None


def _check(found: Checksum, text: str | None) -> None:
    if text is None:
        raise S3ClientError(
            "MalformedTrailerError",
            "The request contained trailing data that was "
            "not well-formed or did not conform to our published schema.",
        )
    if checksums.decoded(text, found.algorithm) is None:
        raise S3ClientError(
            "InvalidRequest",
            f"Value for {_HEADER}{found.algorithm.lower()} header is invalid.",
        )
    if text != found.text:
        raise S3ClientError(
            "BadDigest",
            f"The {found.algorithm} you specified did not match the calculated checksum.",
        )


def _pieces(stream: Any) -> Iterator[bytes]:
    while data := stream.read(CHUNK):
        yield data


def _decoded(
    request: Request, stream: Any, payload: str, trailers: dict[str, str]
) -> Iterator[bytes]:
    """Decode a chunked body; trailing headers are stored in `trailers`."""
    file = BufferedReader(stream, CHUNK)
    signed = payload.startswith("STREAMING-AWS4")
    signer = signatures.chunk_signatures(request)
    short = False
    while True:
        line = _SIZE.fullmatch(file.readline(_LINE))
        if line is None:
            raise _incomplete()
        size = int(line[1], 16)
        signature = line[2].decode("latin-1").partition(";chunk-signature=")[2]
        if signed and not signature:
            raise _incomplete()
        if signed and short and size:
            raise S3ClientError(
                "InvalidChunkSizeError",
                "Only the last chunk is allowed to have a size less than 8192 bytes",
            )
        short = size < _SHORTEST_CHUNK
        digest, left = sha256(), size
        while left:
            data = file.read(min(left, CHUNK))
            if not data:
                raise _incomplete()
            left -= len(data)
            if signer:
                digest.update(data)
            yield data
        if signer:
            signer.check(digest.hexdigest() if size else _EMPTY, signature)
        if not size:
            break
        if file.read(2) != b"\r\n":
            raise _incomplete()
    lines = b""
    while (text := file.readline(_LINE).rstrip(b"\r\n")) and len(trailers) < 10:
        name, _, value = text.decode("latin-1").partition(":")
        name, value = name.strip().lower(), value.strip()
        trailers[name] = value
        if name != _SIGNATURE:
            lines += f"{name}:{value}\n".encode()
    if signer and payload.endswith("-TRAILER"):
        signer.check_trailer(lines, trailers.get(_SIGNATURE, ""))


def _incomplete() -> S3ClientError:
    return S3ClientError(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )
