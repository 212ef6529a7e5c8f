"""Functions behind CDK's Provider framework, which answer CloudFormation."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from common.errors import E, FunctionError, reported

WAITING: Final[dict[str, Any]] = {"IsComplete": False}
COMPLETE: Final[dict[str, Any]] = {"IsComplete": True}
_REASON: Final = 1500  # bytes; CloudFormation takes 4 KB for the whole answer

_log = logging.getLogger("custom_resource")


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
