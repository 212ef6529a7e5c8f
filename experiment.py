"""What a deployed experiment has shown: `python -m experiment NAME`.

It reads who was shown which arm, and what users did, from the deployment's tables, writes both into
build/experiments/NAME, and analyses them; the page shows the report, which it writes into the
deployment's bucket. `python -m recsys experiment build/experiments/NAME` analyses the same again.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from outputs import PREFIX, Outputs, by_stack
from recsys.errors import InputError
from recsys.experiments import command
from recsys.experiments.definition import Experiment, parse_all
from recsys.experiments.outcomes import EVENTS, EXPOSURES, Results

PLACE: Final = "experiments/"  # in the bucket, which web.freshness reads
OUT: Final = Path(__file__).resolve().parent / "build" / "experiments"


def main(arguments: list[str] | None = None) -> int:
    """Read and analyse. Return 1 if there is no such experiment, or its assignment is broken."""
    parser = argparse.ArgumentParser(prog="python -m experiment", description=__doc__)
    parser.add_argument("name", help="the experiment's name in the settings")
    parser.add_argument("--prefix", default=PREFIX, help="the deployment's (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="where results are written")
    command.add_options(parser)
    options = parser.parse_args(arguments)
    try:
        results = read(options.name, options.prefix)
    except (InputError, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    options.results = options.out / options.name
    results.write(options.results)
    options.json = options.json or options.results / "report.json"
    options.json.unlink(missing_ok=True)
    done = command.run(options)
    if options.json.exists():
        try:
            publish(options.json.read_bytes(), options.name, options.prefix)
        except (LookupError, ClientError, BotoCoreError) as error:
            print(f"The page cannot show this report: {error}", file=sys.stderr)
    return done


def publish(report: bytes, name: str, prefix: str = PREFIX) -> None:
    """Write a report to where the page finds it.

    Raises:
        LookupError: the deployment has no bucket.
        botocore.exceptions.ClientError: AWS refused a request.
    """
    bucket = Outputs.of(by_stack(prefix))["BucketName"]
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{PLACE}{name}.json", Body=report)


def read(name: str, prefix: str = PREFIX) -> Results:
    """What a deployment recorded of an experiment.

    Args:
        name: the experiment's name.
        prefix: the deployment's.

    Raises:
        InputError: the deployment has no such experiment.
        botocore.exceptions.ClientError: AWS refused a request.
    """
    told = by_stack(prefix).get(f"{prefix}-Lists", {})
    running = _running(told["ListsFunctionName"]) if "ExposuresTableName" in told else {}
    if name not in running:
        raise InputError(
            f"{prefix} has no experiment {name!r}; "
            + (
                f"it has {', '.join(running)}"
                if running
                else "deploy it with one: docs/experiments.md"
            )
        )
    exposures = list(_exposures(told["ExposuresTableName"], name))
    users = {one["user"] for one in exposures}
    return Results(
        running[name],
        pa.Table.from_pylist(exposures, EXPOSURES),
        pa.Table.from_pylist(list(_events(told["HistoriesTableName"], users)), EVENTS),
    )


def _running(function: str) -> dict[str, Experiment]:
    answer = boto3.client("lambda").get_function_configuration(FunctionName=function)
    definitions = json.loads(answer["Environment"]["Variables"]["EXPERIMENTS"])
    return {one.name: one for one in parse_all(definitions)}


def _exposures(table: str, name: str) -> Iterator[dict[str, Any]]:
    for row in _rows(table):
        if row["event"]["S"].partition("#")[0] == name:
            yield {
                "user": row["user"]["S"],
                "time": float(row["at"]["N"]),
                "arm": row.get("arm", {}).get("S"),
                "shares": row["shares"]["S"],
                "milliseconds": float(row["milliseconds"]["N"]),
                "items": json.loads(row["items"]["S"]),
                "teams": json.loads(row["teams"]["S"]) if "teams" in row else None,
            }


def _events(table: str, users: set[str]) -> Iterator[dict[str, Any]]:
    for row in _rows(table):
        if row["user"]["S"] in users:
            yield {
                "user": row["user"]["S"],
                "time": float(row["event"]["S"].partition("#")[0]),
                "item": row["item"]["S"],
                "type": row.get("kind", {}).get("S"),
                "value": float(row["value"]["N"]) if "value" in row else None,
            }


def _rows(table: str) -> Iterator[Any]:
    for page in boto3.client("dynamodb").get_paginator("scan").paginate(TableName=table):
        yield from page["Items"]


if __name__ == "__main__":
    sys.exit(main())
