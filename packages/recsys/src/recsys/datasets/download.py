"""MovieLens 100k from GroupLens, kept in the user's cache.

Its licence forbids to pass it on, so every user fetches it from its source.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import urllib.request
import zipfile
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from tqdm import tqdm

from recsys.errors import InputError

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Archive:
    """A zip to download: where from, how large, its published MD5, and the folder in it."""

    url: str
    size: int
    md5: str
    folder: str


MOVIELENS_100K = Archive(
    url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
    size=4_924_029,
    md5="0e33842e24a9c977be4e0107933c0723",  # pragma: allowlist secret
    folder="ml-100k",
)


class DownloadError(InputError):
    """The archive could not be had, or is not what was published."""


def cache_folder() -> Path:
    """Where this user's data sets are kept, by the XDG base directory specification."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"
    return base / "recsys"


def cached(archive: Archive = MOVIELENS_100K) -> Path | None:
    """The unpacked archive in the cache, if it is there."""
    folder = cache_folder() / archive.folder
    return folder if folder.is_dir() else None


def download(archive: Archive = MOVIELENS_100K, timeout: float = 5.0) -> Path:
    """Fetch, check and unpack an archive into the cache, all or nothing.

    Args:
        archive: what to fetch.
        timeout: seconds without an answer after which to give up.

    Returns:
        The unpacked folder.

    Raises:
        DownloadError: there is no network, or what came is not what was published.
    """
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as scratch:
            packed = Path(scratch) / "archive.zip"
            _fetch(archive, packed, timeout)
            _unpack(packed, Path(scratch), archive.folder)
            with contextlib.suppress(FileExistsError, OSError):  # another process was quicker
                (Path(scratch) / archive.folder).rename(cache / archive.folder)
    except (OSError, HTTPException, zipfile.BadZipFile) as error:
        reason = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        raise DownloadError(f"{archive.url} could not be fetched: {reason}") from error
    return cache / archive.folder


def _fetch(archive: Archive, to: Path, timeout: float) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    request = urllib.request.Request(archive.url, headers={"User-Agent": "recsys"})
    with (
        urllib.request.urlopen(request, timeout=timeout) as answer,
        to.open("wb") as file,
        tqdm(
            desc=f"downloading {archive.folder}",
            total=archive.size,
            unit="B",
            unit_scale=True,
            disable=None,
        ) as progress,
    ):
        while (chunk := answer.read(_CHUNK)) and size <= archive.size:
            size += len(chunk)
            digest.update(chunk)
            file.write(chunk)
            progress.update(len(chunk))
    if size != archive.size or digest.hexdigest() != archive.md5:
        raise DownloadError(f"{archive.url} is not what was published: its checksum differs")


def _unpack(packed: Path, into: Path, folder: str) -> None:
    """Unpack the plain files directly in `folder`, and nothing else that a zip may hold."""
    (into / folder).mkdir()
    with zipfile.ZipFile(packed) as archive:
        for member in archive.infolist():
            parent, _, name = member.filename.rpartition("/")
            if parent == folder and name not in {"", ".", ".."} and "\\" not in name:
                with archive.open(member) as source, (into / folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
