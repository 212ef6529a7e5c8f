"""Finds a request's principal: role session, user or administrator."""

from typing import Any

from moto.core.model import OperationModel
from moto.core.request import Request
from moto.core.responses import BaseResponse
from moto.iam.models import iam_backends

from local_aws.api import AwsError
from local_aws.clients import OWNER, Credentials
from local_aws.iam import access, signatures
from local_aws.iam.errors import service_model
from local_aws.sts.models import find_session


def caller_of_request(
    response: BaseResponse, service: str, operation: OperationModel | None
) -> access.Caller:
    """Find the principal of a request, signed or not.

    Raises:
        AwsError: the operation requires a signature.
    """
    request = response.normalized_request
    signed = signatures.read(request, str(service_model(service).signing_name))
    if signed is not None:
        bare = operation is not None and (
            operation.auth_type == "v4-unsigned-body" or bool(operation.unsigned_payload)
        )
        return caller_of(
            signed, request, response.current_account, response.region, body_unsigned=bare
        )
    if operation is not None and operation.auth_type == "none":
        return access.administrator(response.current_account, response.region)
    if service == "s3":  # the only service that accepts anonymous callers
        return access.ANONYMOUS
    raise unsigned()


def unsigned() -> AwsError:
    """The error of an unsigned request that requires a signature."""
    return AwsError("MissingAuthenticationToken", "Missing Authentication Token")


def caller_of(
    signed: signatures.Signed,
    request: Request,
    account: str,
    region: str,
    *,
    body_unsigned: bool = False,
) -> access.Caller:
    """Find who signed a request: a role's session, a user, or the administrator.

    Args:
        signed: the parsed signature.
        request: the signed request.
        account: the account of the access key.
        region: the region of the request.
        body_unsigned: whether the operation's body need not be signed.

    Raises:
        AwsError: the key is deleted or inactive, or the signature does not match.
    """
    key = signed.access_key
    session = find_session(key, account, region)
    credentials = OWNER if key == OWNER.access_key_id else None
    if session is not None:
        role = session.role
        if role is None:
            raise _invalid()
        signed.check(request, session.credentials, unsigned=body_unsigned)
        if not session.lasts():
            raise AwsError("ExpiredToken", "The security token included in the request is expired")
        return access.role_session(session, role)
    backend: Any = iam_backends[account]["aws"]
    issued = backend.access_keys.get(key)
    if key in backend.deleted_keys or (issued is not None and issued.status != "Active"):
        raise _invalid()
    if issued is not None:
        credentials = Credentials(key, issued.secret_access_key)
    signed.check(request, credentials, unsigned=body_unsigned)
    if issued is not None and issued.user_name:
        return access.user(issued.user_name, account, region)
    return access.administrator(account, region)


def _invalid() -> AwsError:
    return AwsError(
        "InvalidClientTokenId", "The security token included in the request is invalid."
    )
