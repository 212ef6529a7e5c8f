"""Rehearse lists from data in a bucket: `python -m rehearsal.source FOLDER`.

The folder is uploaded to a bucket of the local AWS, which stands for yours, and a Spark job
prepares it, as with `cdk deploy -c source=s3://…` on AWS.
"""

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from outputs import by_stack
from rehearsal import lists
from rehearsal.cdk import PROJECT
from rehearsal.lists import Listed
from rehearsal.steps import Steps, exclusively, on_local_aws

_BUCKET = "the-source"
_NOUNS = {"user": "user", "event": "watched"}


@dataclass(kw_only=True)
class Run(Steps):
    """A run: the job's manifest, and what the lists answered."""

    manifest: dict[str, Any] = field(default_factory=dict)
    lists: Listed = field(default_factory=Listed)


def main(arguments: list[str] | None = None) -> int:
    """Rehearse. Return 0 if the lists answered and nothing is left behind."""
    parser = argparse.ArgumentParser(prog="rehearsal.source", description=__doc__)
    parser.add_argument("folder", type=Path, help="with CSV, JSON Lines or Parquet files")
    parser.add_argument("--columns", default="", help="user=…,item=…: what the files call them")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "rehearsal")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    return exclusively(lambda: _rehearsed(options))


def _rehearsed(options: argparse.Namespace) -> int:
    options.out.mkdir(parents=True, exist_ok=True)
    run, began = Run(), time.monotonic()
    settings = ["profile=lists", f"source=s3://{_BUCKET}/data/"]
    settings += [f"preparation.columns={options.columns}"] if options.columns else []
    status = on_local_aws(
        lambda: _rehearse(run, options.folder, options.out, settings), "The rehearsal failed."
    )
    if status != 0:
        return status
    run.seconds["total"] = round(time.monotonic() - began, 2)
    print("\n".join(_lines(run)))
    return 1 if run.lists.error or run.leftovers else 0


def _rehearse(run: Run, folder: Path, out: Path, settings: list[str]) -> None:
    with run.step(f"upload {folder}"):
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=_BUCKET)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                s3.upload_file(str(path), _BUCKET, f"data/{path.relative_to(folder).as_posix()}")
    with run.deployed(out, *settings):
        stacks = by_stack()
        outputs = {name: value for stack in stacks.values() for name, value in stack.items()}
        prefix, bucket = outputs["PreparedPrefix"], outputs["BucketName"]
        manifest = s3.get_object(Bucket=bucket, Key=f"{prefix}manifest.json")["Body"].read()
        run.manifest = json.loads(manifest)
        with run.step("a list, an event, the changed list"):
            run.lists = lists.ask(stacks, _some_user(s3, bucket, f"{prefix}histories/"))


def _some_user(s3: Any, bucket: str, prefix: str) -> str:
    """The user of the first event of the first file."""
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    key = next(one["Key"] for one in found if one["Key"].endswith(".gz"))
    content = gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return str(json.loads(content.splitlines()[0])["Item"]["user"]["S"])


def _lines(run: Run) -> Iterator[str]:
    told = run.manifest
    yield ""
    yield f"DATA      {told['files']:,} files: {told['read']:,} rows, {told['bad']:,} of them bad"
    yield (
        f"          {told['ratings']:,} pairs of {told['users']:,} users and {told['items']:,} "
        f"items; {told['train']:,} for training, {told['validation']:,} for validation"
    )
    yield f"MODEL     ALS, nDCG@10 on held-out ratings {told['metrics']['ndcg@10']:.4f}"
    yield ""
    yield from lists.lines(run.lists, _NOUNS)
    yield "TIME"
    for name, seconds in run.seconds.items():
        yield f"  {name:<32}{seconds:>9.1f} s"
    yield f"  {'(the Spark job)':<32}{told['seconds']:>9.1f} s"
    yield ""
    yield "LEFT BEHIND   " + ("nothing" if not run.leftovers else ", ".join(run.leftovers))


if __name__ == "__main__":
    sys.exit(main())
