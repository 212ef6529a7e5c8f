"""The one exception with which this package tells people what is wrong with their input."""

from __future__ import annotations

from collections.abc import Sequence


class InputError(ValueError):
    """The input is at fault, not the program.

    `problems` holds one readable sentence for each thing that is wrong; `str()` is all of them,
    one a line.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class UnsupportedMediaType(ValueError):
    """A request's format, or the format asked for in return, is not one that is known."""


class Problems:
    """Collects problems, all of them counted but only the first `limit` kept."""

    def __init__(self, limit: int = 20) -> None:
        self.limit = limit
        self.count = 0
        self._kept: list[str] = []

    def add(self, problem: str) -> None:
        """Count a problem, and keep its words while there is room."""
        self.count += 1
        if self.count <= self.limit:
            self._kept.append(problem)

    def raise_if_any(self) -> None:
        """Raise InputError with everything that was collected."""
        if self.count:
            more = self.count - len(self._kept)
            raise InputError([*self._kept, f"… and {more} more like these"] if more else self._kept)
