"""IAM enforced: who calls, what the call needs, and whether policies allow it."""

from typing import Any


def install() -> None:
    """Check every request where moto has just read it, and keep what the check needs to know.

    Harmless when called again.
    """
    from moto.core import errors
    from moto.core.responses import BaseResponse
    from moto.iam.models import IAMBackend
    from moto.iam.responses import IamResponse

    from local_aws.iam.door import CODES, checked

    # moto warns of errors that a service's model lacks, but not of these
    known = errors.COMMON_ERROR_CODES
    known += [code for code in CODES if code not in known]
    if not hasattr(BaseResponse.setup_class, "__wrapped__"):
        BaseResponse.setup_class = checked(BaseResponse.setup_class)  # type: ignore[method-assign]
    if IAMBackend.delete_access_key_by_name is not _delete_access_key:
        IAMBackend.forget_access_key = IAMBackend.delete_access_key_by_name  # type: ignore[attr-defined]
        IAMBackend.delete_access_key_by_name = _delete_access_key  # type: ignore[method-assign]
        IamResponse.create_unbounded_user = IamResponse.create_user  # type: ignore[attr-defined]
        IamResponse.create_user = _create_user  # type: ignore[method-assign]


def _delete_access_key(self: Any, name: str) -> None:
    """Delete a key, which stays one that was issued: it must not become the administrator's."""
    key = self.access_keys[name]
    self.forget_access_key(name)
    key.status = "Deleted"
    self.access_keys[name] = key


def _create_user(self: Any) -> Any:
    """CreateUser, of which moto would forget the boundary."""
    from local_aws.api import NotImplementedByLocalAws

    if self._get_param("PermissionsBoundary"):
        raise NotImplementedByLocalAws("a user's PermissionsBoundary")
    return self.create_unbounded_user()
