"""What a deployed experiment has shown: `python -m experiment NAME`.

It lets the deployment write who was shown which arm, and what they did, into its bucket, downloads
both into build/experiments/NAME, and analyses them; the page shows the report, which it writes into
the bucket. `python -m recsys experiment build/experiments/NAME` analyses the same again.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from outputs import PREFIX, FunctionFailed, Outputs, by_stack, invoked
from recsys.errors import InputError
from recsys.experiments import command
from recsys.experiments.outcomes import Results

PLACE: Final = "experiments/"  # in the bucket, which web.freshness reads
RESULTS: Final = f"{PLACE}results/"  # of the function `ExperimentResults`
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
    except (InputError, FunctionFailed, LookupError, ClientError, BotoCoreError) as error:
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
    """What a deployment has recorded of an experiment until now.

    Args:
        name: the experiment's name.
        prefix: the deployment's.

    Raises:
        InputError: the deployment has no such experiment.
        FunctionFailed: the function that writes the results failed.
        LookupError: the deployment was made by another version of this project.
        botocore.exceptions.ClientError: AWS refused a request.
    """
    found = Outputs.of(by_stack(prefix))
    if "ExposuresTableName" not in found:
        raise InputError(f"{prefix} has no experiments; deploy it with one: docs/experiments.md")
    invoked(found["ExperimentResultsFunctionName"])
    with TemporaryDirectory() as folder:
        _download(found["BucketName"], Path(folder))
        known = json.loads(Path(folder, "experiments.json").read_text("utf-8"))
        if name not in known:
            raise InputError(f"{prefix} has no experiment {name!r}; it has {', '.join(known)}")
        return Results.read(Path(folder), name)


def _download(bucket: str, folder: Path) -> None:
    s3 = boto3.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=RESULTS):
        for one in page.get("Contents", ()):
            path = folder / one["Key"].removeprefix(RESULTS)
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, one["Key"], str(path))


if __name__ == "__main__":
    sys.exit(main())
