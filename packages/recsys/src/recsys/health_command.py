"""The command `python -m recsys health`: checks data for Amazon Personalize."""

import argparse
import sys
import tempfile
from pathlib import Path

from recsys.datasets import layout, load, personalize
from recsys.errors import InputError
from recsys.health import Report, examine, examine_groups


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("build/data"),
        help="a folder written by `recsys prepare`, whose health.json is updated; or one with an "
        "interactions.csv; or ratings as for `recsys prepare` (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, help="write the report to this file as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the report. Return 1 if a status is red or the data cannot be read, else 0."""
    path: Path = options.data
    try:
        if (path / "manifest.json").is_file():
            report = examine_groups(path / "bucket" / layout.PERSONALIZE)
            report.write(path / "health.json")
        elif (path / "interactions.csv").is_file():
            report = Report()
            examine(report, path, "data")
        else:
            with tempfile.TemporaryDirectory() as scratch:
                personalize.export(load(path), Path(scratch))
                report = examine_groups(Path(scratch) / layout.PERSONALIZE)
    except InputError as error:
        print(f"The data cannot be used:\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or path}: {error.strerror or error}", file=sys.stderr)
        return 1
    print("\n".join(report.lines()))
    if options.json:
        report.write(options.json)
    return int(any(group.status == "red" for group in report.groups.values()))
