"""Amazon S3 Vectors' errors, with its codes and, if known, its messages."""

from moto.core.exceptions import ServiceException


class Invalid(ServiceException):
    """The request is invalid."""

    code = "ValidationException"


class InvalidVector(Invalid):
    """One of a request's vectors is invalid."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"Invalid record for key '{key}': {why}")


class NotFound(ServiceException):
    """The vector bucket, index or resource does not exist."""

    code = "NotFoundException"

    def __init__(self, what: str) -> None:
        super().__init__(f"The specified {what} could not be found")


class Conflict(ServiceException):
    """The name is taken, or the vector bucket is not empty."""

    code = "ConflictException"
