"""Exceptions: refused requests, and failures of jobs and endpoints."""

from collections.abc import Iterable, Mapping
from typing import Any

from moto.core.exceptions import ServiceException

from local_aws.api import NotImplementedByLocalAws


class ValidationException(ServiceException):
    """The request is invalid."""

    code = "ValidationException"


class ResourceInUse(ServiceException):
    """The name is taken, or the resource is busy."""

    code = "ResourceInUse"


class ResourceNotFound(ServiceException):
    """There is no such resource."""

    code = "ResourceNotFound"


class ResourceLimitExceeded(ServiceException):
    """A quota of the account is exceeded."""

    code = "ResourceLimitExceeded"


class Failed(Exception):
    """A job or a deployment failed; the message is its FailureReason."""


def refuse_members(value: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    """Refuse members of a request that the local AWS does not implement.

    Raises:
        NotImplementedByLocalAws: names the members that are set.
    """
    present = [f"{where}.{name}" for name in names if value.get(name)]
    if present:
        raise NotImplementedByLocalAws(", ".join(present))
