"""Runs a training job in its folder and writes model files or a failure file."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from recsys.container.algorithms import Channel, Job, trainer
from recsys.errors import InputError


def train(algorithm: str, root: Path) -> int:
    """Run the training job under `root`. Return the exit status.

    SIGTERM ends it early, with the best model so far. An error message is written to
    output/failure; it begins with `ClientError: ` if the user's input is invalid.
    """
    stopped, model = threading.Event(), root / "model"
    ours = not model.exists() or not any(model.iterdir())

    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    try:
        model.mkdir(parents=True, exist_ok=True)
        trainer(algorithm)(_job(root, stopped))
    except InputError as error:
        return _fail(root, ours, f"ClientError: {error}")
    except Exception as error:
        traceback.print_exc()  # for the log; the failure file has the reason only
        return _fail(root, ours, f"InternalServerError: {type(error).__name__}: {error}")
    return 0


def _job(root: Path, stopped: threading.Event) -> Job:
    config = root / "input" / "config"
    hyperparameters = _object(config / "hyperparameters.json")
    channels = {}
    for name, settings in _object(config / "inputdataconfig.json").items():
        if settings.get("TrainingInputMode", "File") == "Pipe":
            raise InputError(f"channel {name}: input mode Pipe is not supported; use File")
        folder = root / "input" / "data" / name
        files = sorted(
            path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
        )
        channels[name] = Channel(settings.get("ContentType"), tuple(files))
    resources = config / "resourceconfig.json"
    host = _object(resources).get("current_host", "algo-1") if resources.exists() else "algo-1"
    return Job(
        {
            name: str(value)
            for name, value in hyperparameters.items()
            if not name.startswith("sagemaker_")  # settings of framework containers
        },
        channels,
        root / "model",
        host,
        stopped.is_set,
    )


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: must hold a JSON object")
    return value


def _fail(root: Path, ours: bool, text: str) -> int:
    print(text, file=sys.stderr, flush=True)
    if ours:  # delete the incomplete model, which may have filled the disk
        shutil.rmtree(root / "model", ignore_errors=True)
    (root / "output").mkdir(parents=True, exist_ok=True)
    (root / "output" / "failure").write_text(text)
    return 1
