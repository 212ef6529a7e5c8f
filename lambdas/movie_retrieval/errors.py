"""Why a question is not answered."""

import re

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

_BUSY = re.compile(
    "Throttl|TooManyRequests|SlowDown|ServiceUnavailable|ModelNotReady|InternalFailure"
    "|InternalServer|InternalError|RequestTimeout"
)


class RetrievalError(Exception):
    """The question cannot be answered; the message says why, to a person."""


class NoNeighboursError(RetrievalError):
    """There is no such movie, or nothing near it."""


class BusyError(RetrievalError):
    """AWS could not answer now; it may in a moment."""


def kind_of(error: ClientError | BotoCoreError) -> type[RetrievalError]:
    """`BusyError` where the same call may succeed a little later."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        busy = status >= 500 or bool(_BUSY.search(error.response["Error"].get("Code", "")))
    else:
        busy = isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError))
    return BusyError if busy else RetrievalError
