import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from recsys.datasets.download import Archive, DownloadError, cache_folder, cached, download


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "recsys"


def archive(tmp_path: Path, members: dict[str, str]) -> Archive:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
    path = tmp_path / "published.zip"
    path.write_bytes(packed.getvalue())
    digest = hashlib.md5(packed.getvalue(), usedforsecurity=False).hexdigest()
    return Archive(path.as_uri(), len(packed.getvalue()), digest, "ml-100k")


def test_it_is_unpacked_into_the_cache(tmp_path: Path, cache: Path) -> None:
    published = archive(tmp_path, {"ml-100k/u.data": "1\t2\t3\t4\n", "ml-100k/u.item": "x"})
    assert cached(published) is None
    folder = download(published)
    assert folder == cached(published) == cache / "ml-100k"
    assert (folder / "u.data").read_text() == "1\t2\t3\t4\n"
    assert [p.name for p in cache.iterdir()] == ["ml-100k"]  # nothing else stays
    assert download(published) == folder  # once more does no harm


def test_only_plain_files_of_the_folder_leave_the_zip(tmp_path: Path, cache: Path) -> None:
    published = archive(
        tmp_path,
        {
            "ml-100k/u.data": "fine",
            "../escaped": "no",
            "ml-100k/../../escaped": "no",
            "/escaped": "no",
            "ml-100k/deeper/escaped": "no",
            "ml-100k/..": "no",
            "other/u.data": "no",
        },
    )
    assert [p.name for p in download(published).iterdir()] == ["u.data"]
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("change", ["size", "content"])
def test_what_is_not_as_published_is_not_kept(tmp_path: Path, cache: Path, change: str) -> None:
    published = archive(tmp_path, {"ml-100k/u.data": "1\t2\t3\t4\n"})
    path = tmp_path / "published.zip"
    content = bytearray(path.read_bytes())
    path.write_bytes(content + b"more" if change == "size" else content[:-1] + b"?")
    with pytest.raises(DownloadError, match="checksum"):
        download(published)
    assert list(cache.iterdir()) == []


def test_no_network(cache: Path) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9.*could not be fetched"):
        download(Archive("http://127.0.0.1:9/x.zip", 1, "", "ml-100k"))
    assert list(cache.iterdir()) == []


def test_a_relative_cache_folder_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "here")  # as the specification demands
    assert cache_folder() == Path.home() / ".cache" / "recsys"
