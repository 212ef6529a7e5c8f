"""Authorization middleware for all requests, in the server and under `mock_aws`.

A request is parsed once (`reading`), its principal is found (`authentication`), policies decide,
and exactly the authorized operation is executed.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, Final

from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel
from moto.core.parse import RequestParserError
from moto.core.request import Request
from moto.core.responses import BaseResponse
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.documents import read_json
from local_aws.iam import access, keys, requests, resource_policies
from local_aws.iam.authentication import caller_of_request, unsigned
from local_aws.iam.errors import refusal, service_model
from local_aws.iam.policies import Policy
from local_aws.iam.reading import Matched, call_of, drop_controls, pin_parameters, read
from local_aws.s3 import bucket_policy, public_access
from local_aws.s3 import operations as s3_operations
from local_aws.sts.models import AccessDenied

# Resource policies of these services also apply to the account's administrator.
_BIND_ADMINISTRATORS: Final = frozenset({"s3", "sts"})
# Operations that every caller may use, regardless of policies.
_FREE: Final = frozenset({"sts:GetCallerIdentity"})


def checked(setup: Callable[..., None], but: tuple[type, ...] = ()) -> Callable[..., None]:
    """Wrap moto's parsing of a request with validation and authorization.

    The authorized operation and parameters are those that moto then executes.

    Args:
        setup: `setup_class` of `BaseResponse`, or of a subclass that continues parsing after it.
        but: those subclasses, which have their own check.
    """

    @wraps(setup)
    def setup_class(
        response: BaseResponse, request: Request, *arguments: Any, **named: Any
    ) -> None:
        service = response.boto3_service_name
        if isinstance(response, but) or not service:  # or one of moto's own URLs
            setup(response, request, *arguments, **named)
            return
        drop_controls(request)
        matched = read(service, request)
        response.judged = matched  # type: ignore[attr-defined]
        setup(response, request, *arguments, **named)
        pin_parameters(response, service)
        _check(response, service, matched)

    return setup_class


def judged(get_action: Callable[[BaseResponse], str]) -> Callable[[BaseResponse], str]:
    """A replacement of moto's `_get_action` that returns the authorized operation."""

    @wraps(get_action)
    def _get_action(response: BaseResponse) -> str:
        matched: Matched | None = getattr(response, "judged", None)
        if matched is None:
            return get_action(response)
        response.uri_match = matched[1]
        return str(matched[0].name)

    return _get_action


def _check(response: BaseResponse, service: str, matched: Matched | None) -> None:
    request, model = response.normalized_request, service_model(service)
    operation = matched[0] if matched else None
    try:
        caller = caller_of_request(response, service, operation)
        if isinstance(response, S3Response):
            s3_operations.pin_copy_source(response, request)
        bound = caller.limited or service in _BIND_ADMINISTRATORS
        if not bound and (matched is None or not _concerns(response, service, matched, request)):
            return
        if matched is None:
            if caller is access.ANONYMOUS:
                raise unsigned()
            if service == "s3":
                raise AwsError(
                    "MethodNotAllowed",
                    "The specified method is not allowed against this resource: "
                    f"{request.method} {request.path}",
                )
            raise NotImplementedByLocalAws(
                f"{request.method} {request.path} of {service} for callers with limited permissions"
            )
        call = call_of(response, request, model, *matched)
        if isinstance(response, S3Response):
            s3_operations.check_key(call.params)
            _same_object(response, call)
            _check_owners(call)
            _check_upload(call)
            s3_operations.check_body(matched[0], call.params, response.body)
        else:
            _refuse_of_another_region(call, matched[0])
        if bound or requests.has_action(call):
            _admit(caller, call, bound)
    except RequestParserError:
        raise refusal(request, service, s3_operations.malformed(), operation=operation) from None
    except ServiceException as error:
        raise refusal(request, service, error, operation=operation) from None


def _concerns(response: BaseResponse, service: str, matched: Matched, request: Request) -> bool:
    """Whether a call must be judged although its caller is an administrator."""
    place = response.current_account, response.region
    return (
        resource_policies.concern_everyone(service, str(matched[0].name), *place)
        or keys.concern_everyone(service, *place)
        or _names_another(request)
    )


# Identifiers in URLs that may refer to another account or region
_FULL_NAME: Final = re.compile(r"arn(?:%3A|:)|\d(?:%3A|:)", re.IGNORECASE)


def _names_another(request: Request) -> bool:
    """Whether a request may contain an identifier other than a plain name."""
    return (
        b"arn:" in request.data
        or b"QueueUrl" in request.data
        or "QueueUrl" in request.form
        or any("arn:" in value for value in request.form.values())
        or _FULL_NAME.search(f"{request.raw_path}?{request.query_string.decode()}") is not None
    )


