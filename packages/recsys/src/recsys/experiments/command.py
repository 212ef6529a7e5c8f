"""The command `python -m recsys experiment`: the verdict on an experiment."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from recsys.errors import InputError
from recsys.experiments.analysis import analyse
from recsys.experiments.outcomes import Results
from recsys.text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "results",
        type=Path,
        help="a folder with experiment.json, and exposures and events as .parquet or .jsonl; or "
        "what a deployment writes below experiments/results in its bucket",
    )
    parser.add_argument("--name", default="", help="the experiment, if the folder has several")
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that do not tell where the results are."""
    parser.add_argument(
        "--at",
        type=_time,
        help="as it was at this time, such as 2026-11-30T12:00 in UTC (default: now)",
    )
    parser.add_argument("--json", type=Path, help="write the report to this file as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the report. Return 1 if the results cannot be used or the assignment is broken."""
    at = time.time() if options.at is None else options.at
    try:
        report = analyse(Results.read(options.results, options.name), at)
        if options.json:
            options.json.write_text(json.dumps(report.as_json(), indent=1) + "\n", "utf-8")
    except InputError as error:
        print(f"The results cannot be used:\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print("\n".join(printable(line) for line in report.lines()))
    return int(report.broken)


def _time(text: str) -> float:
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2026-11-30T12:00"
        ) from None
