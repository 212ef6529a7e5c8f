"""S3's checksums of objects.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import anycrc  # type: ignore[import-untyped]
from moto.s3.exceptions import S3ClientError

from local_aws.api import NotImplementedByLocalAws

DEFAULT: Final = "CRC64NVME"  # of objects without a checksum
# S3's name → the model of the CRC catalogue, and its bytes
_CRCS: Final = {
    "CRC32": ("CRC32-ISO-HDLC", 4),
    "CRC32C": ("CRC32-ISCSI", 4),
    "CRC64NVME": ("CRC64-NVME", 8),
}
_HASHES: Final = ("MD5", "SHA1", "SHA256", "SHA512")
_REFUSED: Final = ("XXHASH64", "XXHASH3", "XXHASH128")
ALGORITHMS: Final = (*_CRCS, *_HASHES, *_REFUSED)


@dataclass(frozen=True)
class Checksum:
    """A checksum.

    Attributes:
        algorithm: by S3's name, such as `CRC32`.
        digest: its bytes.
    """

    algorithm: str
    digest: bytes

    @property
    def text(self) -> str:
        """The value in headers."""
        return base64.b64encode(self.digest).decode()


class Running(Protocol):
    """An incremental checksum."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""


class _Crc:
    def __init__(self, algorithm: str) -> None:
        self._model, self._size = _model(algorithm)
        self._value = self._model.calc(b"")

    def update(self, data: bytes, /) -> None:
        self._value = self._model.calc(data, self._value)

    def digest(self) -> bytes:
        return int(self._value).to_bytes(self._size, "big")


@lru_cache
def _model(algorithm: str) -> tuple[Any, int]:
    name, size = _CRCS[algorithm]
    return anycrc.Model(name), size


def check_known(algorithm: str) -> None:
    """Refuse an unknown or unimplemented algorithm.

    Raises:
        S3ClientError: S3 does not support the algorithm.
        NotImplementedByLocalAws: it is not implemented.
    """
    if algorithm in _REFUSED:
        raise NotImplementedByLocalAws(f"S3's checksum algorithm {algorithm}")
    if algorithm not in ALGORITHMS:
        raise S3ClientError(
            "InvalidRequest",
            f"Checksum algorithm provided is unsupported. Please try again with any of the valid "
            f"types: {list(ALGORITHMS)}",
        )


def running(algorithm: str) -> Running:
    """Start a checksum."""
    check_known(algorithm)
    if algorithm in _CRCS:
        return _Crc(algorithm)
    found: Running = hashlib.new(algorithm.lower(), usedforsecurity=False)
    return found


def of(algorithm: str, data: Any) -> Checksum:
    """The checksum of bytes that come in parts."""
    total = running(algorithm)
    for part in data:
        total.update(part)
    return Checksum(algorithm, total.digest())


def decoded(text: str, algorithm: str) -> bytes | None:
    """Decode a checksum from a header; None if it is invalid for the algorithm."""
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return found if len(found) == len(running(algorithm).digest()) else None


def kinds(algorithm: str) -> tuple[str, ...]:
    """The checksum types of multipart uploads, the default first."""
    if algorithm == DEFAULT:
        return ("FULL_OBJECT",)
    return ("COMPOSITE", "FULL_OBJECT") if algorithm in _CRCS else ("COMPOSITE",)


def combined(parts: list[tuple[Checksum, int]], kind: str) -> Checksum:
    """Compute the checksum of an object from those of its parts.

    Args:
        parts: each part's checksum, of one algorithm, and length in bytes.
        kind: `FULL_OBJECT`, of all bytes, or `COMPOSITE`, of the parts' checksums.
    """
    algorithm = parts[0][0].algorithm
    if kind == "COMPOSITE":
        return of(algorithm, [checksum.digest for checksum, _ in parts])
    model, size = _model(algorithm)
    value = model.calc(b"")
    for checksum, length in parts:
        value = model.combine(value, int.from_bytes(checksum.digest, "big"), length)
    return Checksum(algorithm, int(value).to_bytes(size, "big"))
