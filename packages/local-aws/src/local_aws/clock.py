"""The clock of schedules: a thread that tells each backend with schedules of each second."""

import logging
import threading
import time
import weakref
from functools import cache
from typing import Final, Protocol

log = logging.getLogger("local_aws")

TICK: Final = 1.0  # seconds


class Ticking(Protocol):
    """Has schedules."""

    def tick(self) -> None:
        """Start what is due."""


def add(backend: Ticking) -> None:
    """Let a backend tick until it is garbage."""
    _backends.add(backend)
    _start()


@cache
def _start() -> None:
    threading.Thread(target=_tick_forever, name="clock", daemon=True).start()


def _tick_forever() -> None:
    while True:
        time.sleep(TICK)
        for backend in list(_backends):
            try:
                backend.tick()
            except Exception:  # of one backend, which others do not wait for
                log.exception("schedules of %s", type(backend).__name__)


_backends: "weakref.WeakSet[Ticking]" = weakref.WeakSet()
