"""The section `serving`: cold start, latency and memory of an endpoint, and finding neighbours.

The endpoint is Object2Vec's container as the local AWS starts it, called over HTTP by one client.
Neighbours are found by the function `movie_retrieval` and, for comparison, in the way of the
workshop's function: each call reads the ratings, embeds every movie and compares them one by one.
The latter reads files from disk instead of S3 and calls the same container, without AWS's network.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from bench import training
from bench.movielens import MovieLens
from bench.results import Rows, clock

sys.path.append(str(Path(__file__).resolve().parent.parent / "lambdas"))
from movie_retrieval.catalogue import Catalogue
from movie_retrieval.embeddings import Embeddings
from movie_retrieval.logic import answer, parse

ENDPOINT = "Object2Vec's endpoint"
OURS = "movie_retrieval"
WORKSHOP = "the workshop's design"
SMALL, LARGE = "1,682 movies", "100,000 movies of 64 dimensions"
START = "cold start to the first answer"
_STARTS = 5

Ask = Callable[[bytes], bytes]


def run(data: MovieLens, rows: Rows, quick: bool) -> None:
    """Measure all rows; rows of an earlier run are replaced, because all belong together."""
    rows.rows.clear()
    train, test = data.split("ua")
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        root = Path(scratch)
        training.write_job(root, "rating", train, test)
        training.job(root)
        starts = 1 if quick else _STARTS
        with clock() as timed:
            seconds = [_cold_start(root) for _ in range(starts)]
        _add(rows, ENDPOINT, START, seconds, timed.others)
        with _endpoint(root) as (ask, process):
            some = zip(test.user.tolist(), test.item.tolist(), strict=True)
            instances = [{"in0": [user], "in1": [item]} for user, item in some]
            for count, calls in ((1, 2000), (100, 500), (1000, 100)):
                body = json.dumps({"instances": instances[:count]}).encode()
                with clock() as timed:
                    found = _times(lambda: ask(body), calls // 10 if quick else calls)  # noqa: B023
                memory = process.memory_info().rss / 1e6
                _add(rows, ENDPOINT, f"pairs a request: {count}", found, timed.others, mb=memory)
            _retrieval(rows, data, ask, quick)


def _add(
    rows: Rows, engine: str, what: str, seconds: list[float], others: float, **more: float
) -> None:
    p50, p99 = (float(np.percentile(seconds, share) * 1e3) for share in (50, 99))
    rows.add(engine=engine, what=what, calls=len(seconds), p50=p50, p99=p99, others=others, **more)
    print(f"{engine}, {what}: {p50:.2f} ms, p99 {p99:.2f} ms", file=sys.stderr, flush=True)


def _times(call: Callable[[], object], calls: int) -> list[float]:
    call()
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds


@contextmanager
def _endpoint(root: Path) -> Iterator[tuple[Ask, psutil.Process]]:
    """Serve the model under `root`: yields a function that calls the container, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "recsys.container", "serve", "object2vec"],
        env={**os.environ, "CONTAINER_ROOT": str(root), "SAGEMAKER_BIND_TO_PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(body: bytes) -> bytes:
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        return connection.getresponse().read()

    try:
        while True:
            try:
                connection.connect()
                break
            except ConnectionRefusedError:
                time.sleep(0.005)
        yield ask, psutil.Process(process.pid)
    finally:
        connection.close()
        process.terminate()
        process.wait()


def _cold_start(root: Path) -> float:
    body = json.dumps({"instances": [{"in0": [1], "in1": [1]}]}).encode()
    started = time.perf_counter()
    with _endpoint(root) as (ask, _):
        ask(body)
        return time.perf_counter() - started


# Neighbours ---------------------------------------------------------------------------------------


def _retrieval(rows: Rows, data: MovieLens, ask: Ask, quick: bool) -> None:
    ratings, films = data.folder / "ua.base", data.folder / "u.item"
    movies = _movies(ratings)
    vectors = np.array(_embedded(ask, movies), np.float32)
    titles = dict(zip(data.movies.item.tolist(), data.movies.title, strict=True))
    catalogue = Catalogue("bucket", titles, {}, Embeddings(movies, vectors))
    event = {"bucket_name": "bucket", "movie_id_to_examine": 195}
    with clock() as timed:
        found = _times(lambda: answer(parse(event), catalogue), 100 if quick else 2000)
    _add(rows, OURS, SMALL, found, timed.others)
    with clock() as timed:
        found = _times(lambda: _workshop(ratings, films, ask, 195), 2 if quick else 10)
    _add(rows, WORKSHOP, SMALL, found, timed.others)
    random = np.random.default_rng(0)
    vectors = random.standard_normal((100_000, 64)).astype(np.float32)
    embeddings = Embeddings(range(len(vectors)), vectors)
    with clock() as timed:
        found = _times(lambda: embeddings.nearest(195, 10), 20 if quick else 200)
    _add(rows, OURS, LARGE, found, timed.others)


def _workshop(ratings: Path, films: Path, ask: Ask, movie: int) -> str:
    """The work of the workshop's function in each call, without its upload to S3."""
    movies = _movies(ratings)
    found = dict(zip(movies, map(np.array, _embedded(ask, movies)), strict=True))
    nearest, least = -1, float("inf")
    for one, embedding in found.items():
        distance = float(np.linalg.norm(embedding - found[movie]))
        if one != movie and distance < least:
            nearest, least = one, distance
    titles = _titles(films)
    return f"The closest movie to {titles[movie]} in the embedding space is {titles[nearest]}"


def _movies(ratings: Path) -> list[int]:
    return sorted({int(line.split("\t")[1]) for line in ratings.read_text("utf-8").splitlines()})


def _titles(films: Path) -> dict[int, str]:
    # parse u.item as the workshop's function does, because that time is measured
    lines = films.read_text("latin-1").splitlines()
    return {int(line.split("|")[0]): line.split("|")[1] for line in lines}


def _embedded(ask: Ask, movies: list[int]) -> list[list[float]]:
    reply = json.loads(ask(json.dumps({"instances": [{"in1": [one]} for one in movies]}).encode()))
    return [one["embeddings"] for one in reply["predictions"]]
