"""What a function's archive says of its packages does not reach beyond the function's folder."""

import importlib.metadata
import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import state
from local_aws.awslambda import packages
from local_aws_tests.awslambda.test_layers import FOREIGN, distribution
from tests.reliability import Tally

HERE = importlib.metadata.version("numpy")


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been removed; nothing is."""
    asked: list[str] = []
    monkeypatch.setattr(shutil, "rmtree", lambda path, *_, **__: asked.append(str(path)))
    monkeypatch.setattr(Path, "unlink", lambda path, **_: asked.append(str(path)))
    return asked


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def foreign(name: str = "numpy", version: str = HERE, record: str = "") -> dict[str, str]:
    """An installed wheel for another machine, with more lines in its RECORD."""
    files = distribution(name, version, FOREIGN, "raise ImportError")
    listed = f"{name}-{version}.dist-info/RECORD"
    return {**files, listed: files[listed] + record}


@pytest.mark.parametrize(
    "line",
    [
        "/home/someone/anything,,",
        "/,,",
        "../../escaped,,",
        "numpy/../../escaped,,",
        ".,,",
        ",,",
        "''/../..,,",
    ],
)
def test_package_record_cannot_remove_files_outside_its_folder(
    tmp_path: Path, removed: list[str], tally: Tally, line: str
) -> None:
    tally("inputs tried", "packages whose RECORD is hostile")
    folder = written(tmp_path / "code", foreign(record=line + "\n"))
    packages._replace_native(folder)
    assert str(folder / "numpy") in removed
    assert [path for path in removed if not path.startswith(f"{folder}/")] == []


@pytest.mark.parametrize("line", ["\n", 'a,"b\n', "a,b,c,d,e\n", "a,b,many\n"])
def test_unreadable_package_record_is_reported(tmp_path: Path, tally: Tally, line: str) -> None:
    tally("inputs tried", "packages whose RECORD is hostile")
    folder = written(tmp_path / "code", foreign(record=line))
    with suppress(packages.CannotReplace):  # or it is read, and that is all
        packages._replace_native(folder)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("--target=/", "1"),
        ("x @ https://example.com/x.whl", "1"),
        ("../../x", "1"),
        ("native", "1; rm"),
        ("native", "../../../x"),
        ("", ""),
    ],
)
def test_invalid_package_metadata_do_not_reach_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally, name: str, version: str
) -> None:
    tally("inputs tried", "packages whose METADATA are hostile")
    ran: list[Any] = []
    monkeypatch.setattr(subprocess, "run", lambda *told, **_: ran.append(told))
    files = distribution("native", "1", FOREIGN, "")
    files["native-1.dist-info/METADATA"] = f"Name: {name}\nVersion: {version}\n"
    with pytest.raises(packages.CannotReplace, match="no valid name and version"):
        packages._replace_native(written(tmp_path / "code", files))
    assert ran == []


def test_replaced_package_keeps_other_packages_files(tmp_path: Path) -> None:
    """Two distributions share a namespace folder; only one of them is for another machine."""
    files = foreign()
    del files["numpy/__init__.py"]
    record = f"numpy-{HERE}.dist-info/RECORD"
    files |= {record: "numpy/foreign.so,,\n", "numpy/foreign.so": "x", "numpy/other.py": "kept"}
    folder = written(tmp_path / "code", files)
    packages._replace_native(folder)
    assert (folder / "numpy" / "other.py").read_text() == "kept"
    assert not (folder / "numpy" / "foreign.so").exists()


def test_second_package_in_a_linked_folder_is_refused(tmp_path: Path) -> None:
    """The folder is a link to this machine's own numpy by then, which must stay as it is."""
    ours = Path(str(importlib.metadata.distribution("numpy").locate_file("numpy")))
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "numpy").symlink_to(ours)
    files = distribution("moto", importlib.metadata.version("moto"), FOREIGN, "")
    info = next(name for name in files if name.endswith("RECORD"))
    del files["moto/__init__.py"]
    written(folder, files | {info: "numpy/core/none.so,,\n"})
    with pytest.raises(packages.CannotReplace, match="claim the same folder"):
        packages._replace_native(folder)
    assert (ours / "__init__.py").is_file()


