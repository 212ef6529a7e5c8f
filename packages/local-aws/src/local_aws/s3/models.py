"""moto's S3, with objects that are stored, copied and joined without loading them into memory."""

from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from moto.s3.exceptions import (
    EntityTooSmall,
    InvalidPart,
    MalformedXML,
    MissingKey,
    NoSuchUpload,
    S3ClientError,
)
from moto.s3.models import FakeKey, FakeMultipart, S3Backend
from moto.settings import S3_UPLOAD_PART_MIN_SIZE
from moto.utilities.utils import md5_hash

from local_aws.s3 import checksums
from local_aws.s3.bodies import LARGEST
from local_aws.s3.checksums import Checksum
from local_aws.s3.storage import Content

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
_DEFAULT_ENCRYPTION: Final = "AES256"
# The requested algorithm of a copy, which moto does not pass to its backend
checksum_of_copy: ContextVar[str | None] = ContextVar("checksum_of_copy", default=None)


class LocalKey(FakeKey):
    """An object, or a part of an upload."""

    content = Content()

    def __new__(cls, *_: Any, **__: Any) -> "LocalKey":
        """Excluded from moto's list of all instances, which would keep their files."""
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        del self._value_buffer
        self.checksum_type = self.checksum_type or "FULL_OBJECT"
        self.encryption = self.encryption or _DEFAULT_ENCRYPTION
        if self.content.checksum and not self.checksum_value:
            self.set_checksum(self.content.checksum)

    @property
    def value(self) -> bytes:
        """The complete content, for moto's other services."""
        return bytes(self.content)

    @value.setter
    def value(self, value: bytes | str | Content) -> None:
        if isinstance(value, str):
            value = value.encode()
        self.content = value if isinstance(value, Content) else Content.of(value)
        self.contentsize = len(self.content)

    @property
    def etag(self) -> str:
        """The value in headers."""
        if self._etag is None:
            self._etag = self.content.hexdigest()
        return f'"{self._etag}"'

    def set_checksum(self, checksum: Checksum, kind: str = "FULL_OBJECT", parts: int = 1) -> None:
        """Set the value."""
        self.checksum_algorithm, self.checksum_value = checksum.algorithm, checksum.text
        self.checksum_type, self.checksum_parts = kind, parts

    def checksum_headers(self) -> dict[str, str]:
        """The checksum headers of GetObject and HeadObject."""
        if not self.checksum_algorithm or not self.checksum_value:
            return {}
        parts = f"-{self.checksum_parts}" if self.checksum_type == "COMPOSITE" else ""
        return {
            f"x-amz-checksum-{self.checksum_algorithm.lower()}": f"{self.checksum_value}{parts}",
            "x-amz-checksum-type": str(self.checksum_type),
        }

    def dispose(self, garbage: bool = False) -> None:
        """Release the content; its files are deleted unless shared."""
        self.content = Content()
        self.disposed = True

    def __getstate__(self) -> dict[str, Any]:
        """The state copied by lists of versions, without the content."""
        state = {"_etag": self.etag.strip('"')} if not self.disposed else {}
        return {**self.__dict__, **state, "content": Content(), "lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class Streamed:
    """An object whose value is its content, for code of moto that only passes it on."""

    def __init__(self, key: Any) -> None:
        self._key = key

    @property
    def value(self) -> Content:
        """Not in memory."""
        content: Content = self._key.content
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)


@dataclass(frozen=True)
class Completion:
    """A request to complete an upload.

    Attributes:
        parts: number, ETag, and checksums by algorithm.
        checksum: the object's checksum, by algorithm.
        size: the object's size in bytes; None if not given.
    """

    parts: list[tuple[int, str, dict[str, str]]]
    checksum: dict[str, str]
    size: int | None


