"""The door through which every request passes, in the server and under `mock_aws` alike."""

import gzip
import re
import zlib
from collections.abc import Callable
from functools import lru_cache, wraps
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qs

from botocore.model import Shape
from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request, determine_request_protocol
from moto.core.responses import BaseResponse
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response
from moto.utilities.utils import get_partition
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException, NotFound

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.clients import OWNER, Credentials
from local_aws.documents import read_json
from local_aws.iam import access, requests, signatures
from local_aws.s3 import bodies, bucket_policy, public_access
from local_aws.s3 import operations as s3_operations
from local_aws.sts.models import AccessDenied, find_session
from local_aws.validation import mistyped

# The policies of what these services hold bind the account's administrator, too.
_BIND_ADMINISTRATORS: Final = frozenset({"s3", "sts"})
# What anybody may call who can sign, whatever the policies say.
_FREE: Final = frozenset({"sts:GetCallerIdentity"})

UNPACKED: Final = 16 * 1024**2  # bytes that a compressed body may have once it is unpacked

# An operation, and the parameters that its address holds
_Matched = tuple[OperationModel, dict[str, Any]]


class Refusal(HTTPException):
    """A refused request's whole answer, in the form that its service gives errors."""

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


def checked(setup: Callable[..., None], but: tuple[type, ...] = ()) -> Callable[..., None]:
    """moto's reading of a request, once it can be read, and the check of who may make it.

    The operation and the parameters that are judged are those that moto then executes.

    Args:
        setup: `setup_class` of `BaseResponse`, or of a subclass that goes on reading after it.
        but: those subclasses, which have a check of their own.
    """

    @wraps(setup)
    def setup_class(
        response: BaseResponse, request: Request, *arguments: Any, **named: Any
    ) -> None:
        service = response.boto3_service_name
        if isinstance(response, but) or not service:  # or one of moto's own addresses
            setup(response, request, *arguments, **named)
            return
        _drop_controls(request)
        matched = _read(service, request)
        response.judged = matched  # type: ignore[attr-defined]
        setup(response, request, *arguments, **named)
        _pin_parameters(response, service)
        _check(response, service, matched)

    return setup_class


def judged(get_action: Callable[[BaseResponse], str]) -> Callable[[BaseResponse], str]:
    """moto's `_get_action`, which answers the operation that was judged, whatever else is asked."""

    @wraps(get_action)
    def _get_action(response: BaseResponse) -> str:
        matched: _Matched | None = getattr(response, "judged", None)
        if matched is None:
            return get_action(response)
        response.uri_match = matched[1]
        return str(matched[0].name)

    return _get_action


def _drop_controls(request: Request) -> None:
    """Take away the headers that control moto itself, such as x-moto-account-id."""
    for name in [name for name in request.environ if name.startswith("HTTP_X_MOTO_")]:
        del request.environ[name]


