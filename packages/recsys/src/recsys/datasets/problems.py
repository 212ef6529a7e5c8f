"""What is wrong with a file of ratings: each problem with its file, line, field and remedy."""

from collections.abc import Sequence
from dataclasses import dataclass

from recsys.errors import InputError
from recsys.text import printable

MAX_PROBLEMS = 50
"""As many problems are listed for a file; it is read no further after them."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and what to do about it.

    Attributes:
        file: path as the user gave it.
        words: what is wrong and what to do.
        line: line in the file, the first is 1.
        field: name of the column.
    """

    file: str
    words: str
    line: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        field = "" if self.field is None else f"{self.field}: "
        return printable(f"{self.file}{line}: {field}{self.words}")


def option(name: str, value: str = "…") -> str:
    """How to give an option: to `python -m recsys prepare`, and to the targets of `make`."""
    return f"--{name} {value} (with make: {name.upper()}={value})"


class DataError(InputError):
    """Data that cannot be used; `found` holds every Problem, `str()` shows one a line."""

    def __init__(self, found: Problem | Sequence[Problem]) -> None:
        self.found = (found,) if isinstance(found, Problem) else tuple(found)
        super().__init__([str(problem) for problem in self.found])
