"""Error responses of refused requests, in each service's format."""

from functools import lru_cache
from typing import Any, Final

from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel, ServiceModel
from moto.core.request import Request, determine_request_protocol
from moto.core.serialize import SERIALIZERS, get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.iam import signatures


class Refusal(HTTPException):
    """The complete error response of a refused request, in its service's format."""

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        super().__init__()
        self.code = status
        self._headers, self._body = headers, body

    def get_headers(self, *_: Any, **__: Any) -> list[tuple[str, str]]:
        """The service's headers of an error."""
        return list(self._headers.items())

    def get_body(self, *_: Any, **__: Any) -> str:
        """The service's body of an error."""
        return self._body


# An error's code in each protocol
_JSON_CODES: Final = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}


def refusal(
    request: Request,
    service: str,
    error: ServiceException,
    status: int = 403,
    operation: OperationModel | None = None,
) -> Refusal:
    """The answer to a refused request.

    Args:
        request: the request.
        service: boto3's name of the service.
        error: the reason.
        status: the HTTP status, unless the error or the protocol defines one.
        operation: the requested operation, if known.
    """
    model = service_model(service)
    protocol = protocol_of(model, request)
    code = str(error.code)
    if "json" in protocol:
        code = _JSON_CODES.get(code, code)
    elif model.service_name == "s3" and code == "InvalidClientTokenId":
        code = "InvalidAccessKeyId"
    serializer = get_serializer_class(str(model.service_name), protocol)(
        operation_model=operation or OperationModel({}, model), pretty_print=False
    )
    serialized = serializer.serialize(AwsError(code, error.message))
    if isinstance(error, NotImplementedByLocalAws):
        status = 501
    elif isinstance(error, signatures.SignatureError) and protocol != "json":
        status = error.status
    elif code == "MethodNotAllowed":
        status = 405
    elif code == "NoSuchUpload":
        status = 404
    elif code in _MALFORMED or protocol == "json":
        status = 400
    return Refusal(status, dict(serialized["headers"]), str(serialized["body"]))


_MALFORMED: Final = (
    *("InvalidArgument", "InvalidURI", "MalformedXML", "MalformedPolicy"),
    *("InvalidAttributeValue", "InvalidParameter"),
    *("KMS.DisabledException", "KMS.KMSInvalidStateException", "KeyTooLongError"),
    *("KmsDisabled", "KmsInvalidState", "KMSDisabled", "KMSInvalidState"),
    "MaxMessageLengthExceeded",
    *("MalformedPolicyDocument", "ValidationError", "AccessControlListNotSupported"),
    *("InvalidBucketAclWithObjectOwnership", "InvalidBucketAclWithBlockPublicAccessError"),
)
# Errors that any service may return, although they are not in its model
CODES: Final = (
    *_JSON_CODES,
    *_JSON_CODES.values(),
    *("AuthorizationHeaderMalformed", "AuthorizationQueryParametersError"),
    *("IncompleteSignature", "InvalidAction", "InvalidToken", "MalformedQueryString"),
    *(*_MALFORMED, "MethodNotAllowed", "NoSuchUpload"),
    *("RequestEntityTooLarge", "RequestExpired", "RequestTimeTooSkewed"),
    *("ResourceNotFoundException", "SerializationException", "UnknownOperationException"),
    "XAmzContentSHA256Mismatch",
    NotImplementedByLocalAws.code,
)


def protocol_of(model: ServiceModel, request: Request) -> str:
    """The protocol of a request by its content type; by default, the service's first in moto."""
    try:
        found = determine_request_protocol(model, request.content_type)
    except NotImplementedError:  # the content type describes the caller's own body
        found = str(model.protocol)
    if found in SERIALIZERS:
        return found
    return next(str(name) for name in model.metadata["protocols"] if name in SERIALIZERS)


@lru_cache
def service_model(service: str) -> ServiceModel:
    """moto's model of a service, by boto3's name."""
    return get_service_model(service)
