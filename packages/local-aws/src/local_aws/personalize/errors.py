"""Amazon Personalize's errors, by its own codes."""

from moto.core.exceptions import ServiceException


class InvalidInput(ServiceException):
    """The request, or something it refers to, is invalid."""

    code = "InvalidInputException"


class NotFound(ServiceException):
    """The resource does not exist."""

    code = "ResourceNotFoundException"

    def __init__(self, arn: str) -> None:
        super().__init__(f"Resource Arn {arn} does not exist.")


class AlreadyExists(ServiceException):
    """The name is taken."""

    code = "ResourceAlreadyExistsException"

    def __init__(self, arn: str) -> None:
        super().__init__(f"Another resource with Arn {arn} already exists.")


class InUse(ServiceException):
    """The resource is being changed, or others depend on it."""

    code = "ResourceInUseException"


class LimitExceeded(ServiceException):
    """A quota of the account or the dataset group is used up."""

    code = "LimitExceededException"


class InvalidNextToken(ServiceException):
    """The token is not from the previous call."""

    code = "InvalidNextTokenException"

    def __init__(self) -> None:
        super().__init__("The token is not valid.")


class TooManyTags(ServiceException):
    """More than fifty tags."""

    code = "TooManyTagsException"
