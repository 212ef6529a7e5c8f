"""The state folder: functions' code, training jobs, models."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from local_aws.paths import inside

_PREFIX = "local-aws-"
_LOCK = ".lock"  # held until the server ends in any way
_folder: Path | None = None
_lock: int | None = None


def cache() -> Path:
    """The user's cache folder, according to the XDG specification."""
    told = os.environ.get("XDG_CACHE_HOME", "")
    return Path(told) if os.path.isabs(told) else Path.home() / ".cache"


def open_folder() -> None:
    """Use a new folder from now on, and remove folders of killed servers."""
    global _folder, _lock
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if (lock := _locked(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
    made = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}"))  # visible to others once it is locked
    (made / _LOCK).touch()
    _lock = _locked(made)
    _folder = made.rename(made.with_name(made.name.removeprefix("new-")))


def _locked(folder: Path) -> int | None:
    """Acquire a folder's lock; None if a running server has it, or it belongs to another user."""
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
    """Remove the folder and its contents."""
    global _folder, _lock
    shutil.rmtree(folder(), ignore_errors=True)
    if _lock is not None:
        os.close(_lock)
    _folder = _lock = None


def folder(*parts: str) -> Path:
    """A folder of the running server, created if missing; a temporary one without a server.

    Raises:
        UnsafePath: the parts lead out of it.
    """
    global _folder
    if _folder is None:
        _folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    path = inside(_folder, "/".join(parts)) if parts else _folder
    path.mkdir(parents=True, exist_ok=True)
    return path
