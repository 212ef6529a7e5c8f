"""What the tests did to the project, counted, and the table of it: docs/reliability.md.

A test takes the fixture `tally` and counts with it: `tally("faults injected", "SageMaker")`. The
counts of a test file are kept in build/reliability when its last test has run. This module makes
the document of them; `make reliability` does both.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Literal, get_args

PROJECT = Path(__file__).resolve().parent.parent
COUNTS = PROJECT / "build" / "reliability"
DOCUMENT = PROJECT / "docs" / "reliability.md"

Measure = Literal[
    "faults injected",
    "inputs tried",
    "calls under load",
    "calls lost",
    "statements mutated",
    "leftovers found",
]
Row = tuple[str, str, str]  # measure, of what, test file


class Tally:
    """Counts of one test file."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def __call__(self, measure: Measure, what: str, number: int = 1) -> None:
        """Add to a row of the table; 0 is worth telling too."""
        self._counts[measure, what] += number

    def write(self, file: Path) -> None:
        """Keep the counts of a test file, in place of those of an earlier run."""
        name = file.relative_to(PROJECT).as_posix()
        rows = [[*row, name, count] for row, count in self._counts.items()]
        COUNTS.mkdir(parents=True, exist_ok=True)
        (COUNTS / f"{name.replace('/', '.')}.json").write_text(json.dumps(rows), "utf-8")


def counted() -> dict[Row, int]:
    """Every row that was counted, in the order of the document."""
    found: dict[Row, int] = {}
    for path in COUNTS.glob("*.json"):
        for measure, what, file, count in json.loads(path.read_text("utf-8")):
            found[measure, what, file] = count
    order = get_args(Measure)
    return {row: found[row] for row in sorted(found, key=lambda row: (order.index(row[0]), *row))}


def table(counts: dict[Row, int]) -> str:
    """The whole document."""
    lines = [
        "# Reliability",
        "",
        "Counted by the tests while they ran; `make reliability` runs them and writes this page. "
        "A fault is injected, or an input tried, and the test then asserts what CONTRIBUTING.md "
        "asks for: errors in words, nothing lost, nothing left. Counts of generated inputs and of "
        "calls under load differ a little from run to run.",
        "",
        "| measure | of what | count | made by |",
        "|---|---|---:|---|",
    ]
    lines += [
        f"| {measure} | {what} | {count:,} | `python -m pytest {file}` |"
        for (measure, what, file), count in counts.items()
    ]
    return "\n".join(lines) + "\n"


def _rows(document: str) -> set[str]:
    """A document's rows without their counts."""
    cells = [line.split("|") for line in document.splitlines() if line.startswith("| ")]
    return {"|".join([*row[:3], *row[4:]]) for row in cells}


def check() -> list[str]:
    """The document's rows that the tests no longer make."""
    return sorted(_rows(DOCUMENT.read_text("utf-8")) - _rows(table(counted())))


if __name__ == "__main__":
    if "--check" in sys.argv:
        if lost := check():
            sys.exit("docs/reliability.md tells what no test counts:\n" + "\n".join(lost))
    else:
        DOCUMENT.write_text(table(counted()), "utf-8")
