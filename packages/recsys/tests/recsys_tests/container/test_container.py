"""The container contract, through real processes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.object2vec.scorer import Scorer

pytestmark = pytest.mark.slow

SETTINGS = {
    "_kvstore": "device",
    "enc0_network": "pooled_embedding",
    "enc0_max_seq_len": "1",
    "enc0_vocab_size": "21",
    "enc1_vocab_size": "16",
    "enc0_token_embedding_dim": "8",
    "enc_dim": "4",
    "mlp_layers": "0",
    "mini_batch_size": "32",
    "learning_rate": "0.02",
    "epochs": "8",
    "output_layer": "mean_squared_error",
}
LINES = "application/jsonlines"


def ratings(seed: int, count: int) -> str:
    generator = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        user, item = int(generator.integers(1, 21)), int(generator.integers(1, 16))
        label = 1 + user % 3 + item % 2 + generator.normal(scale=0.1)
        lines.append(json.dumps({"in0": [user], "in1": [item], "label": label}))
    return "\n".join(lines) + "\n"


def job(root: Path, channels: dict[str, dict[str, str]], **settings: str) -> Path:
    """A training job's folder, as SageMaker lays it out."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps({**SETTINGS, **settings}))
    (config / "inputdataconfig.json").write_text(
        json.dumps({name: {"ContentType": LINES, "TrainingInputMode": "File"} for name in channels})
    )
    (config / "resourceconfig.json").write_text(
        json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]})
    )
    for channel, files in channels.items():
        for name, text in files.items():
            path = root / "input" / "data" / channel / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


def command(mode: str, algorithm: str = "object2vec") -> list[str]:
    return [sys.executable, "-m", "recsys.container", mode, algorithm]


def environment(root: Path) -> dict[str, str]:
    return {**os.environ, "CONTAINER_ROOT": str(root)}


