"""CloudFormation's error codes, and exceptions of operations on resources."""

from moto.core.exceptions import ServiceException


class ValidationError(ServiceException):
    """CloudFormation's error for nearly every invalid request."""

    code = "ValidationError"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class AlreadyExists(ServiceException):
    """A stack or change set with this name exists."""

    code = "AlreadyExistsException"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class LimitExceeded(ServiceException):
    """A quota is exhausted."""

    code = "LimitExceededException"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class ChangeSetNotFound(ServiceException):
    """The stack has no change set with this name."""

    code = "ChangeSetNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"ChangeSet [{name}] does not exist")


class InvalidChangeSetStatus(ServiceException):
    """The change set cannot be executed or deleted in its current status."""

    code = "InvalidChangeSetStatus"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class InsufficientCapabilities(ServiceException):
    """The template creates IAM resources, but the capability is missing."""

    code = "InsufficientCapabilitiesException"

    def __init__(self, capability: str) -> None:
        super().__init__(f"Requires capabilities : [{capability}]")


class ResourceFailed(Exception):
    """A resource could not be created, updated or deleted; the message is the event's reason."""


class Cancelled(Exception):
    """The operation was cancelled while waiting for a resource."""
