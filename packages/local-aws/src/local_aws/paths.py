"""Names from outside as places inside a folder: names in archives, keys of S3, channels, metadata.

Standard library only, for programs in containers use it too.
"""

import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath


class UnsafePath(ValueError):
    """A name from outside that has no place inside the folder it was meant for."""


def relative(name: str) -> PurePosixPath:
    """A name as a relative path that cannot leave the folder it is put into.

    Args:
        name: a path with `/`, from an archive, a key or the like.

    Raises:
        UnsafePath: it is empty or absolute, holds `..` or NUL, or is the folder itself.
    """
    path = PurePosixPath(name)
    if "\0" in name:
        reason = "holds a NUL character"
    elif path.is_absolute():
        reason = "is absolute"
    elif ".." in path.parts:
        reason = "contains '..'"
    elif not path.parts:
        reason = "names the folder itself"
    else:
        return path
    raise _unsafe(name, reason)


def inside(folder: Path, name: str) -> Path:
    """The place that `name` has inside `folder`; it need not exist.

    Raises:
        UnsafePath: as `relative`, or it leads out of the folder through a link.
    """
    path = folder / relative(name)
    try:
        if folder.resolve() in path.resolve().parents:
            return path
    except (OSError, RuntimeError):  # a loop of links, or a name that is too long
        raise _unsafe(name, "cannot be followed") from None
    raise _unsafe(name, "leads out of it through a link")


def _unsafe(name: str, reason: str) -> UnsafePath:
    return UnsafePath(f"{name[:200]!r} is not a path inside its folder: it {reason}")


def remove(path: Path) -> None:
    """Remove a file, a link (never what it leads to) or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def unzip(archive: zipfile.ZipFile, folder: Path) -> None:
    """Extract a zip file into `folder`; what is executable for its owner stays so.

    Raises:
        UnsafePath: an entry has no place inside the folder; nothing is extracted then.
        OSError, zipfile.BadZipFile: it cannot be extracted.
    """
    entries = [(entry, inside(folder, entry.filename)) for entry in archive.infolist()]
    for entry, path in entries:
        archive.extract(entry, folder)
        if not entry.is_dir() and (entry.external_attr >> 16) & stat.S_IXUSR:
            path.chmod(0o755)


def untar(archive: Path, folder: Path) -> None:
    """Extract a tar.gz into `folder`, refusing links and whatever would land outside of it.

    A leading `/` is dropped, as tar does.

    Raises:
        tarfile.TarError, UnsafePath, OSError, EOFError: it is no tar.gz, or holds something
            unsafe; nothing is extracted then.
    """
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar.getmembers():
            if not (member.isfile() or member.isdir()):
                raise tarfile.TarError(f"'{member.name}' is not a plain file or folder")
            name = member.name.lstrip("/")
            if not (member.isdir() and name in ("", ".")):  # the folder's own entry
                inside(folder, name)
        tar.extractall(folder, filter="data")
