"""Factorization machines under the container contract."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from recsys import recordio
from recsys.container.algorithms import Answer, Channel, Job
from recsys.errors import InputError
from recsys.factorization_machines import hyperparameters, requests
from recsys.factorization_machines.machine import Machine

_CHANNELS = ("train", "test")


def train(job: Job) -> None:
    """Train on the channel `train`; evaluate on `test`."""
    problems: list[str] = []
    settings = None
    try:
        settings = hyperparameters.parse(job.hyperparameters)
    except InputError as error:
        problems += error.problems
    problems += _channel_problems(job.channels)
    if problems or settings is None:
        raise InputError(problems)
    data: dict[str, tuple[csr_array, NDArray[np.float32]]] = {}
    for name, channel in job.channels.items():
        try:
            parts = [
                recordio.read(file.read_bytes(), settings.feature_dim, f"{file.name} record")
                for file in channel.files
            ]
            features = csr_array(vstack([part[0] for part in parts]))
            data[name] = features, np.concatenate([part[1] for part in parts])
            if not features.shape[0]:
                problems.append(f"channel {name}: no data in its files")
            elif settings.classifies and not np.isin(data[name][1], (0, 1)).all():
                problems.append(f"channel {name}: a binary_classifier's labels must be 0 or 1")
        except InputError as error:
            problems += [f"channel {name}: {problem}" for problem in error.problems]
    if problems:
        raise InputError(problems)

    # Importing the compiler takes half a second, so check the input first.
    from recsys.factorization_machines.training import train as learn

    def ended(epoch: int, machine: Machine) -> None:
        _say(job.host, epoch, "train", machine.metrics(*data["train"]))

    machine = learn(settings, *data["train"], epoch_ends=ended, stop=job.stop)
    if "test" in data:
        _say(job.host, settings.epochs, "test", machine.metrics(*data["test"]))
    machine.save(job.model)


def load(model: Path) -> Answer:
    """Load the model and return the function that answers requests."""
    return partial(requests.answer, Machine.load(model))


def _channel_problems(channels: Mapping[str, Channel]) -> list[str]:
    problems = [] if "train" in channels else ["channel train: required, but not given"]
    for name, channel in channels.items():
        if name not in _CHANNELS:
            problems.append(f"channel {name}: not one of {', '.join(_CHANNELS)}")
        elif channel.content_type not in (None, recordio.CONTENT_TYPE):
            problems.append(
                f"channel {name}: content type must be {recordio.CONTENT_TYPE}, "
                f"not {channel.content_type}"
            )
        elif not channel.files:
            problems.append(f"channel {name}: has no files")
    return problems


def _say(host: str, epoch: int, channel: str, metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
        kind = "score" if name.endswith("accuracy") or "_f_" in name else "loss"
        print(
            f"#quality_metric: host={host}, epoch={epoch}, {channel} {name} <{kind}>={value:.6g}",
            flush=True,
        )
