"""CloudFormation's error codes, and the two ways in which work on a resource ends badly."""

from moto.core.exceptions import ServiceException


class ValidationError(ServiceException):
    """What CloudFormation says to nearly every request that it does not accept."""

    code = "ValidationError"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class AlreadyExists(ServiceException):
    """A stack or a change set of that name exists."""

    code = "AlreadyExistsException"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class ChangeSetNotFound(ServiceException):
    """No change set of that name on that stack."""

    code = "ChangeSetNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"ChangeSet [{name}] does not exist")


class InvalidChangeSetStatus(ServiceException):
    """A change set that cannot be executed or deleted in its present status."""

    code = "InvalidChangeSetStatus"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class InsufficientCapabilities(ServiceException):
    """A template that makes IAM resources, without the caller's acknowledgement."""

    code = "InsufficientCapabilitiesException"

    def __init__(self, capability: str) -> None:
        super().__init__(f"Requires capabilities : [{capability}]")


class ResourceFailed(Exception):
    """A resource could not be created, updated or deleted; the text is the event's reason."""


class Cancelled(Exception):
    """The operation was given up while a resource was being waited for."""
