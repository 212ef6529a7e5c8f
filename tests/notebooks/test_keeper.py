"""The keeper of a notebook instance: activity, and stopping when idle."""

import http.server
import json
import threading
import urllib.error
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from notebooks.instance import keeper
from tests.reliability import Tally

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC).timestamp()
START = NOW - 3 * 3600


def kernel(state: str, minutes_ago: float) -> dict[str, Any]:
    """As Jupyter lists one, which counts in UTC."""
    when = datetime.fromtimestamp(NOW - 60 * minutes_ago, UTC)
    return {
        "id": "b4c0",
        "name": "recommendation-engine",
        "last_activity": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "execution_state": state,
        "connections": 1,
    }


def terminal(minutes_ago: float) -> dict[str, Any]:
    return {"name": "1", "last_activity": kernel("", minutes_ago)["last_activity"]}


@pytest.mark.parametrize(
    ("kernels", "terminals", "minutes"),
    [
        ([], [], 180),  # since the start
        ([kernel("idle", 90)], [], 90),
        ([kernel("idle", 90), kernel("idle", 20)], [], 20),
        ([kernel("idle", 90)], [terminal(5)], 5),
        ([kernel("busy", 170)], [], 0),  # a cell that runs for hours is work
        ([kernel("idle", 90), kernel("busy", 170)], [terminal(100)], 0),
        ([kernel("starting", 40)], [], 40),  # a kernel without connections keeps this state
        ([kernel("dead", 90)], [], 90),
        ([kernel("idle", 200)], [], 180),  # of before the start
        ([kernel("idle", -10)], [], 0),  # of a clock that is fast
    ],
)
def test_active_returns_the_last_activity(kernels: Any, terminals: Any, minutes: float) -> None:
    assert NOW - keeper.active(kernels, terminals, START, NOW) == pytest.approx(60 * minutes)


class Instance:
    """Jupyter's answers and the clock of an instance on which a minute takes no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = START
        self.answers: dict[str, Any] = {"kernels": [], "terminals": []}
        self.stopped: list[float] = []
        self.stop_fails = 0
        clock = SimpleNamespace(time=lambda: self.now, sleep=self._sleep)
        monkeypatch.setattr(keeper, "time", clock)  # the keeper's alone: others wait for real
        monkeypatch.setattr(keeper, "ask", self._ask)
        monkeypatch.setattr("boto3.client", lambda _: self)

    def minutes(self) -> float:
        return (self.now - START) / 60

    def stop_notebook_instance(self, NotebookInstanceName: str) -> None:  # noqa: N803
        assert NotebookInstanceName == "mine"
        self.stopped.append(self.minutes())
        if len(self.stopped) <= self.stop_fails:
            raise OSError("no network")

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.minutes() < 1000, "it never stopped"

    def _ask(self, path: str) -> Any:
        answer = self.answers[path]
        answer = answer(self.minutes()) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Instance:
    return Instance(monkeypatch)


def test_idle_instance_is_stopped(instance: Instance) -> None:
    keeper.watch("mine", 60)
    assert instance.stopped == [60]


def test_running_cell_keeps_the_instance(instance: Instance) -> None:
    instance.answers["kernels"] = lambda minute: [
        kernel("busy" if minute <= 200 else "idle", 180)  # its last output was at the start
    ]
    keeper.watch("mine", 60)
    assert instance.stopped == [260]


def test_refused_request_keeps_the_instance(instance: Instance, caplog: Any) -> None:
    refusal = urllib.error.HTTPError("", 403, "Forbidden", {}, None)  # type: ignore[arg-type]
    instance.answers["kernels"] = lambda minute: refusal if minute <= 100 else []
    keeper.watch("mine", 60)
    assert instance.stopped == [101]
    assert "cannot determine whether the instance is in use" in caplog.text


def test_failed_stop_is_retried(instance: Instance) -> None:
    instance.stop_fails = 2
    keeper.watch("mine", 15)
    assert instance.stopped == [15, 16, 17]


def test_install_removes_only_its_own_environments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tally: Tally
) -> None:
    mine, old, other, linked = (tmp_path / f"recommendation-engine-{n}" for n in "abcd")
    (old / ".env" / "conda-meta").mkdir(parents=True)
    (old / "notes.md").write_text("of the user")
    (other / ".env").mkdir(parents=True)
    (other / ".env" / "secrets").write_text("of the user")
    (tmp_path / "elsewhere" / "conda-meta").mkdir(parents=True)
    linked.mkdir()
    (linked / ".env").symlink_to(tmp_path / "elsewhere")

    def run(*command: str | Path) -> None:
        if "create" in command:
            (mine / ".env").mkdir(parents=True)

    monkeypatch.setattr(keeper, "_PROJECT", mine)
    monkeypatch.setattr(keeper, "_run", run)
    keeper.install("us-east-1", "recommender")
    assert not (old / ".env").exists()
    assert (old / "notes.md").exists()
    assert (other / ".env" / "secrets").exists()
    assert (tmp_path / "elsewhere" / "conda-meta").exists()
    assert (mine / ".env" / "complete").exists()
    tally("inputs tried", "folders that may be a notebook's environment", 3)


@pytest.fixture
def jupyter(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A server that answers by path, and 404 to all else."""
    answers: dict[str, Any] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path, 404)
            self.send_response(answer if isinstance(answer, int) else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(keeper, "JUPYTER", f"http://127.0.0.1:{server.server_port}/api")
        yield answers
        server.shutdown()


def test_ask_returns_jupyters_response(
    jupyter: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    jupyter["/api/kernels"] = [kernel("idle", 1)]
    assert keeper.ask("kernels") == [kernel("idle", 1)]
    assert keeper.ask("terminals") == [], "they are turned off"
    jupyter["/api/kernels"] = 403
    with pytest.raises(urllib.error.HTTPError):
        keeper.ask("kernels")
    monkeypatch.setattr(keeper, "JUPYTER", "http://127.0.0.1:1/api")
    assert keeper.ask("kernels") == [], "who does not answer does not work"
