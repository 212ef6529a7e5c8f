"""Cloud assemblies: synthesized by the CDK CLI, and the templates in them."""

import json
import subprocess
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_LARGEST: Final = 20_000_000  # bytes of a file that is read; a template has at most a million
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
    if not (folder / "manifest.json").is_file():
        raise ValueError(f"{folder} is not a cloud assembly: it has no manifest.json")
    artifacts = _read(folder, "manifest.json").get("artifacts")
    found = {
        name: artifact
        for name, artifact in (artifacts if isinstance(artifacts, dict) else {}).items()
        if isinstance(artifact, dict) and artifact.get("type") == "aws:cloudformation:stack"
    }
    for name, artifact in found.items():
        properties = artifact.get("properties")
        if not isinstance(properties, dict) or not isinstance(properties.get("templateFile"), str):
            raise ValueError(f"{folder / 'manifest.json'}: the stack {name!r} has no templateFile")
    return found


def templates(folder: Path) -> dict[str, dict[str, Any]]:
    """The assembly's templates, by stack name.

    Raises:
        ValueError: there is no cloud assembly in the folder, or a template is none.
    """
    found = {}
    for name, artifact in stacks(folder).items():
        file = artifact["properties"]["templateFile"]
        found[name] = template = _read(folder, file)
        resources = template.get("Resources")
        if not isinstance(resources, dict) or not all(
            isinstance(one, dict)
            and isinstance(one.get("Type"), str)
            and isinstance(one.get("Properties", {}), dict)
            for one in resources.values()
        ):
            raise ValueError(
                f"{folder / file}: every resource must be an object with a Type, and perhaps with "
                "Properties"
            )
    return found


def _read(folder: Path, name: str) -> dict[str, Any]:
    """An object in a JSON file of an assembly, and of no other folder.

    Raises:
        ValueError: there is no such file, or it is too large, or no JSON object.
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise ValueError(f"{folder / 'manifest.json'}: {name!r} is no file of the cloud assembly")
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path} has more than {_LARGEST:,} bytes")
    try:
        content = json.loads(path.read_text("utf-8"))
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no JSON object")
    return content


def printable(text: str) -> str:
    """A text of an assembly for a terminal, which would obey its control characters."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