def train(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("train"), env=environment(root), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    channels = {
        "train": {"a.jsonl": ratings(1, 300), "more/b.jsonl": ratings(2, 300)},
        "validation": {"v.jsonl": ratings(3, 200)},
        "test": {"t.jsonl": ratings(4, 200)},
    }
    root = job(tmp_path_factory.mktemp("ml"), channels)
    result = train(root)
    assert result.returncode == 0, result.stderr
    return root, result.stdout


def test_training_prints_metrics_in_sagemakers_format(trained: tuple[Path, str]) -> None:
    root, output = trained
    assert "600 train pairs, 200 validation pairs, 200 test pairs" in output
    line = re.compile(
        r"^#quality_metric: host=algo-1, epoch=(\d+), (train|validation|test) "
        r"mean_squared_error <loss>=([0-9.e-]+)$",
        re.MULTILINE,
    )
    found = line.findall(output)
    validation = [
        (int(epoch), float(value)) for epoch, name, value in found if name == "validation"
    ]
    epoch, last = validation[-1]
    # The last line is the kept epoch's, which is the best.
    assert last == min(value for _, value in validation)
    assert dict(validation[:-1])[epoch] == last
    assert last < 0.25
    assert [name for _, name, _ in found][-1] == "test"
    assert {path.name for path in (root / "model").iterdir()} == {"model.json", "model.npz"}
    assert not (root / "output" / "failure").exists()


@pytest.fixture(scope="module")
def server(trained: tuple[Path, str]) -> Iterator[int]:
    root, _ = trained
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = subprocess.Popen(
        command("serve"),
        env={**environment(root), "SAGEMAKER_BIND_TO_PORT": str(port)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert str(port) in process.stdout.readline()
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
        process.wait()


def call(
    connection: http.client.HTTPConnection, body: bytes, kind: str = "application/json", **more: str
) -> tuple[int, str, str]:
    connection.request("POST", "/invocations", body, {"Content-Type": kind, **more})
    response = connection.getresponse()
    return response.status, response.getheader("Content-Type", ""), response.read().decode()


def test_serving_keeps_the_connection(server: int, trained: tuple[Path, str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server, timeout=120)
    connection.request("GET", "/ping")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    held = connection.sock

    body = json.dumps({"instances": [{"in0": [5], "in1": [3]}]}).encode()
    status, kind, text = call(connection, body)
    assert (status, kind) == (200, "application/json")
    (score,) = json.loads(text)["predictions"][0]["scores"]
    assert score == pytest.approx(1 + 5 % 3 + 3 % 2, abs=0.5)

    status, kind, text = call(connection, b'{"in1": [3]}\n{"in1": [4]}\n', LINES)
    assert (status, kind) == (200, LINES)
    loaded = Scorer.load(trained[0] / "model")
    table = dict(zip(loaded.ids[1].tolist(), loaded.encodings[1].tolist(), strict=False))
    assert [json.loads(line)["embeddings"] for line in text.splitlines()] == [table[3], table[4]]

    status, kind, text = call(connection, body, Accept=LINES)
    assert (status, kind) == (200, LINES)

    status, _, text = call(connection, b'{"instances": [{"in0": [21], "in1": [3]}]}')
    assert status == 400
    assert text == "instances[0].in0 token id 21 is not in the vocabulary (0 to 20)"
    status, _, text = call(connection, body, "text/csv")
    assert status == 415
    assert "text/csv" in text
    assert connection.sock is held  # nothing of this closed the connection


def test_serving_refuses_other_paths_and_methods(server: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server, timeout=120)
    connection.request("GET", "/nothing")
    response = connection.getresponse()
    response.read()
    assert response.status == 404
    connection.request("POST", "/nothing", b"{}")
    response = connection.getresponse()
    response.read()
    assert response.status == 404
    connection.putrequest("POST", "/invocations")
    connection.endheaders()
    assert connection.getresponse().status == 411


def test_serving_without_a_model_fails(tmp_path: Path) -> None:
    result = subprocess.run(
        command("serve"), env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.startswith("cannot serve: ")
    assert "Traceback" not in result.stderr


def test_serving_imports_no_jax(trained: tuple[Path, str]) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from recsys.container import algorithms, serve\n"
        "answer = algorithms.loader('object2vec')(Path(sys.argv[1]))\n"
        "answer(b'{\"in0\": [1]}', 'application/jsonlines', None)\n"
        "assert not {'jax', 'scipy', 'boto3'} & set(sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(trained[0] / "model")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def failure(root: Path) -> str:
    result = train(root)
    assert result.returncode == 1
    text = (root / "output" / "failure").read_text()
    assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert not (root / "model").exists()
    return text


def test_invalid_input_is_all_reported_at_once(tmp_path: Path) -> None:
    channels = {"validation": {"v.jsonl": ratings(1, 5)}, "extra": {"e.jsonl": "{}"}}
    text = failure(job(tmp_path, channels, epochs="0", speed="9"))
    assert text.splitlines() == [
        "ClientError: speed: not a hyperparameter of Object2Vec",
        "epochs: must be an integer from 1 to 100, not '0'",
        "channel train: required, but not given",
        "channel extra: not one of train, validation, test",
    ]


def test_failed_training_keeps_existing_files(tmp_path: Path) -> None:
    root = job(tmp_path, {"train": {"a.jsonl": "no JSON"}})
    (root / "model").mkdir()
    (root / "model" / "precious").write_text("x")
    assert train(root).returncode == 1
    assert [path.name for path in (root / "model").iterdir()] == ["precious"]


def test_invalid_lines_are_named_by_channel_file_and_line(tmp_path: Path) -> None:
    bad = '{"in0": [1], "in1": [1], "label": 1}\n{"in0": [99], "in1": [1], "label": 1}\n'
    text = failure(job(tmp_path, {"train": {"a.jsonl": ratings(1, 5), "b.jsonl": bad}}))
    assert text == (
        "ClientError: channel train: b.jsonl line 2: "
        "in0 token id 99 is not in the vocabulary (0 to 20)"
    )


def test_empty_and_missing_data_are_reported(tmp_path: Path) -> None:
    root = job(tmp_path / "empty", {"train": {"a.jsonl": "\n"}})
    assert failure(root) == "ClientError: channel train: no data in its files"
    root = job(tmp_path / "missing", {"train": {}})
    assert failure(root) == "ClientError: channel train: has no files"


def test_wrong_content_type_is_reported(tmp_path: Path) -> None:
    root = job(tmp_path, {"train": {"a.jsonl": ratings(1, 5)}})
    config: dict[str, Any] = {"train": {"ContentType": "text/csv"}}
    (root / "input" / "config" / "inputdataconfig.json").write_text(json.dumps(config))
    assert "content type must be application/jsonlines, not text/csv" in failure(root)


def test_sigterm_saves_the_best_so_far(tmp_path: Path) -> None:
    channels = {
        "train": {"a.jsonl": ratings(1, 20_000)},
        "validation": {"v.jsonl": ratings(3, 200)},
    }
    # Far more epochs than there is time for, and a tolerance that never ends training by itself.
    root = job(
        tmp_path,
        channels,
        epochs="100",
        mini_batch_size="1",
        early_stopping_patience="5",
        learning_rate="0.000001",
        early_stopping_tolerance="0.000001",
    )
    process = subprocess.Popen(
        command("train"), env=environment(root), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "epoch=1, validation" in line:
                break
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        rest = process.stdout.read()
        assert process.wait() == 0
    finally:
        process.kill()
        process.wait()
    assert time.monotonic() - began < 100  # SageMaker's grace before SIGKILL is 120 s
    assert re.search(r"kept epoch \d+ of \d+$", rest.strip())
    assert "epoch=100" not in rest
    assert Scorer.load(root / "model").ids[0].tolist() == list(range(1, 21))


def test_unknown_algorithm_is_reported(tmp_path: Path) -> None:
    result = subprocess.run(
        command("train", "xgboost"),
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "object2vec" in result.stderr
