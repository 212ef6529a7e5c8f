"""S3's API: moto's, with streamed bodies and responses."""

import threading
from io import BytesIO
from typing import Any, Final
from xml.parsers.expat import ExpatError

import xmltodict  # type: ignore[import-untyped]
from moto.core.common_types import TYPE_RESPONSE
from moto.core.exceptions import ServiceException
from moto.core.request import Request
from moto.core.responses import ActionResult
from moto.s3.exceptions import (
    InvalidPartOrder,
    MalformedXML,
    MissingKey,
    PreconditionFailed,
    S3ClientError,
)
from moto.s3.models import FakeKey
from moto.s3.responses import S3Response
from werkzeug.datastructures import Headers

from local_aws.api import NotImplementedByLocalAws
from local_aws.iam.errors import refusal
from local_aws.s3 import bodies, checksums, notifications
from local_aws.s3.models import (
    Completion,
    LocalMultipart,
    LocalS3Backend,
    Streamed,
    checksum_of_copy,
)
from local_aws.s3.storage import Content

# Sub-resources of a PUT of a key whose body is not an object
_BESIDE: Final = frozenset({"acl", "legal-hold", "retention", "tagging"})
_COPIES: Final = "x-amz-copy-source"
_writing = threading.RLock()


class LocalS3Response(S3Response):
    """Answers S3's operations as moto does."""

    def __init__(self) -> None:
        super().__init__()
        self._stream: Any = None  # the content of an uploaded object
        self._checksum: dict[str, str] = {}  # the headers of the response

    def key_response(self, request: Any, full_url: str, headers: Any) -> TYPE_RESPONSE:
        """Answer a request for an object; an upload is read after its authorization."""
        named = _BESIDE.isdisjoint(request.args) and _COPIES not in request.headers
        if request.method == "PUT" and named:
            self._stream = bodies.detached(request)
        if bodies.lacks_length(request):  # moto does not answer it
            error = S3ClientError(
                "MissingContentLength", "You must provide the Content-Length HTTP header."
            )
            raise refusal(request, "s3", error, 411)
        return self._answered(request, super().key_response, full_url, headers)

    def bucket_response(self, request: Any, full_url: str, headers: Any) -> TYPE_RESPONSE:
        """Answer a request for a bucket."""
        return self._answered(request, super().bucket_response, full_url, headers)

    def _answered(self, request: Request, answer: Any, *arguments: Any) -> TYPE_RESPONSE:
        try:
            status, headers, body = answer(request, *arguments)
        except ServiceException as error:  # moto does not handle this exception
            raise refusal(request, "s3", error, 400) from None
        except ExpatError:
            raise refusal(request, "s3", MalformedXML(), 400) from None
        if isinstance(body, Content) and not request.from_wsgi_server:
            body = bytes(body)  # moto's `mock_aws` answers no other
        return status, headers, body

    def _key_response(self, request: Any, full_url: str) -> TYPE_RESPONSE:
        self._receive(request)
        return super()._key_response(request, full_url)

    def _bucket_response(self, request: Any, full_url: str) -> str | TYPE_RESPONSE:
        self._receive(request)
        return super()._bucket_response(request, full_url)

    def _receive(self, request: Request) -> None:
        """Verify the body, and store an object's content."""
        if self._stream is None and not self.raw_body:
            bodies.check_none(request)
            return
        if self._stream is None:
            if request.headers.get("X-Amz-Content-Sha256", "").startswith("STREAMING-"):
                raise NotImplementedByLocalAws("bodies in chunks of what uploads no object")
            # a checksum of a completion is that of the object
            of_body = "uploadId" not in request.args
            bodies.received(request, BytesIO(self.raw_body), of_body=of_body)
            return
        default = checksums.DEFAULT
        upload = self._upload()
        if upload is not None:
            stated = bodies.stated_algorithm(request)
            if upload.stated and stated not in (None, upload.algorithm):
                raise S3ClientError(
                    "InvalidRequest",
                    "Checksum Type mismatch occurred, expected checksum Type: "
                    f"{upload.algorithm.lower()}, actual checksum Type: {str(stated).lower()}",
                )
            default = upload.algorithm
        self.body = bodies.received(request, self._stream, default)

    def _upload(self) -> LocalMultipart | None:
        """The upload of a request's part."""
        upload_id = self.querystring.get("uploadId")
        if not upload_id:
            return None
        backend = self.backend
        assert isinstance(backend, LocalS3Backend)
        return backend.upload(self.bucket_name, upload_id[0])

    def _handle_encoded_body(self, body: Any) -> Any:
        return body  # which `_receive` decodes

    def _handle_v4_chunk_signatures(self, body: Any, content_length: int) -> Any:
        return body

    def _get_checksum(self, response_headers: dict[str, Any]) -> tuple[str, str | None]:
        content = self.body
        if not isinstance(content, Content) or content.checksum is None:
            return "", None
        found = content.checksum
        response_headers[f"x-amz-checksum-{found.algorithm.lower()}"] = found.text
        return found.algorithm, found.text

    def put_object(self) -> TYPE_RESPONSE:
        """Return the verified checksum too; others write before the condition is checked or after.

        A condition is that an object exists, or does not (If-Match, If-None-Match).
        """
        with _writing:
            status, headers, body = super().put_object()
        headers["x-amz-checksum-type"] = "FULL_OBJECT"
        return status, headers, body

    def delete_object(self) -> TYPE_RESPONSE:
        """Delete an object, in turn with those who write it."""
        with _writing:
            return super().delete_object()

    def _key_response_post(
        self, request: Any, body: bytes, bucket_name: str, query: dict[str, Any], key_name: str
    ) -> TYPE_RESPONSE:
        """Complete an upload in turn with others who write, under PutObject's conditions.

        moto knows If-None-Match of these only.
        """
        if "uploadId" not in query:
            return super()._key_response_post(request, body, bucket_name, query, key_name)
        with _writing:
            self._check_match(bucket_name, key_name)
            return super()._key_response_post(request, body, bucket_name, query, key_name)

    def _check_match(self, bucket: str, name: str) -> None:
        """Check the If-Match of a completion or a copy.

        Raises:
            MissingKey, PreconditionFailed: there is no object, or one with another ETag.
        """
        wanted = self.headers.get("If-Match")
        if wanted is None:
            return
        found = self.backend.get_object(bucket, name)
        if found is None:
            raise MissingKey(key=name)
        if found.etag.strip('"') != wanted.strip('"'):
            raise PreconditionFailed("If-Match")

    def _notification_config_from_body(self) -> dict[str, Any]:
        found: dict[str, Any] = super()._notification_config_from_body()
        if self.headers.get("x-amz-skip-destination-validation", "").lower() != "true":
            notifications.check(f"arn:{self.partition}:s3:::{self.bucket_name}", found)
        return found

    def _get_key(self, validate_storage_class: bool = True) -> tuple[FakeKey, bool]:
        key, not_modified = super()._get_key(validate_storage_class)
        streamed: Any = Streamed(key)
        return streamed, not_modified

    def head_object(
        self, bucket_name: str, query: dict[str, Any], key_name: str, headers: Any
    ) -> TYPE_RESPONSE:
        """Return the checksum as GetObject does."""
        status, answered, body = super().head_object(bucket_name, query, key_name, headers)
        if status == 200 and headers.get("x-amz-checksum-mode") == "ENABLED":
            version = query.get("versionId", [None])[0]
            key: Any = self.backend.get_object(bucket_name, key_name, version_id=version)
            answered.update(key.checksum_headers())
        return status, answered, body

    def copy_object(self) -> TYPE_RESPONSE:
        """Copy an object in turn with others who write, under PutObject's conditions."""
        with _writing:
            name = self.parse_key_name()
            self._check_match(self.bucket_name, name)
            if self.headers.get("If-None-Match") == "*" and (
                self.backend.get_object(self.bucket_name, name) is not None
            ):
                raise PreconditionFailed("If-None-Match")
            return self._copy()

    def _copy(self) -> TYPE_RESPONSE:
        """Compute the requested checksum while the object is copied.

        moto would read the whole copy into memory for it.
        """
        algorithm = self.headers.get("x-amz-checksum-algorithm")
        if not algorithm:
            return super().copy_object()
        checksums.check_known(algorithm.upper())
        self.headers = Headers(list(self.headers.items()))
        self.headers.remove("x-amz-checksum-algorithm")
        token = checksum_of_copy.set(algorithm.upper())
        try:
            return super().copy_object()
        finally:
            checksum_of_copy.reset(token)

    def _complete_multipart_body(self, body: bytes) -> Any:
        """Parse a completion for `LocalMultipart.complete`."""
        parts: list[tuple[int, str, dict[str, str]]] = []
        for fields in _parts(body):
            number, etag = fields.get("PartNumber") or "", fields.get("ETag")
            if not number.isdecimal() or not etag:
                raise MalformedXML()
            if parts and int(number) <= parts[-1][0]:
                raise InvalidPartOrder()
            stated = {
                algorithm: str(fields[f"Checksum{algorithm}"])
                for algorithm in checksums.ALGORITHMS
                if f"Checksum{algorithm}" in fields
            }
            parts.append((int(number), etag, stated))
        size = self.headers.get("x-amz-mp-object-size", "")
        checksum = {
            algorithm: self.headers[f"x-amz-checksum-{algorithm.lower()}"]
            for algorithm in checksums.ALGORITHMS
            if f"x-amz-checksum-{algorithm.lower()}" in self.headers
        }
        return Completion(parts, checksum, int(size) if size.isdecimal() else None)

    def serialized(self, action_result: ActionResult) -> TYPE_RESPONSE:
        """Return the checksum of a completed upload, which moto omits."""
        result = action_result.result
        if self._get_action() == "CompleteMultipartUpload" and isinstance(result, dict):
            key: Any = self.backend.get_object(result["Bucket"], result["Key"])
            for name, text in key.checksum_headers().items():
                short = name.removeprefix("x-amz-checksum-")
                result[f"Checksum{short.title() if short == 'type' else short.upper()}"] = text
        return super().serialized(action_result)


def _parts(body: bytes) -> list[dict[str, str | None]]:
    """The parts of a completion."""
    try:
        found = xmltodict.parse(body, force_list=("Part",))["CompleteMultipartUpload"]["Part"]
    except (ExpatError, KeyError, TypeError, ValueError):
        raise MalformedXML() from None
    if not all(isinstance(part, dict) for part in found):
        raise MalformedXML()
    parts: list[dict[str, str | None]] = found
    return parts
