"""Background work: with a limited number of threads and a queue, and of backends."""

import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from moto.core.base_backend import BaseBackend

log = logging.getLogger(__name__)

JOBS_AT_ONCE = max(4, os.cpu_count() or 1)
"""Concurrent training and transform jobs of this machine; AWS has quotas."""
EVENTS_AT_ONCE = 32
"""Concurrent asynchronous events of an account's functions in a region."""
_LINGER = 5.0  # seconds that a thread waits for more work


@dataclass(order=True)
class _Waiting:
    due: float
    number: int
    task: Callable[[], None] = field(compare=False)


class Workers:
    """Runs due tasks in order, in at most `size` threads.

    Threads are started when needed and end after being idle for a while.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size, self._name = size, name
        self._line: list[_Waiting] = []
        self._numbers = itertools.count()
        self._threads = self._idle = 0
        self._closed = False
        self._changed = threading.Condition()

    def submit(self, task: Callable[[], None], after: float = 0.0) -> Callable[[], bool]:
        """Queue a task, to run after at least `after` seconds.

        Returns:
            A function that removes the task; it returns False if the task is no longer queued.
        """
        with self._changed:
            waiting = _Waiting(time.monotonic() + after, next(self._numbers), task)
            if not self._closed:
                heapq.heappush(self._line, waiting)
                if len(self._line) > self._idle and self._threads < self._size:
                    self._threads += 1
                    threading.Thread(target=self._work, name=self._name, daemon=True).start()
                self._changed.notify()

        def cancel() -> bool:
            with self._changed:
                if waiting not in self._line:
                    return False
                self._line.remove(waiting)
                heapq.heapify(self._line)
                return True

        return cancel

    @property
    def full(self) -> bool:
        """Whether another task would have to wait."""
        with self._changed:
            return self._threads - self._idle + len(self._line) >= self._size

    def close(self) -> None:
        """Drop queued tasks and start no more."""
        with self._changed:
            self._closed = True
            self._line.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except Exception:
                log.exception("%s", self._name)

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._idle += 1
            ends = time.monotonic() + _LINGER
            while not self._closed:
                now = time.monotonic()
                if self._line and self._line[0].due <= now:
                    self._idle -= 1
                    return heapq.heappop(self._line).task
                if now >= ends and (
                    not self._line or self._idle > 1
                ):  # one thread waits for due tasks
                    break
                until = self._line[0].due if self._line else ends
                self._changed.wait(max(0.0, min(until, max(ends, now + 1.0)) - now))
            self._idle -= 1
            self._threads -= 1
            return None


JOBS = Workers(JOBS_AT_ONCE, "job")


class WorkingBackend(BaseBackend):
    """A backend with threads or processes; list it before moto's class in a class's bases.

    `reset` waits for them. moto resets all backends while it holds the lock that every look-up of a
    backend takes, so a thread that looks for one would be waited for in vain: their work is ended
    before (`local_aws.moto_patches`).
    """

    def end_work(self) -> None:
        """End all threads and processes. It is called again by `reset`, when none is left."""
        raise NotImplementedError

    def reset(self) -> None:
        """End all work and delete all state."""
        self.end_work()
        super().reset()
