"""The output of processes as CloudWatch Logs streams."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)

_INTERVAL = 0.25  # seconds for which lines are collected before delivery
_BATCH, _LINE = 100, 8192  # lines per delivery, characters per line: together below the API's 1 MiB


class LogStream:
    """A log stream with delivery in the background.

    As on AWS, lines are lost without failing the job if the role may not write logs or the group is
    deleted meanwhile. A deleted group is not recreated.
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
        """Append one line with the current time. Empty lines are skipped."""
        if line:
            with self._changed:
                self._events.append({"timestamp": int(time.time() * 1000), "message": line[:_LINE]})
                self._changed.notify()

    def close(self) -> None:
        """Deliver the remaining lines and wait for the delivery."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def abandon(self) -> None:
        """Stop delivery without waiting."""
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
        with suppress(ClientError):  # it exists already; the role need not be allowed to create it
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