def unpack(response: BaseResponse, request: Request) -> None:
    """Unpack a compressed body, of which moto would unpack any amount."""
    if request.content_encoding != "gzip" or not response.allow_request_decompression:
        return
    try:
        with gzip.GzipFile(fileobj=request.stream) as packed:
            body = packed.read(UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as damage:
        error = AwsError("SerializationException", f"The body is not gzip: {damage}")
    else:
        if len(body) <= UNPACKED:
            request.stream = BytesIO(body)
            request.get_data(parse_form_data=True)
            return
        words = f"The body is larger than {UNPACKED} bytes once it is unpacked"
        error = AwsError("RequestEntityTooLarge", words)
    raise refusal(request, response.boto3_service_name, error, 400)


def _read_document(request: Request) -> None:
    """Read the body of an S3 request that uploads no object (`LocalS3Response` detaches those).

    Raises:
        ServiceException: it is larger than any document of S3's, or not the one that was signed.
    """
    if "_cached_data" in request.__dict__:
        return
    if (request.content_length or 0) > UNPACKED:
        raise AwsError("MaxMessageLengthExceeded", "Your request was too large.")
    bodies.check_hash(request, request.get_data())


def _read(service: str, request: Request) -> _Matched | None:
    """The operation that a request asks for; None if it is none.

    What moto would fail to read, or read in two ways, is refused, as an unknown operation and a
    body that is no JSON.
    https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
    """
    model = _model(service)
    protocol = _protocol(model, request)
    # kept from here on, so that nobody takes it for a form, whatever it calls itself
    # (but not where it is compressed: moto unpacks it)
    plain = "json" in protocol and not request.headers.get("Content-Encoding")
    body = request.get_data() if plain else b""
    matched = None
    error: ServiceException
    try:
        if signatures.read(request, str(model.signing_name)) and service != "s3":
            signatures.keep_body(request)
        if protocol in _OF_FORMS:
            _refuse_twofold(request)
        else:
            if service == "s3":
                _read_document(request)
            vars(request).update(form=ImmutableMultiDict(), files=ImmutableMultiDict())
        matched = get_service_router(service).match(request)
        if service == "s3":
            s3_operations.check(matched[0], request)
        shape = _in_json(matched[0]) if body else None
        if shape:
            content = read_json(body)
            if fault := mistyped(content, shape) or _misplaced(content, matched[0]):
                raise AwsError("SerializationException", fault)
    except (NotFound, NotImplementedError):
        if protocol == "json":
            error = AwsError("UnknownOperationException", "There is no such operation")
        elif protocol == "query":
            error = AwsError("InvalidAction", "There is no such action")
        else:
            return None  # moto has addresses of its own, and 404 for what is none
    except ServiceException as found:
        error = found
    except ValueError as found:
        error = AwsError("SerializationException", f"The body is not JSON: {found}")
    else:
        return matched
    raise _answer(request, model, matched[0] if matched else None, error, 400)


# Protocols whose operation and parameters are a form's, in the body or in the query string
_OF_FORMS: Final = ("query", "ec2")


def _refuse_twofold(request: Request) -> None:
    """Refuse a form of which one reader might take one part, and another reader the other."""
    forms = [form for form in (request.args, request.form) if form]
    repeated = [name for form in forms for name, values in form.lists() if len(values) > 1]
    if len(forms) > 1:
        raise NotImplementedByLocalAws("parameters both in the query string and in the body")
    if repeated:
        raise AwsError(
            "MalformedQueryString", f"The parameter {repeated[0]} is given more than once"
        )


def _misplaced(content: Any, operation: OperationModel) -> str | None:
    """What of a body moto would read in place of a parameter from the address or the headers."""
    if not isinstance(content, dict):
        return None
    for name in sorted(_outside_body(operation.service_model.service_name, operation.name)):
        if name in content:
            return f"{name} does not belong into the body of {operation.name}"
    return None


@lru_cache(maxsize=4096)
def _outside_body(service: str, operation: str) -> frozenset[str]:
    """The names of an operation's parameters that do not stand in its body."""
    shape = _model(service).operation_model(operation).input_shape
    if shape is None:
        return frozenset()
    placed = {
        place: {
            name
            for key, member in shape.members.items()
            if (member.serialization.get("location") is not None) == (place == "outside")
            for name in (key, member.serialization.get("name", key))
        }
        for place in ("outside", "body")
    }
    return frozenset(placed["outside"] - placed["body"])


def _pin_parameters(response: BaseResponse, service: str) -> None:
    """Let moto read parameters where the protocol has them, and nowhere else.

    moto would also take a JSON body, or the headers, for a query string.
    """
    request = response.normalized_request
    protocol = _protocol(_model(service), request)
    if protocol in _OF_FORMS:
        return
    query = "" if protocol == "json" else request.query_string.decode()
    response.querystring = response.data = parse_qs(query, keep_blank_values=True)


def _in_json(operation: OperationModel) -> Shape | None:
    """What the body holds, if it is JSON and not the caller's own, in whatever form."""
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape else None
    if shape is None or payload is None:
        return shape
    body: Shape = shape.members[payload]
    return body if body.type_name == "structure" else None


def _check(response: BaseResponse, service: str, matched: _Matched | None) -> None:
    request, model = response.normalized_request, _model(service)
    operation = matched[0] if matched else None
    try:
        caller = _caller(response, service, operation)
        if isinstance(response, S3Response):
            s3_operations.pin_copy_source(response, request)
        if (
            caller.policies is None
            and service not in _BIND_ADMINISTRATORS
            and (matched is None or not _names_another(request))
        ):
            return
        if matched is None:
            if caller is access.ANONYMOUS:
                raise _unsigned()
            if service == "s3":
                raise AwsError(
                    "MethodNotAllowed",
                    "The specified method is not allowed against this resource: "
                    f"{request.method} {request.path}",
                )
            raise NotImplementedByLocalAws(
                f"{request.method} {request.path} of {service} with a role's credentials"
            )
        call = _call(response, request, model, *matched)
        if isinstance(response, S3Response):
            _same_object(response, call)
            s3_operations.check_body(matched[0], call.params, response.body)
        else:
            _refuse_of_another_region(call, matched[0])
        bound = caller.policies is not None or service in _BIND_ADMINISTRATORS
        if bound or requests.known(call):
            _admit(caller, call)
    except RequestParserError:
        raise _answer(request, model, operation, s3_operations.malformed()) from None
    except ServiceException as error:
        raise _answer(request, model, operation, error) from None


# What may name something of another account or region, as it stands in an address
_FULL_NAME: Final = re.compile(r"arn(?:%3A|:)|\d(?:%3A|:)", re.IGNORECASE)


def _names_another(request: Request) -> bool:
    """Whether a request may name something by more than its name."""
    return (
        b"arn:" in request.data
        or any("arn:" in value for value in request.form.values())
        or _FULL_NAME.search(f"{request.raw_path}?{request.query_string.decode()}") is not None
    )


def _refuse_of_another_region(call: requests.Call, operation: OperationModel) -> None:
    """Refuse what belongs to another region: it is not the one of the same name here.

    Raises:
        AwsError: as the service says that it finds nothing.
    """
    for arn in requests.touched(call):
        region = arn.split(":", 5)[3] if arn != "*" else ""
        if region in ("", call.region):
            continue
        if call.service == "lambda":
            why = f"Functions from '{region}' are not reachable in this region ('{call.region}')"
        else:
            why = f"{arn} is not in this region ('{call.region}')"
        shapes: Any = operation.error_shapes
        codes = [str(shape.error_code or shape.name) for shape in shapes]
        absent = [code for code in codes if re.search("NotFound|NoSuch|DoesNotExist", code)]
        usual = "ResourceNotFoundException"
        raise AwsError(usual if usual in absent or not absent else absent[0], why)


def _same_object(response: S3Response, call: requests.Call) -> None:
    """Refuse an address that moto splits into another bucket and key than its router."""
    judged_place = (call.params.get("Bucket"), call.params.get("Key", ""))
    executed = (response.bucket_name or None, response.parse_key_name())
    if judged_place != executed:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.")


def _caller(
    response: BaseResponse, service: str, operation: OperationModel | None
) -> access.Caller:
    request = response.normalized_request
    signed = signatures.read(request, str(_model(service).signing_name))
    if signed is not None:
        bare = operation is not None and (
            operation.auth_type == "v4-unsigned-body" or bool(operation.unsigned_payload)
        )
        return caller_of(signed, request, response.current_account, response.region, unsigned=bare)
    if operation is not None and operation.auth_type == "none":
        return access.administrator(response.current_account, response.region)
    if service == "s3":  # which alone has doors for everybody
        return access.ANONYMOUS
    raise _unsigned()


def _unsigned() -> AwsError:
    return AwsError("MissingAuthenticationToken", "Missing Authentication Token")


def _admit(caller: access.Caller, call: requests.Call) -> None:
    """Let a call through, or raise why not."""
    if f"{call.prefix}:{call.operation}" in _FREE or _of_no_bucket(call):
        return
    if call.params.get("PolicyArns"):
        raise NotImplementedByLocalAws(f"the PolicyArns of {call.prefix}:{call.operation}")
    for need in requests.needed(call):
        why = access.refusal(caller, need)
        if why:
            raise AccessDenied(why + requests.advice(call))
    if call.service == "s3":
        _admit_to_open(caller, call)
        if call.operation in ("GetObject", "HeadObject"):
            _admit_to_know(caller, call)


def _admit_to_open(caller: access.Caller, call: requests.Call) -> None:
    """S3 lets nobody open to the public what its owner keeps closed, nor break its policy."""
    bucket = s3_backends[call.account][call.partition].buckets.get(call.params.get("Bucket", ""))
    why = public_access.refused_acl(bucket, call.operation, call.params)
    if bucket is not None and call.operation == "PutBucketPolicy":
        bucket_policy.check(call.params["Policy"], bucket.name)
        why = public_access.refused_policy(bucket, read_json(call.params["Policy"]))
    if why:
        need = requests.needed(call)[0]
        raise AccessDenied(
            f"User: {caller.arn} is not authorized to perform: {need.action} on resource: "
            f'"{need.resource}" {why}'
        )


def _of_no_bucket(call: requests.Call) -> bool:
    """S3 tells everybody that there is no bucket of a name."""
    name = call.params.get("Bucket") if call.service == "s3" else None
    existing = s3_backends[call.account][call.partition].buckets
    return name is not None and name not in existing and call.operation != "CreateBucket"


def _admit_to_know(caller: access.Caller, call: requests.Call) -> None:
    """S3 says that an object is missing to those alone who may list its bucket."""
    bucket = s3_backends[call.account][call.partition].buckets.get(call.params["Bucket"])
    if bucket is None or call.params["Key"] in bucket.keys:
        return
    need = requests.to_list(call)
    why = access.refusal(caller, need)
    if why:
        raise AccessDenied(why)


def _call(
    response: BaseResponse,
    request: Request,
    model: ServiceModel,
    operation: OperationModel,
    in_path: dict[str, Any],
) -> requests.Call:
    parser = PROTOCOL_PARSERS[_protocol(model, request)]
    params = parser(operation).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": in_path,
        }
    )
    return requests.Call(
        service=str(model.signing_name),
        operation=str(operation.name),
        params=params,
        account=response.current_account,
        region=response.region,
        partition=get_partition(response.region),  # as S3 reads the region, after its base class
        method=request.method,
        path=request.path,
    )


