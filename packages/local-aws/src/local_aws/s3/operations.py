"""Determines the S3 operation of a request, which moto's dispatcher then executes.

S3 distinguishes operations by method, presence of a key, and sub-resources in the query string
(`?policy`). moto checks the sub-resources that it knows in its own order, and runs the plain
operation (DeleteBucket, GetObject) if it finds none. So a request is refused unless its
sub-resources are those of one operation that moto implements.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any, Final
from urllib.parse import quote, unquote
from xml.parsers.expat import ExpatError

import xmltodict  # type: ignore[import-untyped]
from moto.core.model import OperationModel, StructureShape
from moto.core.request import Request
from moto.core.utils import get_service_model
from moto.s3.responses import S3Response
from werkzeug.datastructures import Headers

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.iam.policies import listed
from local_aws.validation import violations

_COPY_SOURCE: Final = "x-amz-copy-source"
_ENCRYPTION: Final = "x-amz-server-side-encryption"
_KEY: Final = "x-amz-server-side-encryption-aws-kms-key-id"
_BY_KMS: Final = ("aws:kms", "aws:kms:dsse")
_LONGEST_KEY: Final = 1024  # bytes
# moto's SelectObjectContent reads the whole object, unpacked, into memory, and understands little
# SQL; AWS has closed it to new customers. PutObjectRetention lets anyone shorten a retention.
_REFUSED: Final = frozenset({"PutObjectRetention", "SelectObjectContent"})
# moto takes the first from anyone, even if false. It ignores the others, and so would answer
# without a customer's own key, replace an object instead of adding to it, and copy or delete one
# that does not fulfil a condition.
_UNKNOWN_HEADER: Final = re.compile(
    "x-amz-(?:bypass-governance-retention$|(?:copy-source-)?server-side-encryption-customer-"
    "|write-offset-bytes$|copy-source-if-(?!none-match$)|if-match-|object-lock-event-hold)",
    re.IGNORECASE,
)
_WRITES: Final = ("CompleteMultipartUpload", "CopyObject", "PutObject")
_MOST_DELETED: Final = 1000  # objects at once
_CONDITIONS: Final = frozenset({"ETag", "LastModifiedTime", "Size"})  # of an object to be deleted
_NEVER_EMPTY: Final = "versionId"  # in addition to the parameters that identify an operation


@dataclass(frozen=True)
class CopySource:
    """The object that CopyObject and UploadPartCopy read; `version` is None for the latest."""

    bucket: str
    key: str
    version: str | None

    def __str__(self) -> str:
        """The canonical spelling."""
        version = "" if self.version is None else f"?versionId={quote(self.version, safe='')}"
        return quote(f"{self.bucket}/{self.key}") + version


def copy_source(text: str) -> CopySource:
    """Read the header x-amz-copy-source: `bucket/key` or `/bucket/key`, URL-encoded.

    Raises:
        AwsError: bucket or key is missing.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    path, asked, version = text.partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key or (asked and not version):
        raise AwsError(
            "InvalidArgument",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )
    if bucket.startswith("arn:"):
        raise NotImplementedByLocalAws("copying from an access point")
    return CopySource(bucket, key, unquote(version) if asked else None)


def check(operation: OperationModel, request: Request) -> None:
    """Refuse a request that moto might take for another operation than the one it matched.

    Raises:
        AwsError: incompatible sub-resources, or a repeated or empty parameter.
        NotImplementedByLocalAws: moto does not implement the operation.
    """
    own, told_by = _parameters(str(operation.name)), _told_by(operation)
    foreign = [name for name in request.args if name in _all_telling() - own]
    if foreign and any(name in request.args for name in told_by):
        both = ", ".join(sorted({*foreign, *told_by} & {*request.args}))
        raise AwsError("InvalidArgument", f"Conflicting query string parameters: {both}")
    if foreign:
        raise AwsError(
            "MethodNotAllowed",
            "The specified method is not allowed against this resource: "
            f"{request.method} with the query string parameter {foreign[0]}",
        )
    if not _implemented(str(operation.name)):
        raise NotImplementedByLocalAws(f"s3:{operation.name}")
    for name in own & {*request.args}:
        given = request.args.getlist(name)
        needed = name == _NEVER_EMPTY or name in _required(operation)
        if len(given) > 1 or (needed and not given[0]):
            raise AwsError("InvalidArgument", f"The parameter {name} must be given once, not empty")
    if b"#" in request.query_string:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.")
    for name, _ in request.headers:
        if _UNKNOWN_HEADER.match(name):
            raise NotImplementedByLocalAws(f"the header {name.lower()}")
    unless = request.headers.get("If-None-Match")
    if operation.name in _WRITES and unless not in (None, "*"):  # which moto would ignore
        raise NotImplementedByLocalAws(f"If-None-Match with {unless}, but * only")
    _check_encryption(request)
    if source := request.headers.get(_COPY_SOURCE):
        if _COPY_SOURCE not in _headers(operation):
            raise AwsError("InvalidArgument", f"{operation.name} takes no header {_COPY_SOURCE}")
        copy_source(source)


