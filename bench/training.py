"""The section `training`: training times on MovieLens 100k, alone and compared with peers.

Each row is one run. `mse` is measured on ua.test, only to determine when a target is reached: no
setting depends on it.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench import accuracy, engines
from bench.movielens import ITEMS, SCALE, USERS, MovieLens
from bench.peers import Peers
from bench.results import Clock, Rows, clock
from recsys.bayesian_fm import BayesianFactorizationMachine
from recsys.datasets.ratings import Ratings
from recsys.protocols import stratified_split

ERROR = 0.91
"""The MSE on ua that the workshop reports; the time to reach it is measured."""

PLAIN = "plain PyTorch, the workshop's network"
OURS = "Object2Vec, default"
DRAWS = (20, 40, 80)
PEERS_DRAWS = (100, 300)
_RUNS = 3
_SAID = re.compile(r"validation (mean_squared_error|accuracy) <\w+>=(\S+)")


def run(data: MovieLens, peers: Peers | None, rows: Rows, quick: bool) -> None:
    """Measure the rows that `rows` does not contain yet."""
    train, test = data.split("ua")
    for task in ("rating", "recommendation"):
        name = f"{OURS}, {task}"
        if not rows.has(engine=name, what="job"):
            _jobs(rows, name, task, train, test, 1 if quick else _RUNS)
    for name, preset, epochs in (
        (OURS, "default", 10),
        ("Object2Vec, workshop", "workshop", 3),
    ):
        if not rows.has(engine=name, what="epochs") and not (quick and preset == "workshop"):
            for seed in range(1 if quick or preset == "workshop" else _RUNS):
                _epochs(rows, name, preset, epochs, train, test, seed)
    if peers and not quick and not rows.has(engine=PLAIN) and not peers.missing("torch"):
        with clock() as timed:
            told = peers.run("plain_object2vec", train, test, epochs=8, target=ERROR)
        _add_epochs(rows, PLAIN, told["curve"], len(train), timed, 0)
    for name, fit in (("EASE", engines.ease), (accuracy.BEST_LISTS, engines.edlae)):
        if not rows.has(engine=name):
            _lists(rows, name, fit, data, 1 if quick else _RUNS)
    for engine, draws in ((accuracy.BAYESIAN, DRAWS), ("myfm", PEERS_DRAWS)):
        for count in draws[:1] if quick else draws:
            for seed in range(1 if quick else _RUNS):
                if not rows.has(engine=engine, draws=count, seed=seed):
                    _draws(rows, engine, count, train, test, seed, peers)


def _jobs(rows: Rows, name: str, task: str, train: Ratings, test: Ratings, runs: int) -> None:
    """Measure jobs from process start to model.tar.gz, with cold and then warm caches."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        cold = {"XDG_CACHE_HOME": str(Path(scratch) / "cache")}
        for number in range(runs + 1):
            root = Path(scratch) / str(number)
            write_job(root, task, train, test)
            with clock() as timed:
                said = job(root, cold)
            rows.add(
                engine=name,
                what="job",
                caches="cold" if number == 0 else "warm",
                seed=0,
                peak_gb=said["peak_gb"],
                mse=said.get("mean_squared_error"),
                accuracy=said.get("accuracy"),
                **timed.row(),
            )
            _tell(name, f"to model.tar.gz in {timed.wall:.1f} s")


