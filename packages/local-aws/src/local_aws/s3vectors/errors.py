"""Amazon S3 Vectors' errors, by its own codes and, where they are known, in its own words."""

from moto.core.exceptions import ServiceException


class Invalid(ServiceException):
    """The request is at fault."""

    code = "ValidationException"


class InvalidVector(Invalid):
    """One of a request's vectors is."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"Invalid record for key '{key}': {why}")


class NotFound(ServiceException):
    """There is no such vector bucket, index or resource."""

    code = "NotFoundException"

    def __init__(self, what: str) -> None:
        super().__init__(f"The specified {what} could not be found")


class Conflict(ServiceException):
    """The name is taken, or the vector bucket is not empty."""

    code = "ConflictException"