def caller_of(
    signed: signatures.Signed,
    request: Request,
    account: str,
    region: str,
    *,
    unsigned: bool = False,
) -> access.Caller:
    """Who signed a request: a role's session, a user, or else the administrator.

    Args:
        signed: how it is signed.
        request: what is signed.
        account: where the access key is looked for.
        region: where.
        unsigned: whether the operation's body need not be signed.

    Raises:
        AwsError: the key was good once, or would be if it were active; or the signature is not
            the request's.
    """
    key = signed.access_key
    session = find_session(key, account, region)
    credentials = OWNER if key == OWNER.access_key_id else None
    if session is not None:
        role = session.role
        if role is None:
            raise _invalid()
        signed.check(request, session.credentials, unsigned=unsigned)
        if not session.lasts():
            raise AwsError("ExpiredToken", "The security token included in the request is expired")
        return access.role_session(session, role)
    backend: Any = iam_backends[account]["aws"]
    issued = backend.access_keys.get(key)
    if key in backend.deleted_keys or (issued is not None and issued.status != "Active"):
        raise _invalid()
    if issued is not None:
        credentials = Credentials(key, issued.secret_access_key)
    signed.check(request, credentials, unsigned=unsigned)
    if issued is not None and issued.user_name:
        return access.user(issued.user_name, account, region)
    return access.administrator(account, region)


