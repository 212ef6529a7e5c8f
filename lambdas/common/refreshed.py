"""What a function has read from a file, kept in memory until the file changes."""

import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

FRESH: Final = 60.0  # seconds for which a looked-up ETag counts as current

T = TypeVar("T")


class Refreshed(Generic[T]):
    """A file's content, whose ETag is looked up at most once a minute.

    Args:
        etag: looks up the file's ETag.
        read: reads the content; it is given the ETag.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        etag: Callable[[], str],
        read: Callable[[str], T],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._etag, self._read, self._clock = etag, read, clock
        self._held: tuple[str, T] | None = None
        self._fresh_until = 0.0

    def content(self) -> T:
        """The content; an exception of `etag` or `read` is passed on, and nothing is kept then."""
        held = self._held
        if held is None or self._clock() >= self._fresh_until:
            etag = self._etag()
            if held is None or held[0] != etag:
                held = self._held = etag, self._read(etag)
            self._fresh_until = self._clock() + FRESH
        return held[1]
