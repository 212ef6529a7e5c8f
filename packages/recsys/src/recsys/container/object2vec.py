"""Object2Vec under the container contract."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from recsys.container.algorithms import Answer, Channel, Job
from recsys.errors import InputError
from recsys.instances import JSON_LINES
from recsys.object2vec import hyperparameters, requests
from recsys.object2vec.records import read_pairs
from recsys.object2vec.scorer import Scorer

_CHANNELS = ("train", "validation", "test")


def train(job: Job) -> None:
    """Train on the channel `train`, stop early on `validation`, evaluate on `test`."""
    problems: list[str] = []
    try:
        settings = hyperparameters.parse(job.hyperparameters)
    except InputError as error:
        problems += error.problems
    problems += _channel_problems(job.channels)
    if problems:
        raise InputError(problems)
    pairs = {}
    for name, channel in job.channels.items():
        try:
            pairs[name] = read_pairs(channel.files, settings)
            if not len(pairs[name]):
                problems.append(f"channel {name}: no data in its files")
        except InputError as error:
            problems += [f"channel {name}: {problem}" for problem in error.problems]
    if problems:
        raise InputError(problems)
    print(
        "Object2Vec: " + ", ".join(f"{len(some):,} {name} pairs" for name, some in pairs.items()),
        flush=True,
    )

    # Concurrent jobs share the cores: one thread each is faster than two competing ones.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    # Importing JAX takes over a second, so check the input first.
    from recsys import compilation
    from recsys.object2vec import training

    compilation.remember()

    spoken = time.monotonic()

    def report(event: training.Progress | training.Epoch) -> None:
        nonlocal spoken
        if isinstance(event, training.Epoch):
            for name, metrics in event.metrics.items():
                _say_metrics(job.host, event.epoch, name, metrics)
            print(f"epoch {event.epoch}/{settings.epochs} took {event.seconds:.1f} s", flush=True)
        elif time.monotonic() - spoken < 5:
            return
        else:
            print(
                f"epoch {event.epoch}/{settings.epochs}: {event.done / event.pairs:.0%}, "
                f"{event.pairs_a_second:,.0f} pairs/s, "
                f"at most {event.seconds_left:.0f} s left",
                flush=True,
            )
        spoken = time.monotonic()

    outcome = training.train(
        settings, pairs["train"], pairs.get("validation"), report=report, stop=job.stop
    )
    if outcome is None:
        print("stopped before training started: no model", flush=True)
        return
    # Repeated for the epoch that is kept, because the last value of a metric counts.
    for name in ("validation", "test"):
        if name in pairs:
            _say_metrics(job.host, outcome.best, name, outcome.scorer.metrics(pairs[name]))
    outcome.scorer.save(job.model)
    print(f"kept epoch {outcome.best} of {len(outcome.history)}", flush=True)


def load(model: Path) -> Answer:
    """Load the model and return the function that answers requests."""
    return partial(requests.answer, Scorer.load(model))


def _channel_problems(channels: Mapping[str, Channel]) -> list[str]:
    problems = [] if "train" in channels else ["channel train: required, but not given"]
    for name, channel in channels.items():
        if name not in _CHANNELS:
            problems.append(f"channel {name}: not one of {', '.join(_CHANNELS)}")
        elif channel.content_type not in (None, JSON_LINES):
            problems.append(
                f"channel {name}: content type must be {JSON_LINES}, not {channel.content_type}"
            )
        elif not channel.files:
            problems.append(f"channel {name}: has no files")
    return problems


def _say_metrics(host: str, epoch: int, channel: str, metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
        kind = "score" if name == "accuracy" else "loss"
        print(
            f"#quality_metric: host={host}, epoch={epoch}, {channel} {name} <{kind}>={value:.6g}",
            flush=True,
        )
