"""A training on a full disk: a separate file system, never the machine's."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_aws_tests.sagemaker.conftest import BUCKET
from tests.reliability import Tally

SMALL = 'mount -t tmpfs -o size=16m small "$TMPDIR" && exec "$@"'
OWN = ("unshare", *(() if os.geteuid() == 0 else ("--map-root-user",)), "--mount")
KIB = 1024
RATINGS = "".join(
    json.dumps({"in0": [n % 40], "in1": [n % 37], "label": n % 5 + 1}) + "\n" for n in range(200)
)
NETWORK = {
    "enc0_vocab_size": "40",
    "enc1_vocab_size": "40",
    "enc0_max_seq_len": "1",
    "enc1_max_seq_len": "1",
    "enc0_network": "pooled_embedding",
    "enc_dim": "1024",
    "mlp_dim": "64",
    "epochs": "1",
    "mini_batch_size": "100",
    "output_layer": "mean_squared_error",
}


@pytest.fixture(scope="module", autouse=True)
def _may_mount(tmp_path_factory: pytest.TempPathFactory, tally: Tally) -> None:
    folder = {**os.environ, "TMPDIR": str(tmp_path_factory.mktemp("tried"))}
    command = [*OWN, "sh", "-c", SMALL, "sh", "true"]
    try:
        done = subprocess.run(command, env=folder, capture_output=True, text=True, check=False)
        reason = done.returncode and (done.stderr.strip() or f"status {done.returncode}")
    except FileNotFoundError as error:
        reason = str(error)
    if reason:
        tally.skipped = f"no file system may be mounted here: {reason}"
        pytest.skip(tally.skipped)


def test_training_on_a_full_disk_fails_and_later_succeeds(
    tmp_path: Path, start: Callable[..., Any], tally: Tally
) -> None:
    server = start(tmp_path, before=(*OWN, "sh", "-c", SMALL, "sh"))
    aws = server.aws
    disk = Path(f"/proc/{server.popen.pid}/root{tmp_path}")  # as the server sees it
    for channel in ("train", "validation"):
        aws.s3.put_object(Bucket=BUCKET, Key=f"ratings/{channel}/a.jsonl", Body=RATINGS.encode())
    channels = [
        {
            "ChannelName": name,
            "ContentType": "application/jsonlines",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{BUCKET}/ratings/{name}/",
                }
            },
        }
        for name in ("train", "validation")
    ]
    for name, room, told in (
        ("input", 4, "ClientError: Data download failed:"),
        ("model", 60, "AlgorithmError: InternalServerError: OSError: "),
        ("archive", 2000, "ClientError: Artifact upload failed:"),
    ):
        filler = fill(disk, room * KIB)
        job = aws.trained(name, HyperParameters=NETWORK, InputDataConfig=channels)
        tally("faults injected", f"a full disk under a training's {name}")
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith(told)
        assert "No space left on device" in job["FailureReason"]
        assert "ModelArtifacts" not in job or job["ModelArtifacts"] == {"S3ModelArtifacts": ""}
        left = list((disk / folder_of(disk) / "training").iterdir())
        kept = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"output/{name}/").get("Contents", [])
        tally("leftovers found", "files of a training on a full disk", len(left) + len(kept))
        assert left == kept == []
        filler.unlink()
    job = aws.trained("again", HyperParameters=NETWORK, InputDataConfig=channels)
    assert job["TrainingJobStatus"] == "Completed"
    assert aws.s3.head_object(Bucket=BUCKET, Key="output/again/output/model.tar.gz")


def folder_of(disk: Path) -> str:
    [folder] = disk.glob("local-aws-*")
    return folder.name


def fill(disk: Path, room: int) -> Path:
    """Fill a disk but for so many bytes."""
    free = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(free.f_bavail * free.f_frsize - room))
    return filler
