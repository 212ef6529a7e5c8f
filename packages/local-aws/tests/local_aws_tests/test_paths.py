"""A name from outside has its place inside a folder, or is refused."""

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws import paths, state
from local_aws.paths import UnsafePath, inside, remove, untar, unzip
from tests.reliability import Tally

UNSAFE = ["", ".", "./", "/", "/etc/passwd", "//x", "..", "../x", "a/../../x", "a/..", "a\0b"]
pieces = st.sampled_from(["..", ".", "", "a", "link", "b", "\0"]) | st.text(max_size=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_text("kept")
    (made / "link").symlink_to(tmp_path / "outside")
    (made / "loop").symlink_to(made / "loop")
    return made


@pytest.mark.parametrize("name", [*UNSAFE, "link", "link/x", "loop/x", "x" * 300 + "/y"])
def test_inside_name_that_leads_elsewhere_is_refused(folder: Path, tally: Tally, name: str) -> None:
    tally("inputs tried", "names that lead out of a folder")
    with pytest.raises(UnsafePath):
        inside(folder, name)


@given(st.lists(pieces, max_size=6).map("/".join) | st.text())
def test_inside_any_name_stays_below_the_folder(
    tally: Tally, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    tally("inputs tried", "names that lead out of a folder")
    whole = tmp_path_factory.getbasetemp() / "any"
    whole.mkdir(exist_ok=True)
    with suppress(OSError):
        (whole / "link").symlink_to(whole.parent)
    try:
        found = os.path.realpath(inside(whole, name))
    except UnsafePath:
        return
    assert found.startswith(os.path.realpath(whole) + os.sep)


def test_remove_link_leaves_what_it_leads_to(folder: Path) -> None:
    remove(folder / "link")
    remove(folder / "loop")
    remove(folder / "never there")
    assert list(folder.iterdir()) == []
    assert (folder.parent / "outside" / "kept").read_text() == "kept"


def zipped(folder: Path, *names: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        for name in names:
            made.writestr(name, "x")
    with zipfile.ZipFile(content) as archive:
        unzip(archive, folder)


def tarred(folder: Path, *names: str) -> None:
    path = folder.parent / "a.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name in names:
            made.addfile(tarfile.TarInfo(name))
    untar(path, folder)


@pytest.mark.parametrize("extract", [inside, zipped, tarred])
@pytest.mark.parametrize(
    "name", ["a/" * 500 + "b", "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 128]
)
def test_path_that_no_folder_can_have_is_refused(
    folder: Path, extract: Callable[..., None], name: str
) -> None:
    with pytest.raises(UnsafePath, match="nested deeper than 500 folders"):
        extract(folder, name)


@pytest.mark.parametrize("extract", [zipped, tarred])
@pytest.mark.parametrize("name", ["../x", "a/../../x", "link/x"])
def test_archive_with_an_entry_outside_extracts_nothing(
    folder: Path, tally: Tally, extract: Callable[..., None], name: str
) -> None:
    tally("inputs tried", "archives that lead out of a folder")
    before = sorted(path.name for path in folder.parent.rglob("*"))
    with pytest.raises(UnsafePath, match="is not a path inside its folder"):
        extract(folder, "first", name)
    after = sorted(path.name for path in folder.parent.rglob("*"))
    assert [name for name in after if name != "a.tar.gz"] == before


def _header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    return entry.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_header("large", 1 << 33), id="a large file"),
        pytest.param(_header("name", 1 << 33, tarfile.GNUTYPE_LONGNAME), id="a long name"),
        pytest.param(_header("pax", 1 << 33, tarfile.XHDTYPE), id="a long header"),
        pytest.param(_header("", 0, tarfile.DIRTYPE) * 11, id="many entries"),
    ],
)
def test_archive_that_grows_beyond_measure_extracts_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally, content: bytes
) -> None:
    tally("inputs tried", "archives that unpack to far more")
    monkeypatch.setattr(paths, "_ENTRIES", 10)
    path = folder.parent / "bomb.tar.gz"
    path.write_bytes(gzip.compress(content, 1))
    before = sorted(folder.iterdir())
    with pytest.raises(tarfile.TarError, match=r"grows beyond|a header has more"):
        untar(path, folder)
    assert sorted(folder.iterdir()) == before


def test_state_folder_of_parts_that_lead_out_is_refused() -> None:
    with pytest.raises(UnsafePath):
        state.folder("training", "..", "..", "x")
