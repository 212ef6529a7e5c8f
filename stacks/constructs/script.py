"""A script for SageMaker's framework containers: an archive of source code."""

import gzip
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from constructs import Construct

from stacks.constructs.archive import Archive, Files, of_recsys
from stacks.constructs.roles import Permission

_PROJECT: Final = Path(__file__).resolve().parents[2]
_TRAINS: Final = "train.py"
_SERVES: Final = "inference.py"


def _tar(archive: Path, files: Files) -> None:
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, path in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                tar.addfile(entry, content)


class Script(Construct):
    """The folder scripts/NAME with the modules of the project that it imports.

    https://docs.aws.amazon.com/sagemaker/latest/dg/pytorch.html, "script mode": the training
    container downloads the archive, installs its requirements.txt and runs train.py, which adds the
    serving code to the model; the inference container finds inference.py there.

    Attributes:
        hyperparameters: hyperparameters that locate the archive for the training container.
        metrics: definitions of the metrics in the script's log.
        reads: permission to download the archive.
        environment: variables that locate the code in the model for the inference container.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        name: str,
        imports: Sequence[str],
        metrics: Mapping[str, str],
    ) -> None:
        """Create the archive.

        Args:
            scope: the parent.
            id: the construct's id.
            name: folder under scripts/.
            imports: files of the package recsys, as patterns relative to packages/recsys/src.
            metrics: the pattern of each metric's log line, by name.
        """
        super().__init__(scope, id)
        folder = _PROJECT / "scripts" / name
        files = {path.name: path for path in folder.glob("*") if path.suffix in (".py", ".txt")}
        archive = Archive(
            self,
            "Source",
            folder=folder,
            files=files | of_recsys(imports),
            name="sourcedir.tar.gz",
            pack=_tar,
        )
        # The containers read these as JSON.
        self.hyperparameters = {
            "sagemaker_program": json.dumps(_TRAINS),
            "sagemaker_submit_directory": json.dumps(archive.s3_object_url),
        }
        self.metrics = [{"Name": each, "Regex": pattern} for each, pattern in metrics.items()]
        self.reads = Permission(
            actions=["s3:GetObject"],
            resources=[archive.bucket.arn_for_objects(archive.s3_object_key)],
        )
        self.environment = {
            "SAGEMAKER_PROGRAM": _SERVES,
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        }
