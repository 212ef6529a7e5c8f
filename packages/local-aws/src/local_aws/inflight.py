"""Calls under way, so that what answers them ends after the last of them."""

import threading

LONGEST = 60.0  # seconds that a call may last


class InFlight:
    """How many calls something is answering."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def enter(self) -> None:
        """A call begins."""
        with self._changed:
            self._count += 1

    def leave(self) -> None:
        """A call has ended."""
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until there is none, or none that may still be answered."""
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0, LONGEST)
