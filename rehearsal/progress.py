"""What a run does now: a line redrawn every second, or plain lines without a terminal."""

import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TextIO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

EVERY: Final = 1.0  # seconds between redrawn lines
PATIENCE: Final = 15.0  # seconds between plain lines
_POLL: Final = 3.0  # seconds between looks at trainings
_METRIC: Final = re.compile(r"#quality_metric: .*epoch=(\d+), (\w+) \w+ <loss>=(\S+)")


class Progress:
    """The steps of a run.

    Args:
        total: how many steps there are; 0 if that is not known.
        expected: seconds of steps by name, as an earlier run took.
        stream: where lines go.
        trainings: tells of running trainings, if there are any.
        width: columns of the terminal; None for its own.
    """

    def __init__(
        self,
        total: int = 0,
        expected: Mapping[str, float] | None = None,
        stream: TextIO | None = None,
        trainings: Callable[[], str] = lambda: "",
        width: int | None = None,
    ) -> None:
        self._total, self._expected = total, dict(expected or {})
        self._stream = stream or sys.stderr
        self._trainings, self._width = trainings, width
        self._number, self._step, self._doing, self._trains = 0, "", "", ""
        self._began = self._looked = time.monotonic()
        self._ended = threading.Event()

    def tell(self, doing: str) -> None:
        """Say what is being made now."""
        self._doing = doing

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step as long as it lasts."""
        self._number, self._step, self._doing, self._trains = self._number + 1, name, "", ""
        self._began = time.monotonic()
        self._ended = threading.Event()
        thread = threading.Thread(target=self._show, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
            self._expected.pop(name, None)
            if self._stream.isatty():
                self._stream.write("\r\x1b[K")
                self._stream.flush()

    def line(self) -> str:
        """The step, what is being made, epochs and losses, elapsed and remaining time."""
        elapsed = time.monotonic() - self._began
        of = f"/{self._total}" if self._total else ""
        times = f" {_clock(elapsed)}"
        if self._step in self._expected:
            now = max(0.0, self._expected[self._step] - elapsed)
            later = sum(value for name, value in self._expected.items() if name != self._step)
            times += f", about {_clock(now + later)} left"
        words = " · ".join(filter(None, (self._step, self._trains, self._doing)))
        head = f"  [{self._number}{of}] "
        width = (self._width or shutil.get_terminal_size().columns) - 1
        room = width - len(head) - len(times)
        if len(words) > room:
            words = f"{words[: max(room - 1, 0)]}…"
        return f"{head}{words}{times}"[:width]

    def _show(self) -> None:
        terminal = self._stream.isatty()
        while not self._ended.wait(EVERY if terminal else PATIENCE):
            self._look()
            line = self.line()
            self._stream.write(f"\r{line}\x1b[K" if terminal else f"{line}\n")
            self._stream.flush()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked >= _POLL:
            self._looked = now
            self._trains = self._trainings()


def trainings() -> str:
    """The epochs and losses of the running training jobs, as their logs tell; or nothing."""
    once = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})
    try:
        sagemaker = boto3.client("sagemaker", config=once)
        logs = boto3.client("logs", config=once)
        found = sagemaker.list_training_jobs(StatusEquals="InProgress", MaxResults=5)
        told = []
        for job in found["TrainingJobSummaries"]:
            name = job["TrainingJobName"]
            last = ""
            for event in logs.filter_log_events(
                logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
            )["events"]:
                if said := _METRIC.search(event["message"]):
                    last = f" epoch {said[1]}, {said[2]} loss {float(said[3]):.4g}"
            told.append(f"{'-'.join(name.split('-')[1:-1])}{last}")
        return ", ".join(told)
    except (BotoCoreError, ClientError, ValueError):
        return ""  # no group yet, or AWS is busy: the next look tells


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
