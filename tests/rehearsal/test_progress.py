"""What a run tells while it works: on a terminal, and without one."""

import io
import threading
import time
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rehearsal import progress
from rehearsal.progress import Progress, trainings


class Terminal(io.StringIO):
    """Keeps what is written, and says when something is."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal, self.written = terminal, threading.Semaphore(0)

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        self.written.release()
        return count


def test_line_tells_step_training_resource_and_times(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("rehearsal.progress.time.monotonic", lambda: now[0])
    run = Progress(8, {"cdk deploy": 90.0, "cdk destroy": 15.0}, Terminal(False), width=200)
    monkeypatch.setattr(run, "_show", lambda: None)
    with run.step("cdk synth"):
        pass
    with run.step("cdk deploy"):
        run.tell("recommender-Lists 7/21 AWS::DynamoDB::Table")
        now[0] += 65
        words = "cdk deploy · recommender-Lists 7/21 AWS::DynamoDB::Table"
        assert run.line() == f"  [2/8] {words} 1:05, about 0:40 left"
    with run.step("cdk destroy"):
        now[0] += 20  # longer than the earlier run took
        assert run.line() == "  [3/8] cdk destroy 0:20, about 0:00 left"


@pytest.mark.parametrize("width", [20, 80])
def test_line_fits_the_terminal_and_keeps_the_times(width: int) -> None:
    run = Progress(8, stream=Terminal(False), width=width)
    with run.step("cdk deploy --all"):
        run.tell("recommender-Object2Vec 12/61 AWS::SageMaker::EndpointConfig CREATE_IN_PROGRESS")
        line = run.line()
    assert len(line) == width - 1
    assert line.startswith("  [1/8] ")
    assert line.endswith("… 0:00")


@pytest.mark.parametrize("terminal", [True, False])
def test_step_is_shown_again_and_again(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal one line that is redrawn and removed, elsewhere lines."""
    monkeypatch.setattr(progress, "EVERY", 0.01)
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    monkeypatch.setattr(progress, "_POLL", 0.0)
    stream = Terminal(terminal)
    run = Progress(2, stream=stream, trainings=lambda: "rating epoch 3", width=80)
    with run.step("train"):
        for _ in range(3):
            assert stream.written.acquire(timeout=60)
    written = stream.getvalue()
    line = "  [1/2] train · rating epoch 3 0:00"
    if terminal:
        assert written.startswith(f"\r{line}\x1b[K\r{line}\x1b[K")
        assert written.endswith("\r\x1b[K")
        assert "\n" not in written
    else:
        assert written.startswith(f"{line}\n{line}\n")


def test_lines_are_never_further_apart_than_twenty_seconds() -> None:
    assert progress.EVERY == 1
    assert progress.PATIENCE < 20


def test_failing_step_ends_its_line() -> None:
    stream = Terminal(True)
    with pytest.raises(ValueError, match="no"), Progress(stream=stream).step("fails"):
        raise ValueError("no")
    assert stream.getvalue() == "\r\x1b[K"


def test_trainings_are_told_with_epoch_and_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    group, stream = "/aws/sagemaker/TrainingJobs", "shop-deep-mf-0123456789/algo-1"
    lines = [
        f"#quality_metric: host=algo-1, epoch={epoch}, {part} mean_squared_error <loss>={loss}"
        for epoch, part, loss in ((1, "train", 1.25), (1, "validation", 1.5), (2, "train", 0.98765))
    ]
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        logs = boto3.client("logs")
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        now = int(1000 * time.time())
        events: Any = [{"timestamp": now + k, "message": line} for k, line in enumerate(lines)]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
        monkeypatch.setattr(
            "rehearsal.progress.boto3.client",
            lambda name, **_: {"sagemaker": _Running(), "logs": logs}[name],
        )
        assert trainings() == "deep-mf epoch 2, train loss 0.9877"


class _Running:
    """SageMaker with one running job."""

    def list_training_jobs(self, **asked: Any) -> dict[str, Any]:
        assert asked["StatusEquals"] == "InProgress"
        return {"TrainingJobSummaries": [{"TrainingJobName": "shop-deep-mf-0123456789"}]}
