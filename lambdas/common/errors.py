"""What functions raise for people, and which of AWS's errors pass."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError


class FunctionError(Exception):
    """An event cannot be answered; the message says why, to a person."""


class BusyError(FunctionError):
    """AWS could not answer now; it may in a moment."""


class DeniedError(FunctionError):
    """No policy allows the call; a change in IAM may not have propagated yet."""


E = TypeVar("E", bound=FunctionError)

# What botocore's standard mode takes for throttling, but for LimitExceededException: SageMaker and
# Personalize say so of a quota, which no moment's patience raises. "Retry behavior", AWS SDKs and
# Tools Reference Guide: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_THROTTLED: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        # without their ending, as older services spell them
        "ThroughputExceeded",
        "TooManyRequests",
        # too few of the service's own machines, for now: common to all services, and SageMaker's
        "ModelNotReadyException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
# A server's fault, or a connection's; the second group is the services' own spelling of a 5xx, and
# S3's of an operation that another one is in the way of.
_FAULTS: Final = frozenset(
    {
        "RequestTimeout",
        "RequestTimeoutException",
        "InternalDependencyException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "OperationAborted",
    }
)
_BUSY_STATUSES: Final = frozenset({429, 503})
_FAULT_STATUSES: Final = frozenset({500, 502, 504})  # not 501, which says that it never will


def code_of(error: ClientError | BotoCoreError) -> str:
    """AWS's code of an error; empty for one that is not AWS's."""
    return error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""


def text_of(error: ClientError | BotoCoreError) -> str:
    """AWS's message, or what botocore says."""
    told = error.response["Error"].get("Message", "") if isinstance(error, ClientError) else ""
    return told or str(error)


def is_throttled(error: ClientError | BotoCoreError) -> bool:
    """Whether AWS has too much to do: the same call may succeed a little later."""
    return code_of(error) in _THROTTLED or _status(error) in _BUSY_STATUSES


def is_transient(error: ClientError | BotoCoreError) -> bool:
    """Whether the same call may succeed later: throttled, timed out, cut off, a server's fault."""
    if isinstance(error, ClientError):
        fault = code_of(error) in _FAULTS or _status(error) in _FAULT_STATUSES
        return fault or is_throttled(error)
    return isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError))


def is_denied(error: ClientError | BotoCoreError) -> bool:
    """Whether no policy allows the call."""
    return code_of(error) in ("AccessDenied", "AccessDeniedException", "403")


def is_absent(error: ClientError | BotoCoreError) -> bool:
    """Whether S3 has no object with this key.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    return code_of(error) in ("NoSuchKey", "404")


def may_be_absent(error: ClientError | BotoCoreError) -> bool:
    """Whether S3 has no such object, or denies to say so, as it does without s3:ListBucket."""
    return is_absent(error) or is_denied(error)


def failure(error: ClientError | BotoCoreError, message: str) -> FunctionError:
    """What to raise for an error of AWS: a `BusyError` if transient, a `DeniedError` if denied."""
    if is_transient(error):
        return BusyError(message)
    return (DeniedError if is_denied(error) else FunctionError)(message)


@contextmanager
def reported(kind: type[E]) -> Iterator[None]:
    """Let a handler end in errors of one kind, whose message alone is reported.

    Lambda sends a stack trace along, which tells a caller nothing. That of a bug is kept.
    """
    sys.tracebacklimit = 1000
    try:
        yield
    except FunctionError as error:
        sys.tracebacklimit = 0
        if isinstance(error, kind):
            raise
        raise kind(str(error)) from None


def _status(error: ClientError | BotoCoreError) -> int:
    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