def _invalid() -> AwsError:
    return AwsError(
        "InvalidClientTokenId", "The security token included in the request is invalid."
    )


# An error's code as each kind of protocol spells it
_JSON_CODES: Final = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}


def refusal(request: Request, service: str, error: ServiceException, status: int) -> Refusal:
    """The answer to a request that is refused for other reasons than who makes it."""
    return _answer(request, _model(service), None, error, status)


def _answer(
    request: Request,
    model: ServiceModel,
    operation: OperationModel | None,
    error: ServiceException,
    status: int = 403,
) -> Refusal:
    protocol = _protocol(model, request)
    code = str(error.code)
    if "json" in protocol:
        code = _JSON_CODES.get(code, code)
    elif model.service_name == "s3" and code == "InvalidClientTokenId":
        code = "InvalidAccessKeyId"
    serializer = get_serializer_class(str(model.service_name), protocol)(
        operation_model=operation or OperationModel({}, model), pretty_print=False
    )
    answer = serializer.serialize(AwsError(code, error.message))
    if isinstance(error, NotImplementedByLocalAws):
        status = 501
    elif isinstance(error, signatures.SignatureError) and protocol != "json":
        status = error.status
    elif code == "MethodNotAllowed":
        status = 405
    elif code in _MALFORMED or protocol == "json":
        status = 400
    return Refusal(status, dict(answer["headers"]), str(answer["body"]))


_MALFORMED: Final = (
    *("InvalidArgument", "InvalidURI", "MalformedXML", "MalformedPolicy"),
    "MaxMessageLengthExceeded",
    *("MalformedPolicyDocument", "ValidationError", "AccessControlListNotSupported"),
    *("InvalidBucketAclWithObjectOwnership", "InvalidBucketAclWithBlockPublicAccessError"),
)
# Errors that any service may answer, though its model has none of them
CODES: Final = (
    *_JSON_CODES,
    *_JSON_CODES.values(),
    *("AuthorizationHeaderMalformed", "AuthorizationQueryParametersError"),
    *("IncompleteSignature", "InvalidAction", "InvalidToken", "MalformedQueryString"),
    *(*_MALFORMED, "MethodNotAllowed"),
    *("RequestEntityTooLarge", "RequestExpired", "RequestTimeTooSkewed"),
    *("ResourceNotFoundException", "SerializationException", "UnknownOperationException"),
    "XAmzContentSHA256Mismatch",
    NotImplementedByLocalAws.code,
)


def _protocol(model: ServiceModel, request: Request) -> str:
    try:
        return determine_request_protocol(model, request.content_type)
    except NotImplementedError:  # the content type is that of the caller's own body
        return str(model.protocol)


@lru_cache
def _model(service: str) -> ServiceModel:
    return get_service_model(service)
