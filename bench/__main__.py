"""Measure every engine and write docs/benchmarks.md: `python -m bench`.

Sections can be measured separately; the page is always written from all stored results, which are
in bench/results. `accuracy` and `timing` are groups of sections. Timings need an idle machine.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import (
    accelerator,
    accuracy,
    experiments,
    freshness,
    growth,
    lists,
    personalize_metrics,
    report,
    serving,
    spark,
    training,
)
from bench.movielens import MovieLens
from bench.peers import PeerError, Peers, install
from bench.results import Rows
from recsys import compilation
from recsys.datasets.download import cached, download
from recsys.errors import InputError

ACCURACY = ("rating", "recommendation", "ranking", "personalize")
TIMING = ("training", "serving", "lists", "growth", "spark", "accelerator")
STATISTICS = ("experiments", "freshness")
GROUPS = {"all": (*ACCURACY, *TIMING, *STATISTICS), "accuracy": ACCURACY, "timing": TIMING}
HOME = Path(__file__).resolve().parent


def main() -> int:
    """Measure the sections and write the page. Return 1 if the data are not available."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join((*GROUPS['all'], *GROUPS))}"
    )
    parser.add_argument(
        "--data", type=Path, help="the folder of MovieLens 100k; by default the cached one"
    )
    parser.add_argument(
        "--latest",
        type=Path,
        help="MovieLens latest-small, for `personalize` and `lists`; by default next to --data",
    )
    parser.add_argument(
        "--peers", type=Path, default=Path("build/peers"), help="the environment of the peers"
    )
    parser.add_argument("--resume", action="store_true", help="measure only what is missing")
    parser.add_argument(
        "--again", metavar="TEXT", help="also measure engines whose names contain TEXT"
    )
    parser.add_argument(
        "--page", action="store_true", help="only write the page, without measuring"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a small part of each section, into build/bench, as a smoke test",
    )
    options = parser.parse_args()
    unknown = set(options.sections) - {*GROUPS["all"], *GROUPS}
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}")
    asked = options.sections or ["all"]
    wanted = {section for name in asked for section in GROUPS.get(name, (name,))}
    results = Path("build/bench") if options.quick else HOME / "results"
    pages = Path("build/bench") if options.quick else HOME.parent / "docs"
    sections = [one for one in GROUPS["all"] if one in wanted]
    if not options.page and wanted <= set(STATISTICS):
        measure(None, Path(), sections, results, options)
    elif not options.page:
        try:
            folder = options.data or cached() or download()
            data = MovieLens(folder)
            data.split("ua")
        except (InputError, OSError) as error:
            print(f"MovieLens 100k is not available: {error}", file=sys.stderr)
            return 1
        latest = options.latest or folder.parent / "ml-latest-small"
        measure(data, latest, sections, results, options)
    report.write(results, pages)
    return 0


def measure(
    data: Any, latest: Path, sections: list[str], results: Path, options: argparse.Namespace
) -> None:
    """Measure the sections one after the other.

    Args:
        data: a `MovieLens`; None if no section needs it.
        latest: the folder of MovieLens latest-small.
        sections: their names.
        results: where rows are stored.
        options: of the command line.
    """
    compilation.remember()
    peers = None
    if {"rating", "ranking", "training", "accelerator"} & set(sections):
        try:
            peers = Peers(install(options.peers))
        except PeerError as error:
            print(f"the peers could not be installed: {error}", file=sys.stderr)
    quick = options.quick
    run: dict[str, Callable[[Rows], None]] = {
        "rating": lambda rows: accuracy.run("rating", data, peers, rows, quick),
        "recommendation": lambda rows: accuracy.run("recommendation", data, peers, rows, quick),
        "ranking": lambda rows: accuracy.run("ranking", data, peers, rows, quick),
        "personalize": lambda rows: personalize_metrics.run(latest, rows),
        "training": lambda rows: training.run(data, peers, rows, quick),
        "serving": lambda rows: serving.run(data, rows, quick),
        "lists": lambda rows: lists.run(data, latest, rows, quick),
        "growth": lambda rows: growth.run(rows, quick),
        "spark": lambda rows: spark.run(data, rows, quick),
        "accelerator": lambda rows: accelerator.run(data, peers, rows, quick),
        "experiments": lambda rows: experiments.run(rows, quick),
        "freshness": lambda rows: freshness.run(rows, quick),
    }
    for section in sections:
        began = time.monotonic()
        run[section](Rows(results / f"{section}.json", options.resume, options.again))
        print(f"{section}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
