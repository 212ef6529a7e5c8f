"""Layers are built by uv for Lambda's platform, here from a wheel made on the spot."""

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from stacks.constructs.python_layer import LayerBuildError, _Archive


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Requirements of one package, whose only wheel is for Lambda's arm64 machines."""
    wheel = tmp_path / "index" / "stone-1.0-cp314-cp314-manylinux_2_27_aarch64.whl"
    wheel.parent.mkdir()
    info = "stone-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("stone/__init__.py", "weight = 3\n")
        archive.writestr("stone/__init__.pyi", "weight: int\n")
        archive.writestr("stone/tests/test_stone.py", "")
        archive.writestr("stone/inner/tests/deep.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: stone\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: cp314-cp314-any\n")
        archive.writestr(f"{info}/RECORD", "")
    folder = tmp_path / "layers" / "stone"
    folder.mkdir(parents=True)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    path = folder / "requirements.txt"
    path.write_text(f"stone==1.0 --hash=sha256:{digest}\n")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return path


def build(requirements: Path, tmp_path: Path, architecture: str = "arm64") -> Path:
    """The archive in the folder that the CDK gives, from what is kept in `kept`."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    kept = tmp_path / "kept" / "stone.zip"
    assert _Archive(requirements, architecture, kept).try_bundle(str(out)) is True
    (archive,) = out.iterdir()  # with one archive there, the CDK uploads it as it is
    return archive


def test_layer_contains_the_functions_imports(requirements: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(build(requirements, tmp_path)) as archive:
        files = set(archive.namelist())
        assert archive.read("python/stone/__init__.py") == b"weight = 3\n"
        assert archive.getinfo("python/stone/__init__.py").external_attr >> 16 & 0o444 == 0o444
    assert "python/stone-1.0.dist-info/METADATA" in files  # tells which versions it holds
    assert not any("tests" in file or file.endswith(".pyi") or ".lock" in file for file in files)


def test_layer_is_built_once(
    requirements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(requirements, tmp_path).read_bytes()
    monkeypatch.setattr(subprocess, "run", None)  # nothing is installed again
    assert build(requirements, tmp_path).read_bytes() == first
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["stone.zip"]


def test_wheel_for_another_platform_is_refused_with_a_message(
    requirements: Path, tmp_path: Path
) -> None:
    with pytest.raises(LayerBuildError, match=r"The layer stone could not be built for x86_64"):
        build(requirements, tmp_path, "x86_64")
    assert not (tmp_path / "kept" / "stone.zip").exists()


def test_tampered_wheel_is_refused(requirements: Path, tmp_path: Path) -> None:
    text = requirements.read_text()
    requirements.write_text(text[:-5] + "0000\n" if text[-5:] != "0000\n" else text[:-5] + "1111\n")
    with pytest.raises(LayerBuildError, match=r"(?i)hash"):
        build(requirements, tmp_path)


def test_unresponsive_index_times_out(
    requirements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", never)
    with pytest.raises(LayerBuildError, match=r"The layer stone .* uv says:\nnothing, for 600"):
        build(requirements, tmp_path)
