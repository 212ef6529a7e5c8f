"""EMR Serverless's errors, with its codes."""

from moto.core.exceptions import ServiceException


class Invalid(ServiceException):
    """The request is invalid, or not possible in the present state."""

    code = "ValidationException"


class NotFound(ServiceException):
    """There is no such application or job run."""

    code = "ResourceNotFoundException"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name} does not exist")


class Conflict(ServiceException):
    """A client token was used before, in another request."""

    code = "ConflictException"


class Failed(Exception):
    """A job run failed; the message is its stateDetails."""
