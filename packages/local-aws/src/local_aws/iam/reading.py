"""Parses a request's operation and parameters, which moto then executes.

Ambiguous requests are refused.
"""

import gzip
import zlib
from functools import lru_cache
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qs, urlparse

from botocore.model import Shape
from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request
from moto.core.responses import BaseResponse
from moto.core.routing import get_service_router
from moto.utilities.utils import get_partition
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import NotFound

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.documents import read_json
from local_aws.dynamodb import checks
from local_aws.iam import requests, signatures
from local_aws.iam.errors import protocol_of, refusal, service_model
from local_aws.s3 import bodies
from local_aws.s3 import operations as s3_operations
from local_aws.validation import mistyped

UNPACKED: Final = 16 * 1024**2  # maximum bytes of a decompressed body

# An operation, and its parameters in the URL
Matched = tuple[OperationModel, dict[str, Any]]


def drop_controls(request: Request) -> None:
    """Take away the headers that control moto itself, such as x-moto-account-id."""
    for name in [name for name in request.environ if name.startswith("HTTP_X_MOTO_")]:
        del request.environ[name]


def unpack(response: BaseResponse, request: Request) -> None:
    """Decompress a body with a size limit, which moto lacks."""
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


def read(service: str, request: Request) -> Matched | None:
    """The operation of a request; None if there is none.

    Requests that moto cannot parse or would parse ambiguously are refused, such as unknown
    operations and bodies that are not JSON.
    https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
    """
    model = service_model(service)
    protocol = protocol_of(model, request)
    # kept as bytes, so that it is never parsed as a form, whatever its content type
    # (but not where it is compressed: moto unpacks it)
    plain = "json" in protocol and not request.headers.get("Content-Encoding")
    body = request.get_data() if plain else b""
    matched = None
    error: ServiceException
    try:
        if service != "s3":  # whose keys are compared later
            _refuse_parameters(request)
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
        if _is_refused(service, str(matched[0].name)):
            raise NotImplementedByLocalAws(f"{service}:{matched[0].name}")
        shape = _in_json(matched[0]) if body else None
        if shape:
            content = read_json(body)
            if fault := mistyped(content, shape) or _misplaced(content, matched[0]):
                raise AwsError("SerializationException", fault)
            _refuse_members(service, str(matched[0].name), content)
            if service == "dynamodb":
                checks.sizes(content)
    except (NotFound, NotImplementedError):  # of moto's router
        if protocol == "json":
            error = AwsError("UnknownOperationException", "There is no such operation")
        elif protocol == "query":
            error = AwsError("InvalidAction", "There is no such action")
        else:
            return None  # moto has its own URLs, and answers 404 for others
    except ServiceException as found:
        error = found
    except ValueError as found:
        error = AwsError("SerializationException", f"The body is not JSON: {found}")
    else:
        return matched
    raise refusal(request, service, error, 400, matched[0] if matched else None)


def _refuse_parameters(request: Request) -> None:
    """Refuse a path that moto reads without its end, as `/v2/apis/ID;x`.

    Raises:
        AwsError: ValidationException.

    https://datatracker.ietf.org/doc/html/rfc2396#section-3.3
    """
    if urlparse(request.raw_url).params or request.raw_path.endswith(";"):
        raise AwsError("ValidationException", "The path of the request has parameters (;)")


def _is_refused(service: str, operation: str) -> bool:
    """Whether moto's answer is no good: invented, or of YAML whose aliases take all memory; or the
    policy that it stores would have no effect."""
    if (service, operation) == ("dynamodb", "PutResourcePolicy"):
        return True
    if service == "ssm":  # of Systems Manager, parameters are real
        return "Parameter" not in operation and not operation.endswith("Resource")
    imports = ("ImportApi", "ImportRestApi", "PutRestApi", "ReimportApi")
    return service in ("apigateway", "apigatewayv2") and operation in imports


# (service, operation) → a member whose policy, key or replica would have no effect
_REFUSED: Final = {
    ("dynamodb", "CreateTable"): "ResourcePolicy",
    ("dynamodb", "UpdateTable"): "ReplicaUpdates",
    ("stepfunctions", "CreateStateMachine"): "encryptionConfiguration",
    ("stepfunctions", "UpdateStateMachine"): "encryptionConfiguration",
}


def _refuse_members(service: str, operation: str, content: Any) -> None:
    """Refuse a request with a member that would have no effect.

    Raises:
        NotImplementedByLocalAws: its name.
    """
    member = _REFUSED.get((service, operation))
    given = content.get(member) if member and isinstance(content, dict) else None
    if given and given != {"type": "AWS_OWNED_KEY"}:
        raise NotImplementedByLocalAws(f"{service}:{operation} with {member}")


def _read_document(request: Request) -> None:
    """Read the body of an S3 request that uploads no object (`LocalS3Response` detaches those).

    Raises:
        ServiceException: it is larger than any S3 document, or does not match the signature.
    """
    if "_cached_data" in request.__dict__:
        return
    if (request.content_length or 0) > UNPACKED:
        raise AwsError("MaxMessageLengthExceeded", "Your request was too large.")
    bodies.check_hash(request, request.get_data())


# Protocols with operation and parameters in a form, in the body or the query string
_OF_FORMS: Final = ("query", "ec2")


def _refuse_twofold(request: Request) -> None:
    """Refuse a form with ambiguous parts."""
    forms = [form for form in (request.args, request.form) if form]
    repeated = [name for form in forms for name, values in form.lists() if len(values) > 1]
    if len(forms) > 1:
        raise NotImplementedByLocalAws("parameters both in the query string and in the body")
    if repeated:
        raise AwsError(
            "MalformedQueryString", f"The parameter {repeated[0]} is given more than once"
        )


def _misplaced(content: Any, operation: OperationModel) -> str | None:
    """Members of the body that moto would use instead of parameters in URL or headers."""
    if not isinstance(content, dict):
        return None
    for name in sorted(_outside_body(operation.service_model.service_name, operation.name)):
        if name in content:
            return f"{name} does not belong into the body of {operation.name}"
    return None


@lru_cache(maxsize=4096)
def _outside_body(service: str, operation: str) -> frozenset[str]:
    """The names of an operation's parameters that are not in its body."""
    shape = service_model(service).operation_model(operation).input_shape
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


def pin_parameters(response: BaseResponse, service: str) -> None:
    """Make moto read parameters only where the protocol has them.

    moto would also read a JSON body or headers as a query string.
    """
    request = response.normalized_request
    protocol = protocol_of(service_model(service), request)
    if protocol in _OF_FORMS:
        return
    query = "" if protocol == "json" else request.query_string.decode()
    response.querystring = response.data = parse_qs(query, keep_blank_values=True)


def _in_json(operation: OperationModel) -> Shape | None:
    """The decoded body, if it is JSON and not an opaque payload."""
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape else None
    if shape is None or payload is None:
        return shape
    body: Shape = shape.members[payload]
    return body if body.type_name == "structure" else None


def call_of(
    response: BaseResponse,
    request: Request,
    model: ServiceModel,
    operation: OperationModel,
    in_path: dict[str, Any],
) -> requests.Call:
    """The call that a request makes, with its parameters parsed by the operation's model."""
    parser = PROTOCOL_PARSERS[protocol_of(model, request)]
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
        partition=get_partition(
            response.region
        ),  # like S3, which reads the region after its base class
        method=request.method,
        path=request.path,
    )
