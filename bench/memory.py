"""Measure the retrieval function's memory per movie: `python -m bench.memory`.

The function's own code embeds a catalogue and, in a second process, reads the stored embeddings.
The endpoint returns few distinct vectors and S3 is a folder, so that they need little memory
themselves.
"""

import io
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import psutil
from botocore.exceptions import ClientError

from recsys.datasets import DataSet, MovieTable, Ratings, catalogue, layout

sys.path.append(str(Path(__file__).resolve().parent.parent / "lambdas"))
from movie_retrieval.catalogue import Library

_PLACES = 499
SIZES = ((100_000, 16), (100_000, 64), (27_000, 2048))


class _Bucket:
    """The part of the S3 client that the function uses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def head_object(self, *, Key: str, **_: str) -> dict[str, str]:  # noqa: N803
        return {"ETag": Key}

    def get_object(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803
        path = self._folder / Path(Key).name
        if not path.exists():
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": _Body(path.read_bytes())}

    def put_object(self, *, Key: str, Body: bytes, **_: str) -> None:  # noqa: N803
        (self._folder / Path(Key).name).write_bytes(Body)


class _Body(io.BytesIO):
    def iter_chunks(self, size: int) -> Any:
        return iter(lambda: self.read(size), b"")


class _Endpoint:
    """The part of the SageMaker client that the function uses."""

    def __init__(self, dimensions: int) -> None:
        places = np.random.default_rng(0).standard_normal((_PLACES, dimensions)).round(9)
        self._lines = [json.dumps({"embeddings": place}).encode() for place in places.tolist()]

    def describe_endpoint(self, **_: str) -> dict[str, str]:
        return {"EndpointConfigName": "config", "EndpointStatus": "InService"}

    def invoke_endpoint(self, *, Body: bytes, **_: str) -> dict[str, Any]:  # noqa: N803
        movies = [json.loads(line)["in1"][0] for line in Body.splitlines()]
        lines = [self._lines[movie % _PLACES] for movie in movies]
        return {"Body": io.BytesIO(b"\n".join(lines))}


def _measure(folder: Path, movies: int, dimensions: int) -> None:
    """Print the bytes per movie: kept, and at the peak."""
    s3: Any = _Bucket(folder)
    endpoint: Any = _Endpoint(dimensions)
    for name in ("s3", "sagemaker", "sagemaker-runtime"):
        boto3.client(name, region_name="us-east-1")
    before = psutil.Process().memory_info().rss
    found = Library(s3, endpoint, endpoint, "endpoint", layout.CATALOGUE, "").catalogue("bucket")
    after = psutil.Process().memory_info().rss
    assert len(found.around("1", 10)[1]) == 10
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print((after - before) // movies, (most - before) // movies)


def main() -> None:
    """Measure all sizes, each in separate processes, and print a table."""
    print("| movies | dimensions | kept, bytes per movie | peak, reading | peak, embedding |")
    print("|---|---|---|---|---|")
    for movies, dimensions in SIZES:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            films = (
                (n, f"Some Film of Many, The ({1900 + n % 120})", (), 0) for n in range(movies)
            )
            nobody = Ratings(*(np.empty(0, np.int64) for _ in range(4)))  # type: ignore[arg-type]
            data = DataSet(nobody, MovieTable.of(films), "many films", "generated")
            catalogue.write(Path(folder) / Path(layout.CATALOGUE).name, data, nobody)
            command = [sys.executable, "-m", "bench.memory", folder, str(movies), str(dimensions)]
            made, read = (
                subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                for _ in range(2)
            )
        print(f"| {movies:,} | {dimensions} | {read[0]} | {read[1]} | {made[1]} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        _measure(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
