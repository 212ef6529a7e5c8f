"""Functions behind CDK's Provider framework, which answer CloudFormation."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from common.errors import BusyError, DeniedError, E, FunctionError, reported

WAITING: Final[dict[str, Any]] = {"IsComplete": False}
COMPLETE: Final[dict[str, Any]] = {"IsComplete": True}
SETTLING: Final = 120  # seconds that a change in IAM may take to propagate
_REASON: Final = 1500  # bytes; CloudFormation takes 4 KB for the whole answer

_log = logging.getLogger("custom_resource")


def named(physical_id: str, **rest: Any) -> dict[str, Any]:
    """An answer of `on_event`: the physical id, and when the request began for `is_complete`."""
    return {"PhysicalResourceId": physical_id, "Begun": time.time(), **rest}


def settles(event: Mapping[str, Any]) -> bool:
    """Whether a change in IAM made with the request may not have propagated yet."""
    return time.time() < float(event.get("Begun", 0)) + SETTLING


def polled(
    kind: type[E], event: Mapping[str, Any], context: Any, work: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Answer `is_complete` by `work`, or that it will be tried again.

    Transient errors are retried, and denied calls while IAM settles, because CloudFormation changes
    a function's role just before it sends the request.

    Raises:
        kind: a permanent failure; see `failing`.
    """
    with failing(kind, event, context):
        try:
            return work()
        except (BusyError, DeniedError) as error:
            if isinstance(error, DeniedError) and not settles(event):
                raise
            _log.warning("will be tried again: %s", error)
            return WAITING


@contextmanager
def failing(kind: type[E], event: Mapping[str, Any], context: Any) -> Iterator[None]:
    """Let a request fail by a reason that names the resource and where the log is."""
    with reported(kind):
        try:
            yield
        except FunctionError as error:
            name = event.get("LogicalResourceId")
            told = {
                "request": event.get("RequestType"),
                "resource": name,
                "id": event.get("PhysicalResourceId"),
                "error": str(error),
            }
            _log.warning("failed", extra=told)
            stream = getattr(context, "log_stream_name", "unknown")
            reason = f"{name}: {error}".encode()[:_REASON].decode(errors="ignore")
            raise kind(f"{reason} (log stream {stream})") from None