def _refuse_of_another_region(call: requests.Call, operation: OperationModel) -> None:
    """Refuse resources of another region, which are not those with the same name here.

    Raises:
        AwsError: the service's error for a missing resource.
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
    """Refuse a URL that moto and its router split into different buckets and keys."""
    judged_place = (call.params.get("Bucket"), call.params.get("Key", ""))
    executed = (response.bucket_name or None, response.parse_key_name())
    if judged_place != executed:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.")


def _check_upload(call: requests.Call) -> None:
    """Refuse a multipart upload of another key, which moto finds by its id alone."""
    bucket = s3_backends[call.account][call.partition].buckets.get(call.params.get("Bucket", ""))
    upload = bucket.multiparts.get(call.params.get("UploadId", "")) if bucket else None
    if upload is not None and upload.key_name != call.params.get("Key"):
        raise AwsError(
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may "
            "have been aborted or completed.",
        )


def _check_owners(call: requests.Call) -> None:
    """Refuse a call that expects another account's buckets."""
    for name in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner"):
        if call.params.get(name, call.account) != call.account:
            raise AccessDenied("Access Denied")


def _admit(caller: access.Caller, call: requests.Call, bound: bool) -> None:
    """Allow a call, or raise the reason.

    Args:
        caller: who makes it.
        call: the call.
        bound: whether policies decide about it, or only the account that its resources are in.
    """
    if f"{call.prefix}:{call.operation}" in _FREE:
        return
    if caller.limited:
        call = _with_own_name(caller, call)
    needs = requests.needed(call, exact=bound)
    if _of_no_bucket(call):
        return
    if call.params.get("PolicyArns"):
        raise NotImplementedByLocalAws(f"the PolicyArns of {call.prefix}:{call.operation}")
    for need in needs:
        why = access.refusal(caller, need)
        if why:
            raise AccessDenied(why)
    if call.prefix != "kms":
        keys.check_usable(call.prefix, needs, call.account, call.region)
    policy = resource_policies.stored(call.prefix, call.operation, call.params)
    if policy and call.prefix == "kms" and not call.params.get("BypassPolicyLockoutSafetyCheck"):
        _admit_to_lock(caller, policy)
    if call.service == "s3":
        _admit_to_open(caller, call)
        if call.operation in ("GetObject", "HeadObject"):
            _admit_to_know(caller, call)


def _with_own_name(caller: access.Caller, call: requests.Call) -> requests.Call:
    """GetUser with its caller's name, which it may leave out."""
    if (call.prefix, call.operation) != ("iam", "GetUser") or call.params.get("UserName"):
        return call
    path = caller.arn.split(":", 5)[5]
    if not path.startswith("user/"):
        words = "Must specify userName when calling with non-User credentials"
        raise AwsError("ValidationError", words)
    return replace(call, params={**call.params, "UserName": path.rpartition("/")[2]})


def _admit_to_open(caller: access.Caller, call: requests.Call) -> None:
    """Enforce S3 Block Public Access on policies and access control lists."""
    bucket = s3_backends[call.account][call.partition].buckets.get(call.params.get("Bucket", ""))
    why = public_access.refused_acl(bucket, call.operation, call.params)
    if bucket is not None and call.operation == "PutBucketPolicy":
        bucket_policy.check(call.params.get("Policy", ""), bucket.name)
        why = public_access.refused_policy(bucket, read_json(call.params["Policy"]))
    if why:
        need = requests.needed(call)[0]
        raise AccessDenied(
            f"User: {caller.arn} is not authorized to perform: {need.action} on resource: "
            f'"{need.resource}" {why}'
        )


def _admit_to_lock(caller: access.Caller, policy: Policy) -> None:
    if access.locks_out(caller, policy):
        raise AwsError(
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        )


def _of_no_bucket(call: requests.Call) -> bool:
    """Report a missing bucket, as S3 does to every caller."""
    name = call.params.get("Bucket") if call.service == "s3" else None
    existing = s3_backends[call.account][call.partition].buckets
    return name is not None and name not in existing and call.operation != "CreateBucket"


def _admit_to_know(caller: access.Caller, call: requests.Call) -> None:
    """Report a missing object only to callers who may list the bucket, as S3 does."""
    bucket = s3_backends[call.account][call.partition].buckets.get(call.params["Bucket"])
    if bucket is None or call.params["Key"] in bucket.keys:
        return
    need = requests.to_list(call)
    why = access.refusal(caller, need)
    if why:
        raise AccessDenied(why)
