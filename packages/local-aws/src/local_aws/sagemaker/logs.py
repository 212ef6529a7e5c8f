"""Container output as CloudWatch Logs streams."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)

_INTERVAL = 0.25  # seconds in which lines gather before they are delivered
_BATCH, _LINE = 100, 8192  # lines a delivery, characters a line: together below the API's 1 MiB


class LogStream:
    """A log stream that lines are written to as they come; delivery is in the background.

    A role that may not write logs, or a group that is removed meanwhile, loses the lines and not
    the job, as in AWS. A removed group is not made again.
    """

    def __init__(self, logs: Any, group: str, name: str) -> None:
        self.group, self.name = group, name
        self._logs = logs
        self._events: list[dict[str, Any]] = []
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._deliver, name=f"logs {name}", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Append one line, stamped with the time of now. An empty line is no event."""
        if line:
            with self._changed:
                self._events.append({"timestamp": int(time.time() * 1000), "message": line[:_LINE]})
                self._changed.notify()

    def close(self) -> None:
        """Deliver what is left; return when it is readable."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def abandon(self) -> None:
        """Deliver no more, and do not wait for what is on its way."""
        with self._changed:
            self._events.clear()
            self._closed = True
            self._changed.notify()

    def _deliver(self) -> None:
        alive = self._attempt(self._create)
        closed = False
        while not closed:
            with self._changed:
                self._changed.wait_for(lambda: self._events or self._closed)
                self._changed.wait_for(lambda: self._closed, _INTERVAL)
                events, self._events = self._events, []
                closed = self._closed
            for start in range(0, len(events), _BATCH):
                alive = alive and self._attempt(self._put, events[start : start + _BATCH])

    def _create(self) -> None:
        with suppress(ClientError):  # it is there already, which a role may do without
            self._logs.create_log_group(logGroupName=self.group)
        self._logs.create_log_stream(logGroupName=self.group, logStreamName=self.name)

    def _put(self, events: list[dict[str, Any]]) -> None:
        self._logs.put_log_events(
            logGroupName=self.group, logStreamName=self.name, logEvents=events
        )

    def _attempt(self, action: Callable[..., None], *arguments: Any) -> bool:
        try:
            action(*arguments)
        except (ClientError, BotoCoreError) as error:
            log.debug("no logs to %s %s: %s", self.group, self.name, error)
            return False
        return True
