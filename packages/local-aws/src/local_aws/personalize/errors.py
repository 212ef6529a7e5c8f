"""Amazon Personalize's errors, by its own codes."""

from moto.core.exceptions import ServiceException


class InvalidInput(ServiceException):
    """The request, or what it refers to, is not usable."""

    code = "InvalidInputException"


class NotFound(ServiceException):
    """There is no resource of that ARN."""

    code = "ResourceNotFoundException"

    def __init__(self, arn: str) -> None:
        super().__init__(f"Resource Arn {arn} does not exist.")


class AlreadyExists(ServiceException):
    """The name is taken."""

    code = "ResourceAlreadyExistsException"

    def __init__(self, arn: str) -> None:
        super().__init__(f"Another resource with Arn {arn} already exists.")


class InUse(ServiceException):
    """Something else is going on with the resource, or depends on it."""

    code = "ResourceInUseException"


class LimitExceeded(ServiceException):
    """A quota of the account or the dataset group is used up."""

    code = "LimitExceededException"


class InvalidNextToken(ServiceException):
    """The token did not come from the call before."""

    code = "InvalidNextTokenException"

    def __init__(self) -> None:
        super().__init__("The token is not valid.")


class TooManyTags(ServiceException):
    """More than fifty tags."""

    code = "TooManyTagsException"
