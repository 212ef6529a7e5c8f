"""The section `accelerator`: the same trainings on a machine's CPU and on its GPU.

Skipped with a message if JAX finds no GPU. Each figure is measured in a separate process, because
JAX keeps the device that it started with: `python -m bench.accelerator PRESET EPOCHS DATA`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import growth, training
from bench.movielens import MovieLens
from bench.peers import Peers
from bench.results import Rows, clock

_DEVICES = {"processor": ("cpu", "cpu"), "GPU": ("cuda", "cuda")}
"""The names of the devices in JAX and PyTorch."""

_LARGE = (growth.OBJECT2VEC, growth.DEEP_MF)
_EPOCHS = {"default": 10, "workshop": 4}
_PLAIN_EPOCHS = 8


def run(data: MovieLens, peers: Peers | None, rows: Rows, quick: bool) -> None:
    """Measure the rows that `rows` does not contain yet."""
    gpu = _gpu()
    if gpu is None:
        print("accelerator: JAX finds no GPU here; skipped", file=sys.stderr, flush=True)
        return
    train, test = data.split("ua")
    for device, (jax, torch) in _DEVICES.items():
        for engine in _LARGE:
            shape = "1M" if quick else "20M"
            if not rows.has(engine=engine, device=device):
                told, figures = _child(jax, "bench.growth", engine, shape)
                speed = told["ratings"] / told["seconds"]
                _add(rows, engine, device, gpu, {"ratings_a_second": speed, **told}, figures)
        for preset, epochs in _EPOCHS.items():
            engine = f"Object2Vec, {preset}"
            if not rows.has(engine=engine, device=device):
                curve, figures = _child(
                    jax, "bench.accelerator", preset, str(epochs), str(data.folder)
                )
                _add(rows, engine, device, gpu, training.summary(curve, len(train)), figures)
        if peers and not rows.has(engine=training.PLAIN, device=device):
            if peers.missing("torch"):
                continue
            with clock() as timed:
                told = peers.run(
                    "plain_object2vec",
                    train,
                    test,
                    epochs=_PLAIN_EPOCHS,
                    target=training.ERROR,
                    device=torch,
                )
            found = training.summary(told["curve"], len(train))
            _add(rows, training.PLAIN, device, gpu, found, timed.row())


def _gpu() -> str | None:
    """The GPU's name; None if there is none."""
    ask = "import jax; print(jax.devices('cuda')[0].device_kind)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    return None if done.returncode else done.stdout.strip()


def _child(platform: str, module: str, *arguments: str) -> tuple[Any, dict[str, float]]:
    with clock() as timed:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, "JAX_PLATFORMS": platform},
            stdout=subprocess.PIPE,
            check=True,
        )
    return json.loads(done.stdout), timed.row()


def _add(
    rows: Rows, engine: str, device: str, gpu: str, told: dict[str, Any], figures: dict[str, float]
) -> None:
    rows.add(engine=engine, device=device, gpu=gpu, **told, **figures)
    print(
        f"{engine}, {device}: {told['ratings_a_second']:,.0f} ratings/s",
        file=sys.stderr,
        flush=True,
    )


def main(preset: str, epochs: str, folder: str) -> None:
    """Train once and print the learning curve as JSON."""
    train, test = MovieLens(Path(folder)).split("ua")
    print(json.dumps(training.learn(preset, int(epochs), train, test)))


if __name__ == "__main__":
    main(*sys.argv[1:])