def _check_encryption(request: Request) -> None:
    algorithm = request.headers.get(_ENCRYPTION)
    if algorithm is not None and algorithm not in (*_BY_KMS, "AES256"):
        raise AwsError(
            "InvalidEncryptionAlgorithmError",
            "The encryption request you specified is not valid. The valid values are AES256, "
            f"{' and '.join(_BY_KMS)}.",
        )
    if _KEY in request.headers and algorithm not in _BY_KMS:
        raise AwsError(
            "InvalidArgument",
            "Server Side Encryption with AWS KMS managed key requires HTTP header "
            f"{_ENCRYPTION} : aws:kms",
        )


def check_key(params: Mapping[str, Any]) -> None:
    """Refuse a key that is longer than any object's.

    Raises:
        AwsError: KeyTooLongError.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
    """
    if len(str(params.get("Key", "")).encode()) > _LONGEST_KEY:
        raise AwsError("KeyTooLongError", "Your key is too long")


def pin_copy_source(response: S3Response, request: Request) -> None:
    """Rewrite a copy's source to the canonical spelling, after the signature was verified.

    Args:
        response: moto's response object with the headers.
        request: the request for the authorization.
    """
    if source := request.headers.get(_COPY_SOURCE):
        pinned = str(copy_source(source))
        request.environ["HTTP_X_AMZ_COPY_SOURCE"] = pinned
        response.headers = Headers(list(response.headers.items()))
        response.headers[_COPY_SOURCE] = pinned


def check_body(operation: OperationModel, params: Mapping[str, Any], body: bytes) -> None:
    """Refuse an XML body that is incomplete, or that moto would parse differently.

    Raises:
        AwsError: MalformedXML.
    """
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape else None
    if shape is None or payload is None or shape.members[payload].type_name != "structure":
        return
    missing = payload in shape.required_members and not params.get(payload)
    if missing or violations(params.get(payload, {}), shape.members[payload]):
        raise malformed()
    if operation.name == "DeleteObjects":
        if len(params["Delete"]["Objects"]) > _MOST_DELETED:
            raise malformed()
        if any(_CONDITIONS & one.keys() for one in params["Delete"]["Objects"]):
            raise NotImplementedByLocalAws("s3:DeleteObjects with conditions (ETag and others)")
        judged = [(one["Key"], one.get("VersionId")) for one in params["Delete"]["Objects"]]
        if judged != _to_delete(body):
            raise malformed()


def _to_delete(body: bytes) -> list[tuple[Any, Any]] | None:
    """The objects as parsed by moto."""
    try:
        found = xmltodict.parse(body, strip_whitespace=False)["Delete"]["Object"]
        return [(one["Key"], one.get("VersionId")) for one in listed(found)]
    except (ExpatError, KeyError, TypeError, ValueError, AttributeError):
        return None


def malformed() -> AwsError:
    """S3's error for a body that is not valid XML for the operation."""
    return AwsError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )


def _required(operation: OperationModel) -> list[str]:
    shape = operation.input_shape
    return list(shape.required_query_args) if isinstance(shape, StructureShape) else []


def _headers(operation: OperationModel) -> list[str]:
    shape = operation.input_shape
    return list(shape.required_headers) if isinstance(shape, StructureShape) else []


def _told_by(operation: OperationModel) -> list[str]:
    """The query parameters that identify an operation."""
    return [*operation.http_trait.query_args, *_required(operation)]


@lru_cache(maxsize=1)
def _all_telling() -> frozenset[str]:
    model = get_service_model("s3")
    return frozenset(
        name for one in model.operation_names for name in _told_by(model.operation_model(one))
    )


@lru_cache(maxsize=256)
def _parameters(name: str) -> frozenset[str]:
    """All query parameters of an operation."""
    operation = get_service_model("s3").operation_model(name)
    members = operation.input_shape.members.values() if operation.input_shape else ()
    return frozenset(_told_by(operation)) | {
        member.serialization["name"]
        for member in members
        if member.serialization.get("location") == "querystring"
    }


@lru_cache(maxsize=256)
def _implemented(name: str) -> bool:
    """Whether moto's dispatcher has a constant that identifies an operation."""
    operation = get_service_model("s3").operation_model(name)
    if (
        name in _REFUSED or operation.input_shape is None
    ):  # moto's own additions to botocore's model
        return False
    telling = operation.http_trait.query_args or _required(operation) or _headers(operation)
    if not telling:
        return True
    level = "key" if "{Key" in operation.http_trait.path else "bucket"
    method = operation.http_trait.method.lower()
    dispatcher = getattr(S3Response, f"_{level}_response_{method}", None)
    if dispatcher is None:
        return False
    known = {*_constants(dispatcher.__code__)}
    if dispatcher is S3Response._bucket_response_post:
        known |= {*_constants(S3Response.is_delete_keys.__code__)}
    return not known.isdisjoint(telling)


def _constants(code: CodeType) -> list[str]:
    return [constant for constant in code.co_consts if isinstance(constant, str)]
