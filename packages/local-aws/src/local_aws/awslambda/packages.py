"""What a function may import: its zip, its layers, and the packages of Lambda's own image.

Code is built for Lambda's platform; a native distribution in it (numpy, say) cannot run here. It
is replaced by the same version for this machine: linked from the environment that runs the local
AWS if it has that very version, else installed into the user's cache.
"""

import importlib.metadata
import io
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Iterable, Sequence
from email.parser import HeaderParser
from functools import lru_cache
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.tags import parse_tag, sys_tags

from local_aws import state

log = logging.getLogger("local_aws.lambda")
_preparing = threading.Lock()
_image = ("boto3",)  # the root of what Lambda's Python image carries beside the standard library


class CannotReplace(Exception):
    """A native distribution in a function or layer that this machine cannot have."""


def task_root(digest: str, code: bytes) -> Path:
    """The folder of a function's extracted zip, as /var/task.

    Raises:
        CannotReplace: it carries a native distribution that this machine cannot have.
        zipfile.BadZipFile: it is no zip file.
    """
    return _extracted(f"code-{digest}", [code])


def layers_root(digests: Sequence[str], archives: Sequence[bytes]) -> Path:
    """The folder of the merged layers, later ones over earlier ones, as /opt; raises as above."""
    return _extracted("-".join(["layers", *(digest[:32] for digest in digests)]), archives)


def search_path(layers: Path | None) -> list[str]:
    """The folders under /opt from which Python imports."""
    if layers is None:
        return []
    python = layers / "python"
    return [*map(str, sorted(python.glob("lib/python3*/site-packages"))), str(python)]


def runtime_root() -> Path:
    """A folder of links to boto3 and what it needs, and to nothing else that is installed here."""
    target = state.folder("lambda") / "runtime"
    with _preparing:
        if not target.exists():
            building = target.with_suffix(".new")
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            for distribution in _with_requirements(_image):
                _link(distribution, building)
            building.rename(target)
    return target


def _with_requirements(names: Iterable[str]) -> list[importlib.metadata.Distribution]:
    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = list(names)
    while wanted:
        name = _normalised(wanted.pop())
        if name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        for text in found[name].requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
    return list(found.values())


def _extracted(name: str, archives: Sequence[bytes]) -> Path:
    target = state.folder("lambda") / name
    with _preparing:
        if not target.exists():
            building = target.with_name(f"{name}.new")
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            for archive in archives:
                _unzip(archive, building)
            for folder in (
                building,
                building / "python",
                *building.glob("python/lib/*/*-packages"),
            ):
                _replace_native(folder)
            building.rename(target)
    return target


def _unzip(archive: bytes, target: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        for entry in zipped.infolist():
            path = Path(zipped.extract(entry, target))
            mode = entry.external_attr >> 16
            if path.is_file() and mode & stat.S_IXUSR:
                path.chmod(0o755)


def _replace_native(folder: Path) -> None:
    for metadata in folder.glob("*.dist-info"):
        wheel = metadata / "WHEEL"
        if not wheel.is_file():
            continue
        tags = HeaderParser().parsestr(wheel.read_text()).get_all("Tag", [])
        if not tags or any(parse_tag(tag) & _our_tags() for tag in tags):
            continue
        found = importlib.metadata.PathDistribution(metadata)
        name, version = found.metadata["Name"], found.version
        ours = _our_distribution(name, version)
        for top in _tops(found):
            path = folder / top
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        _link(ours, folder)
        log.info(
            "%s %s is built for %s; functions here use the same version for %s",
            name,
            version,
            tags[0],
            f"cp{sys.version_info.major}{sys.version_info.minor}-{sysconfig.get_platform()}",
        )


@lru_cache(maxsize=1)
def _our_tags() -> frozenset[object]:
    return frozenset(sys_tags())


def _our_distribution(name: str, version: str) -> importlib.metadata.Distribution:
    try:
        installed = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        pass
    else:
        if installed.version == version:
            return installed
    return _installed_in_cache(name, version)


def _installed_in_cache(name: str, version: str) -> importlib.metadata.Distribution:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    target = cache / "local-aws" / "packages" / python / f"{_normalised(name)}-{version}"
    if not target.exists():
        building = target.with_name(f"{target.name}.{os.getpid()}.new")
        shutil.rmtree(building, ignore_errors=True)
        building.parent.mkdir(parents=True, exist_ok=True)
        wanted = ["--no-deps", "--only-binary", ":all:", "--target", str(building)]
        uv = Path(sys.executable).with_name("uv")
        installer = (
            [str(uv), "pip", "install", "--python", sys.executable]
            if uv.exists()
            else [sys.executable, "-m", "pip", "install", "--no-input", "--quiet"]
        )
        done = subprocess.run(
            [*installer, *wanted, f"{name}=={version}"], capture_output=True, text=True
        )
        if done.returncode:
            shutil.rmtree(building, ignore_errors=True)
            reason = " ".join(done.stderr.split())[-600:]
            raise CannotReplace(
                f"{name} {version} is built for Lambda's platform, and installing the same "
                f"version for this machine's Python {sys.version_info.major}."
                f"{sys.version_info.minor} failed: {reason}"
            )
        building.rename(target)
    return next(iter(importlib.metadata.distributions(name=name, path=[str(target)])))


def _link(distribution: importlib.metadata.Distribution, target: Path) -> None:
    """Link a distribution's files into `target`, whole folders where they are its own."""
    files = distribution.files
    if files is None:
        raise CannotReplace(
            f"{distribution.metadata['Name']} {distribution.version} is installed without a list "
            "of its files (RECORD); install it again with uv or pip"
        )
    present = set(map(str, files))
    for file in files:
        if ".." in file.parts or file.is_absolute():
            continue  # scripts and the like, outside of what is imported
        whole = file
        for depth in range(1, len(file.parts)):
            folder = PurePosixPath(*file.parts[:depth])
            own = f"{folder}/__init__.py" in present or folder.suffix in (".libs", ".dist-info")
            if own:
                whole = type(file)(folder)
                break
        link = target / whole
        source = Path(str(distribution.locate_file(whole)))
        if not link.exists() and source.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)


def _tops(distribution: importlib.metadata.Distribution) -> set[str]:
    files = distribution.files or []
    return {file.parts[0] for file in files if ".." not in file.parts}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
