"""The folder in which the local AWS keeps what it runs: functions' code, training jobs, models."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from local_aws.paths import inside

_PREFIX = "local-aws-"
_LOCK = ".lock"  # held as long as the AWS lives, however it ends
_folder: Path | None = None
_lock: int | None = None


def cache() -> Path:
    """The user's folder for what may be made again, as the XDG specification tells."""
    told = os.environ.get("XDG_CACHE_HOME", "")
    return Path(told) if os.path.isabs(told) else Path.home() / ".cache"


def open_folder() -> None:
    """Keep everything in a new folder from now on, and remove those of an AWS that was killed."""
    global _folder, _lock
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if (lock := _locked(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
    made = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}"))  # others find it once it is locked
    (made / _LOCK).touch()
    _lock = _locked(made)
    _folder = made.rename(made.with_name(made.name.removeprefix("new-")))


def _locked(folder: Path) -> int | None:
    """A folder's lock, taken; None if a living AWS has it, or it is not ours to open."""
    try:
        file = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


def close_folder() -> None:
    """Remove the folder with all that is in it."""
    global _folder, _lock
    shutil.rmtree(folder(), ignore_errors=True)
    if _lock is not None:
        os.close(_lock)
    _folder = _lock = None


def folder(*parts: str) -> Path:
    """A folder of the running AWS, made if it is missing; a temporary one where no server runs.

    Raises:
        UnsafePath: the parts lead out of it.
    """
    global _folder
    if _folder is None:
        _folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    path = inside(_folder, "/".join(parts)) if parts else _folder
    path.mkdir(parents=True, exist_ok=True)
    return path