@pytest.mark.parametrize("name", ["../outside.py", "/outside.py", "a/../../outside.py"])
def test_zip_with_an_entry_outside_is_refused(aws: Any, tally: Tally, name: str) -> None:
    tally("inputs tried", "archives that lead out of a folder")
    with pytest.raises(ClientError, match="Could not unzip uploaded file"):
        aws.deploy({"index.py": "", name: ""})


def test_zip_with_contradictory_entries_is_reported(aws: Any) -> None:
    name = aws.deploy({"index.py": "", "a": "file", "a/b": "in a file"})
    with pytest.raises(ClientError, match="its zip file cannot be extracted"):
        aws.invoke(name)


def damaged(files: bytes) -> bytes:
    """A zip file whose first entry's content is another than its checksum says."""
    place = files.index(b"index.py") + len("index.py")
    return files[:place] + bytes([files[place] ^ 1]) + files[place + 1 :]


def encrypted(files: bytes) -> bytes:
    """A zip file that says that it is encrypted."""
    found = bytearray(files)
    found[found.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(found)


@pytest.mark.parametrize("change", [damaged, encrypted])
def test_corrupt_zip_is_refused(aws: Any, tally: Tally, change: Any) -> None:
    tally("inputs tried", "archives that cannot be extracted")
    code = change(aws.zipped({"index.py": "def handler(event, context): pass"}))
    client = aws.client("lambda")
    name = aws.deploy("def handler(event, context): return 1")
    for call, settings in (
        (client.publish_layer_version, {"LayerName": "broken", "Content": {"ZipFile": code}}),
        (client.update_function_code, {"FunctionName": name, "ZipFile": code}),
    ):
        with pytest.raises(ClientError, match="Could not unzip uploaded file"):
            call(**settings)
    assert aws.invoke(name).payload == 1


def test_endless_install_does_not_block_other_functions(
    aws: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked, end = threading.Event(), threading.Event()
    command: list[str] = []

    def never(words: list[str], **settings: Any) -> Any:
        command.extend(words)
        asked.set()
        end.wait(60)
        raise subprocess.TimeoutExpired(words, settings["timeout"])

    monkeypatch.setattr(subprocess, "run", never)
    slow = aws.deploy({"index.py": "", **distribution("native_thing", "7.5", FOREIGN, "")})
    quick = aws.deploy("def handler(e, c):\n    return 'quick'\n")
    told: list[str] = []
    caller = threading.Thread(target=call, args=(aws, slow, told.append))
    caller.start()
    assert asked.wait(60)
    assert aws.invoke(quick).payload == "quick"
    end.set()
    caller.join(60)
    assert "took longer than" in told[0]
    assert command[-2:] == ["--", "native_thing==7.5"]


def call(aws: Any, name: str, tell: Callable[[str], None]) -> None:
    try:
        aws.invoke(name)
    except ClientError as error:
        tell(str(error))


def test_runtime_that_cannot_be_installed_is_this_environments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a machine without a network."""

    def unreachable(*_: Any) -> None:
        raise packages._NotInstalled("no route to host")

    monkeypatch.setattr(packages, "_install", unreachable)
    monkeypatch.setattr(state, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(state, "folder", lambda *parts: tmp_path.joinpath(*parts))
    packages._runtime_in_cache.cache_clear()
    try:
        (tmp_path / "lambda").mkdir()
        found = packages.runtime_root()
    finally:
        packages._runtime_in_cache.cache_clear()
    assert (found / "boto3" / "__init__.py").is_file()
    ours = importlib.metadata.version("boto3")
    assert (found / f"boto3-{ours}.dist-info").is_dir()
    assert f"functions run with boto3 {ours}, which may be newer than Lambda's" in caplog.text
    assert "no route to host" in caplog.text