def write_job(root: Path, task: str, train: Ratings, test: Ratings) -> None:
    """Write a training job's folder: settings and channels."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    settings = engines.object2vec_settings("default", task)
    settings = {name: str(value) for name, value in settings.items()}
    (config / "hyperparameters.json").write_text(json.dumps(settings), "utf-8")
    channels = {name: {"ContentType": "application/jsonlines"} for name in ("train", "validation")}
    (config / "inputdataconfig.json").write_text(json.dumps(channels), "utf-8")
    order = np.random.default_rng(0).permutation(len(train))
    for name, some in (("train", train.take(order)), ("validation", test)):
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        label = some.rating if task == "rating" else SCALE.likes(some.rating).astype(int)
        lines = zip(some.user.tolist(), some.item.tolist(), label.tolist(), strict=True)
        text = "".join(f'{{"in0": [{u}], "in1": [{i}], "label": {y}}}\n' for u, i, y in lines)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")


def job(root: Path, environment: dict[str, str] | None = None) -> dict[str, float]:
    """Run the training job under `root` and pack its model; return its metrics and peak memory."""
    process = subprocess.Popen(
        [sys.executable, "-m", "recsys.container", "train", "object2vec"],
        env={**os.environ, **(environment or {}), "CONTAINER_ROOT": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    log = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the training job failed: {log[-500:]}")
    with tarfile.open(root / "model.tar.gz", "w:gz") as packed:
        packed.add(root / "model", arcname=".")
    said = {name: float(value) for name, value in _SAID.findall(log)}
    return said | {"peak_gb": usage.ru_maxrss / 1e6}


def _epochs(
    rows: Rows, name: str, preset: str, epochs: int, train: Ratings, test: Ratings, seed: int
) -> None:
    with clock() as timed:
        curve = learn(preset, epochs, train, test, seed)
    _add_epochs(rows, name, curve, len(train), timed, seed)


def learn(
    preset: str, epochs: int, train: Ratings, test: Ratings, seed: int = 0
) -> list[dict[str, float]]:
    """Train, and return after each epoch the MSE on `test` and the seconds so far."""
    from recsys import compilation
    from recsys.object2vec import hyperparameters, training

    compilation.remember()
    settings = hyperparameters.parse(
        engines.object2vec_settings(preset, "rating") | {"epochs": epochs}
    )
    learnt, judged = engines.pairs(train, "rating"), engines.pairs(test, "rating")
    curve: list[dict[str, float]] = []

    def report(event: training.Progress | training.Epoch) -> None:
        if isinstance(event, training.Epoch):
            mse = event.metrics["validation"]["mean_squared_error"]
            curve.append({"mse": mse, "seconds": time.perf_counter() - started})

    started = time.perf_counter()
    training.train(settings, learnt, judged, seed=seed, report=report)
    return curve


def _add_epochs(
    rows: Rows, name: str, curve: list[dict[str, float]], ratings: int, timed: Clock, seed: int
) -> None:
    row = {"engine": name, "what": "epochs", "seed": seed, **summary(curve, ratings)}
    rows.add(**row, **timed.row())
    _tell(name, f"{row['ratings_a_second']:,.0f} ratings/s, {row['seconds_to_error']} s to {ERROR}")


def summary(curve: list[dict[str, float]], ratings: int) -> dict[str, Any]:
    """Summarize a learning curve; the speed excludes the first epoch, which compiles."""
    later = curve[1:] or curve
    first = curve[0]["seconds"] if curve[1:] else 0.0
    reached = [point["seconds"] for point in curve if point["mse"] <= ERROR]
    return {
        "curve": curve,
        "ratings_a_second": ratings * len(later) / (curve[-1]["seconds"] - first),
        "seconds_to_error": reached[0] if reached else None,
    }


def _lists(rows: Rows, name: str, fit: engines.Fit, data: MovieLens, runs: int) -> None:
    """Measure a closed-form model on the training part of the lists' protocol."""
    train, _ = stratified_split(data.ratings)
    fit(data, train, 0)
    for seed in range(runs):
        with clock() as timed:
            fit(data, train, seed)
        rows.add(engine=name, what="lists", seed=seed, fit_seconds=timed.wall, **timed.row())
    _tell(name, f"{timed.wall:.2f} s")


def _draws(
    rows: Rows,
    engine: str,
    draws: int,
    train: Ratings,
    test: Ratings,
    seed: int,
    peers: Peers | None,
) -> None:
    """Measure a sampler with SVD++'s sets: seconds and MSE."""
    told: dict[str, Any]
    with clock() as timed:
        if engine == "myfm":
            if peers is None or peers.missing("myfm"):
                return
            told = peers.run("myfm", train, test, seed=seed, iterations=draws)
        else:
            machine = BayesianFactorizationMachine(seed=seed, iterations=draws)
            started = time.perf_counter()
            machine.fit(train.user, train.item, train.rating, shape=(USERS, ITEMS))
            seconds = time.perf_counter() - started
            told = {"seconds": seconds, "predicted": machine.predict(test.user, test.item)}
    mse = float(np.mean((np.clip(told["predicted"], 1, 5) - test.rating) ** 2))
    rows.add(
        engine=engine,
        what="draws",
        draws=draws,
        seed=seed,
        mse=mse,
        seconds=told["seconds"],
        **timed.row(),
    )
    _tell(engine, f"{draws} draws: MSE {mse:.4f} in {told['seconds']:.1f} s")


def _tell(engine: str, words: str) -> None:
    print(f"{engine}: {words}", file=sys.stderr, flush=True)
