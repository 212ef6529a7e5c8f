"""Counts injected faults and tried inputs, and writes docs/reliability.md.

A test counts with the fixture `tally`: `tally("faults injected", "SageMaker")`. The counts of each
test are stored in build/tally and replace those of its last run, so a partial test run only changes
its own counts. This module writes the document; `make reliability` runs all counting tests and
writes it.
"""

import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

PROJECT = Path(__file__).resolve().parent.parent
COUNTS = PROJECT / "build" / "tally"
DOCUMENT = PROJECT / "docs" / "reliability.md"

Measure = Literal[
    "faults injected",
    "inputs tried",
    "calls under load",
    "calls lost",
    "statements mutated",
    "leftovers found",
]
Row = tuple[str, str, str]  # measure, subject, test file


class Tally:
    """Counts of one test file, test by test.

    Attributes:
        skipped: why the file cannot run on this machine; empty if it can.
    """

    def __init__(self) -> None:
        self.skipped = ""
        self._counts: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)

    def __call__(self, measure: Measure, what: str, number: int = 1) -> None:
        """Add to a row of the table; a count of 0 is recorded too."""
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        self._counts[test][measure, what] += number

    def write(self, file: Path) -> None:
        """Store the counts of the tests that have run."""
        name = file.relative_to(PROJECT).as_posix()
        path = COUNTS / f"{name.replace('/', '.')}.json"
        kept = json.loads(path.read_text("utf-8"))["tests"] if path.exists() else {}
        for test, counts in self._counts.items():
            kept[test] = [[*row, count] for row, count in counts.items()]
        COUNTS.mkdir(parents=True, exist_ok=True)
        told = {"file": name, "tests": kept, "skipped": self.skipped}
        path.write_text(json.dumps(told), "utf-8")


def counted() -> dict[Row, int]:
    """All counted rows, in the order of the document."""
    found: Counter[Row] = Counter()
    for path in COUNTS.glob("*.json"):
        kept = json.loads(path.read_text("utf-8"))
        for counts in kept["tests"].values():
            for measure, what, count in counts:
                found[measure, what, kept["file"]] += count
    return in_order(found)


def in_order(counts: Mapping[Row, int]) -> dict[Row, int]:
    """Sort by measure, then by subject and file."""
    order = get_args(Measure)
    rows = sorted(counts, key=lambda row: (order.index(row[0]), *row))
    return {row: counts[row] for row in rows}


def table(counts: dict[Row, int]) -> str:
    """Format the document."""
    lines = [
        "# Reliability",
        "",
        "Counted by the tests; `make reliability` runs them and writes this page. After each fault "
        "or input, the test asserts what CONTRIBUTING.md requires: readable errors, nothing lost, "
        "nothing left behind. Counts of generated inputs and of calls under load vary slightly "
        "between runs.",
        "",
        "| measure | subject | count | command |",
        "|---|---|---:|---|",
    ]
    lines += [
        f"| {measure} | {what} | {count:,} | `python -m pytest {file}` |"
        for (measure, what, file), count in counts.items()
    ]
    return "\n".join(lines) + "\n"


def read(document: str) -> dict[Row, int]:
    """Parse the rows of a document."""
    cells = [line.split("|") for line in document.splitlines() if line.startswith("| ")]
    found = {}
    for _, measure, what, count, command, _ in cells[1:]:
        file = command.strip(" `").rpartition(" ")[2]
        found[measure.strip(), what.strip(), file] = int(count.replace(",", ""))
    return found


def merged(document: str, counts: dict[Row, int]) -> dict[Row, int]:
    """The document's rows, updated with those of the test files that have run."""
    ran = {file for _, _, file in counts}
    kept = {row: count for row, count in read(document).items() if row[2] not in ran}
    return in_order(kept | counts)


def check(document: str) -> list[str]:
    """The document's rows that no test counts any more, except in files that cannot run here."""
    all_kept = [json.loads(path.read_text("utf-8")) for path in COUNTS.glob("*.json")]
    skipped = {kept["file"] for kept in all_kept if kept["skipped"]}
    counts = counted()
    return [
        " | ".join(row) for row in read(document) if row not in counts and row[2] not in skipped
    ]


if __name__ == "__main__":
    written = DOCUMENT.read_text("utf-8") if DOCUMENT.exists() else ""
    if "--check" in sys.argv:
        if lost := check(written):
            sys.exit("docs/reliability.md tells what no test counts:\n" + "\n".join(lost))
    else:
        DOCUMENT.write_text(table(merged(written, counted())), "utf-8")
