"""Counts in-flight calls for graceful shutdown."""

import threading

LONGEST = 60.0  # maximum duration of a call in seconds


class InFlight:
    """A counter of in-flight calls."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def enter(self) -> None:
        """Record the start of a call."""
        with self._changed:
            self._count += 1

    def leave(self) -> None:
        """Record the end of a call."""
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until there are no calls, or until they have exceeded the maximum duration."""
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0, LONGEST)
