"""Maps untrusted names (archive entries, S3 keys, channels, metadata) to paths inside a folder.

It uses the standard library only, because programs in containers use it too.
"""

import gzip
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

_UNPACKED = 1 << 30  # bytes that an archive may grow to, or _GROWTH times its own, if more
_GROWTH = 20
_ENTRIES = 250_000
_HEADER = 1 << 20  # bytes of a header, such as a long name
_LONGEST, _DEEPEST = 255, 500  # bytes of a name, and folders, that Linux and macOS can have


class UnsafePath(ValueError):
    """An untrusted name that is not a valid relative path inside its folder."""


def relative(name: str) -> PurePosixPath:
    """Convert a name to a relative path that cannot leave its folder.

    Args:
        name: a path with `/`, such as an archive entry or a key.

    Raises:
        UnsafePath: it is empty or absolute, contains `..` or NUL, is the folder itself, or is
            longer than any path.
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
    elif len(path.parts) > _DEEPEST or any(
        len(part.encode(errors="surrogatepass")) > _LONGEST for part in path.parts
    ):
        reason = f"has a name of over {_LONGEST} bytes, or is nested deeper than {_DEEPEST} folders"
    else:
        return path
    raise _unsafe(name, reason)


def inside(folder: Path, name: str) -> Path:
    """The path of `name` inside `folder`; it need not exist.

    Raises:
        UnsafePath: as in `relative`, or a link leads out of the folder.
    """
    path = folder / relative(name)
    try:
        if folder.resolve() in path.resolve().parents:
            return path
    except (OSError, RuntimeError):  # a loop of links, or a too long name
        raise _unsafe(name, "cannot be followed") from None
    raise _unsafe(name, "leads out of it through a link")


def _unsafe(name: str, reason: str) -> UnsafePath:
    return UnsafePath(f"{name[:200]!r} is not a path inside its folder: it {reason}")


def remove(path: Path) -> None:
    """Remove a file, a link (not its target) or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def unzip(archive: zipfile.ZipFile, folder: Path) -> None:
    """Extract a zip file into `folder`, keeping executable bits.

    Raises:
        UnsafePath: an entry would leave the folder; then nothing is extracted.
        OSError, zipfile.BadZipFile: it cannot be extracted.
    """
    entries = [(entry, inside(folder, entry.filename)) for entry in archive.infolist()]
    for entry, path in entries:
        archive.extract(entry, folder)
        if not entry.is_dir() and (entry.external_attr >> 16) & stat.S_IXUSR:
            path.chmod(0o755)


class _Packed(gzip.GzipFile):
    """A gzip file that is not read into memory as a whole; tarfile reads headers of any size."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _HEADER:
            raise tarfile.TarError(f"a header has more than {_HEADER:,} bytes")
        return super().read(size)


def untar(archive: Path, folder: Path) -> None:
    """Extract a tar.gz into `folder`, refusing links, entries outside of it, and far growth.

    A leading `/` is dropped, as tar does.

    Raises:
        tarfile.TarError, UnsafePath, OSError, EOFError: it is not a tar.gz, or contains something
            unsafe; then nothing is extracted.
    """
    most, size = max(_UNPACKED, _GROWTH * archive.stat().st_size), 0
    with _Packed(archive) as packed, tarfile.open(fileobj=packed, mode="r:") as tar:
        for number, member in enumerate(tar):
            size += member.size
            if size > most or number >= _ENTRIES:
                raise tarfile.TarError(
                    f"it has more than {_ENTRIES:,} entries, or grows beyond {most:,} bytes"
                )
            if not (member.isfile() or member.isdir()):
                raise tarfile.TarError(f"'{member.name}' is not a plain file or folder")
            name = member.name.lstrip("/")
            if not (member.isdir() and name in ("", ".")):  # the folder's own entry
                inside(folder, name)
        tar.extractall(folder, filter="data")
