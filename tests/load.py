"""Concurrent callers of something that is changed meanwhile."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from botocore.config import Config

# a call that a client repeats is a call that was lost
ONCE = Config(retries={"total_max_attempts": 1}, max_pool_connections=32)


@dataclass(frozen=True)
class Answer:
    """What one call brought, and when it began and ended."""

    value: Any
    began: float
    ended: float


class Load:
    """So many callers of `call` for as long as the `with` block lasts.

    Args:
        call: made over and over.
        callers: how many at once.
        pause: seconds that each waits between two calls.
    """

    def __init__(self, call: Callable[[], Any], callers: int = 8, pause: float = 0.0) -> None:
        self.answers: list[Answer] = []
        self.lost: list[Exception] = []
        self._call = call
        self._pause = pause
        self._over = threading.Event()
        self._callers = [threading.Thread(target=self._ask, daemon=True) for _ in range(callers)]

    def __enter__(self) -> "Load":
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for caller in self._callers:
            caller.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                value = self._call()
            except Exception as error:
                self.lost.append(error)
            else:
                self.answers.append(Answer(value, began, time.monotonic()))
            time.sleep(self._pause)

    def wait(self, number: int) -> None:
        """Until there are so many more answers."""
        enough, deadline = len(self.answers) + number, time.monotonic() + 300
        while len(self.answers) < enough:
            assert time.monotonic() < deadline, (
                f"too few answers in five minutes; lost: {self.lost[:3]}"
            )
            time.sleep(0.01)

    def values(self, since: float = 0.0, until: float = float("inf")) -> set[Any]:
        """What calls brought that began at `since` or later and had ended by `until`."""
        return {a.value for a in self.answers if a.began >= since and a.ended <= until}