class LocalMultipart(FakeMultipart):
    """An upload in parts."""

    def __new__(cls, *_: Any, **__: Any) -> "LocalMultipart":
        """Excluded like objects."""
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        stated = self.metadata.get("x-amz-checksum-algorithm")
        self.algorithm: str = (stated or checksums.DEFAULT).upper()
        self.stated = stated is not None
        checksums.check_known(self.algorithm)
        known = checksums.kinds(self.algorithm)
        self.kind: str = self.metadata.get("x-amz-checksum-type") or known[0]
        if self.kind not in known:
            raise S3ClientError(
                "InvalidRequest",
                f"The {self.kind} checksum type cannot be used with the {self.algorithm.lower()} "
                "checksum algorithm.",
            )

    def set_part(self, part_id: int, value: Any) -> FakeKey:
        """Store a part, with the upload's checksum."""
        content = value if isinstance(value, Content) else Content.of(value or b"")
        if content.checksum is None or content.checksum.algorithm != self.algorithm:
            content = Content.joined([content])
            content.checksum = checksums.of(self.algorithm, content)
        return super().set_part(part_id, content)  # type: ignore[arg-type]

    def complete(self, body: Any) -> tuple[Any, str, tuple[str, str, int]]:
        """Join the given parts.

        Args:
            body: a `Completion`.

        Returns:
            The content, its ETag, and its checksum's type, text and number of parts.
        """
        wanted: Completion = body
        found: list[LocalKey] = []
        for number, etag, stated in wanted.parts:
            part: Any = self.parts.get(number)
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise InvalidPart()
            if found and found[-1].contentsize < S3_UPLOAD_PART_MIN_SIZE:
                raise EntityTooSmall()
            if any((part.checksum_algorithm, part.checksum_value) != one for one in stated.items()):
                raise InvalidPart()
            if not stated and self.stated and self.kind == "COMPOSITE":
                raise S3ClientError(
                    "InvalidRequest",
                    f"The upload was created using a {self.algorithm.lower()} checksum. The "
                    "complete request must include the checksum for each part. It was missing for "
                    f"part {number} in the request.",
                )
            found.append(part)
        if not found:
            raise MalformedXML()
        content = Content.joined(part.content for part in found)
        if wanted.size not in (None, len(content)):
            raise S3ClientError(
                "InvalidRequest",
                f"The provided 'x-amz-mp-object-size' header value {wanted.size} does not match "
                f"what was computed: {len(content)}",
            )
        pairs = [(_checksum(part), part.contentsize) for part in found]
        total = checksums.combined(pairs, self.kind)
        for algorithm, text in wanted.checksum.items():
            if (algorithm, text.partition("-")[0]) != (total.algorithm, total.text):
                raise S3ClientError(
                    "BadDigest",
                    f"The {algorithm.lower()} you specified did not match the calculated checksum.",
                )
        digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in found)
        etag = md5_hash(digests).hexdigest()
        return content, f"{etag}-{len(found)}", (self.kind, total.text, len(found))


def _checksum(part: LocalKey) -> Checksum:
    assert part.content.checksum is not None, "set_part sees to it"
    return part.content.checksum


class LocalS3Backend(S3Backend):
    """moto's S3."""

    @property
    def _url_module(self) -> Any:  # the class in moto's S3
        return import_module("local_aws.s3.urls")

    def get_bucket_encryption(self, bucket_name: str) -> dict[str, Any]:
        """How a bucket encrypts objects: by default with S3's own keys."""
        own = super().get_bucket_encryption(bucket_name)
        default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": _DEFAULT_ENCRYPTION}}
        return own or {"Rule": default}

    def delete_object_tagging(
        self, bucket_name: str, key_name: str, version_id: str | None = None
    ) -> None:
        """Delete an object's tags.

        Raises:
            MissingKey: there is no such object.
        """
        if self.get_object(bucket_name, key_name, version_id=version_id) is None:
            raise MissingKey(key=key_name)
        super().delete_object_tagging(bucket_name, key_name, version_id=version_id)

    def upload(self, bucket_name: str, upload_id: str) -> LocalMultipart:
        """Get an upload in progress.

        Raises:
            NoSuchUpload: it does not exist or has ended.
        """
        found = self.get_bucket(bucket_name).multiparts.get(upload_id)
        if found is None:
            raise NoSuchUpload(upload_id=upload_id)
        assert isinstance(found, LocalMultipart)
        return found

    def upload_part(self, bucket_name: str, multipart_id: str, part_id: int, value: Any) -> FakeKey:
        """Store a part of an upload."""
        return self.upload(bucket_name, multipart_id).set_part(part_id, value)

    def upload_part_copy(
        self,
        dest_bucket_name: str,
        multipart_id: str,
        part_id: int,
        src_bucket_name: str,
        src_key_name: str,
        src_version_id: str | None,
        start_byte: int,
        end_byte: int,
    ) -> FakeKey:
        """Store a range of an object as a part of an upload."""
        upload = self.upload(dest_bucket_name, multipart_id)
        source: Any = self.get_object(src_bucket_name, src_key_name, version_id=src_version_id)
        content: Content = source.content
        if start_byte is not None:
            if end_byte >= len(content):
                raise S3ClientError(
                    "InvalidArgument",
                    f"Range specified is not valid for source object of size: {len(content)}",
                )
            content = content[start_byte : end_byte + 1]
        _check_source(content)
        return upload.set_part(part_id, content)

    def complete_multipart_upload(
        self, bucket_name: str, multipart_id: str, body: Any
    ) -> FakeKey | None:
        """Create an object from an upload's parts."""
        upload = self.upload(bucket_name, multipart_id)
        key = super().complete_multipart_upload(bucket_name, multipart_id, body)
        assert key is not None
        key.checksum_algorithm = upload.algorithm
        return key

    def copy_object(self, src_key: Any, *arguments: Any, **named: Any) -> None:
        """Copy an object, which shares its content."""
        _check_source(src_key.content)
        super().copy_object(Streamed(src_key), *arguments, **named)  # type: ignore[arg-type]
        bucket, name = arguments[:2]
        copy: Any = self.get_object(bucket, name)
        algorithm = checksum_of_copy.get() or src_key.checksum_algorithm or checksums.DEFAULT
        known = src_key.checksum_type == "FULL_OBJECT" and src_key.checksum_value
        if not known or src_key.checksum_algorithm != algorithm:
            copy.set_checksum(checksums.of(algorithm, src_key.content))


def _check_source(content: Content) -> None:
    if len(content) > LARGEST:
        raise S3ClientError(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy "
            f"source: {LARGEST}",
        )
