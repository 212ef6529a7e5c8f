"""Cloud assemblies: synthesized by the CDK CLI, and the templates in them."""

import json
import subprocess
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_PROJECT: Final = Path(__file__).resolve().parent.parent


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that choose an assembly: `settings`, a list of NAME=VALUE, and `app`."""
    parser.add_argument(
        "-c",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting, as in `cdk deploy`",
    )
    parser.add_argument("--app", type=Path, help="a cloud assembly, instead of synthesizing one")


@contextmanager
def synthesized(settings: Sequence[str]) -> Iterator[Path]:
    """Synthesize the app into a temporary folder.

    Args:
        settings: of the deployment, as NAME=VALUE.

    Raises:
        ValueError: the CDK CLI failed; the message is what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        given = [word for setting in settings for word in ("-c", setting)]
        command = ["npx", "cdk", "synth", "--quiet", "--output", folder, *given]
        done = subprocess.run(command, cwd=_PROJECT, check=False, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(done.stderr)
        yield Path(folder)


def stacks(folder: Path) -> dict[str, dict[str, Any]]:
    """The manifest's stack artifacts, by stack name.

    Raises:
        ValueError: there is no cloud assembly in the folder.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise ValueError(f"{folder} is not a cloud assembly: it has no manifest.json")
    artifacts = json.loads(manifest.read_text("utf-8"))["artifacts"]
    return {
        name: artifact
        for name, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }


def templates(folder: Path) -> dict[str, dict[str, Any]]:
    """The assembly's templates, by stack name; raises as above."""
    return {
        name: json.loads((folder / artifact["properties"]["templateFile"]).read_text("utf-8"))
        for name, artifact in stacks(folder).items()
    }
