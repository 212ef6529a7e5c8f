"""Benchmark result storage: one JSON file of rows per section, so that sections are independent."""

import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil

Row = Mapping[str, Any]
ROOT: Final = "BENCH_PROCESS"
"""The variable with the id of the process to which others belong; by default, the measuring one."""


class Rows:
    """A section's rows, written to its file with each new one.

    Args:
        file: the file that stores the rows.
        resume: keep the existing rows, and do not measure them again.
        again: with `resume`, engines whose names contain this are measured again nevertheless.
    """

    def __init__(self, file: Path, resume: bool = False, again: str | None = None) -> None:
        self.file = file
        old = json.loads(file.read_text("utf-8")) if resume and file.exists() else []
        self.rows: list[Row] = [
            row
            for row in old
            if "skipped" not in row and (again is None or again not in str(row["engine"]))
        ]

    def has(self, **key: Any) -> bool:
        """Whether there is a row with these values."""
        return any(all(row.get(name) == key[name] for name in key) for row in self.rows)

    def add(self, **row: Any) -> None:
        """Add and store a row, with the day and the machine."""
        made = {"day": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine()}
        self.rows.append(row | made)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.rows, indent=1) + "\n", "utf-8")


@dataclass
class Clock:
    """The time that a block took.

    Attributes:
        wall: seconds.
        cpu: CPU seconds of this process and its children, all cores.
        others: the number of cores that other processes kept busy meanwhile.
    """

    wall: float = 0.0
    cpu: float = 0.0
    others: float = 0.0

    def row(self) -> dict[str, float]:
        """The measurements as values of a row."""
        return {"wall": self.wall, "cpu": self.cpu, "others": self.others}


@contextmanager
def clock() -> Iterator[Clock]:
    """Time a block."""
    found = Clock()
    started, own, busy = time.perf_counter(), _own(), _busy()
    yield found
    found.wall, found.cpu = time.perf_counter() - started, _own() - own
    found.others = max(0.0, _busy() - busy - found.cpu) / found.wall


def _own() -> float:
    """CPU seconds of the benchmark's process and its descendants."""
    whole = psutil.Process(int(os.environ.get(ROOT, os.getpid())))
    total = sum(whole.cpu_times()[:4])
    for child in whole.children(recursive=True):
        try:
            total += sum(child.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def _busy() -> float:
    """CPU seconds of the whole machine."""
    times = psutil.cpu_times()._asdict()
    return float(sum(times[name] for name in ("user", "nice", "system") if name in times))


def machine() -> str:
    """A description of the machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}"
