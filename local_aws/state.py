"""The folder in which the local AWS keeps what it runs: functions' code, training jobs, models."""

import tempfile
from pathlib import Path

_folder: Path | None = None


def open_folder(path: Path) -> None:
    """Keep everything under `path` from now on."""
    global _folder
    _folder = path


def close_folder() -> Path:
    """Forget the folder and return it, for its owner to remove."""
    global _folder
    path, _folder = folder(), None
    return path


def folder(*parts: str) -> Path:
    """A folder of the running AWS, made if it is missing; a temporary one where no server runs."""
    global _folder
    if _folder is None:
        _folder = Path(tempfile.mkdtemp(prefix="local-aws-"))
    path = _folder.joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
