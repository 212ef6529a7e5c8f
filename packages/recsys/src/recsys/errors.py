"""The exceptions for invalid input, with human-readable messages."""

from __future__ import annotations

from collections.abc import Sequence


class InputError(ValueError):
    """The user's input is invalid.

    `problems` has one readable sentence for each problem; `str()` is all of them, one per line.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class UnsupportedMediaType(ValueError):
    """A request's content type, or the requested response type, is not supported."""


class Problems:
    """Collects problems: counts all of them and keeps the first `limit`."""

    def __init__(self, limit: int = 20) -> None:
        self.limit = limit
        self.count = 0
        self._kept: list[str] = []

    def add(self, problem: str) -> None:
        """Count a problem, and keep its message if the limit is not reached."""
        self.count += 1
        if self.count <= self.limit:
            self._kept.append(problem)

    def raise_if_any(self) -> None:
        """Raise InputError with all collected problems, if any."""
        if self.count:
            more = self.count - len(self._kept)
            raise InputError([*self._kept, f"… and {more} more like these"] if more else self._kept)
