"""Every engine, one table: `python -m bench` writes docs/benchmarks.md from what it measures."""

import argparse
import json
import os
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bench import report, scale, top_n
from bench.engines import LIKING, RATING, Engine
from bench.movielens import split
from bench.peers import PEERS, implicit_als
from recsys.datasets.baselines import LIKED
from recsys.datasets.download import cached, download
from recsys.errors import InputError
from recsys.metrics import binary_metrics, rating_metrics


def measure(folder: Path, engine: Engine, binary: bool, quick: bool) -> list[dict[str, Any]]:
    """Run an engine on its splits: one row for each split and seed."""
    rows = []
    for name in engine.splits[:1] if quick else engine.splits:
        parts = split(folder, name)
        for seed in range(engine.seeds if name == "ua" and not quick else 1):
            wall, cpu = time.perf_counter(), time.process_time()
            predicted = np.asarray(engine.predict(folder, parts, seed), np.float64)
            seconds = {
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
                "load": os.getloadavg()[0],
            }
            if binary:
                found = binary_metrics(parts.test.rating > LIKED, predicted)
            else:
                found = rating_metrics(parts.test.rating, np.clip(predicted, 1, 5))
            rows.append({"engine": engine.name, "split": name, "seed": seed, **found, **seconds})
            figures = ", ".join(f"{key} {value:.4f}" for key, value in found.items())
            print(f"{engine.name}, {name}, seed {seed}: {figures}; ", end="", file=sys.stderr)
            print("{wall:.1f} s ({cpu:.1f} s CPU)".format(**seconds), file=sys.stderr, flush=True)
    return rows


def main() -> int:
    """Measure and write; 1 if the data cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder of MovieLens 100k; else the cache")
    parser.add_argument("--quick", action="store_true", help="fewer engines, splits and seeds")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    options = parser.parse_args()
    try:
        folder = options.data or cached() or download()
        split(folder, "ua")
    except (InputError, OSError) as error:
        print(f"MovieLens 100k cannot be had: {error}", file=sys.stderr)
        return 1
    began = time.monotonic()
    found: dict[str, Any] = {"quick": options.quick, "load": os.getloadavg()[0], "skipped": []}
    peers: list[Engine] = []
    for package, engines in PEERS.items():
        try:
            import_module(package)
            peers += engines
        except ImportError as error:
            found["skipped"].append(f"{package} ({error})")
    for kind, engines in (("rating", (*RATING, *peers)), ("liking", LIKING)):
        found[kind] = [
            row
            for engine in engines
            if engine.quick or not options.quick
            for row in measure(folder, engine, kind == "liking", options.quick)
        ]
    try:
        import_module("implicit")
        top_n.ENGINES["implicit, ALS"] = implicit_als
    except ImportError as error:
        found["skipped"].append(f"implicit ({error})")
    found["top_n"] = top_n.run(folder)
    found["scale"] = scale.run(ratings=1_000_000 if options.quick else 20_000_000)
    found["minutes"] = (time.monotonic() - began) / 60
    found["made"] = f"{datetime.now(UTC):%Y-%m-%d}"
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(report.markdown(found), "utf-8")
    raw = Path("build/benchmarks.json")
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(f"{options.out} ({found['minutes']:.1f} minutes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
