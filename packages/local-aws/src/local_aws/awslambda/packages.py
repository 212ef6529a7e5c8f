"""Prepares what a function may import: its zip, its layers, and the packages of Lambda's image.

Code is built for Lambda's platform; a native distribution in it (numpy, say) cannot run here. It
is replaced by the same version for this machine: linked from the environment that runs the local
AWS if it has exactly that version, otherwise installed into the user's cache.
"""

import csv
import hashlib
import importlib.metadata
import io
import logging
import os
import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Callable, Iterable, Sequence
from email.parser import HeaderParser
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.tags import parse_tag, sys_tags
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from local_aws import state
from local_aws.paths import UnsafePath, inside, relative, remove, unzip

log = logging.getLogger("local_aws.lambda")
_INSTALL_SECONDS = 300.0
_waiting = threading.Lock()
_locks: dict[Path, threading.Lock] = {}  # by folder in preparation
# the packages of Lambda's Python image in addition to the standard library
_image = ("boto3",)
_RUNTIME = Path(__file__).with_name("requirements.txt")


class CannotReplace(Exception):
    """A function's or layer's code that cannot run on this machine; the message says why."""


def task_root(digest: str, code: bytes) -> Path:
    """The folder of a function's extracted zip, as /var/task.

    Raises:
        CannotReplace: it contains a native distribution that is not available for this machine.
        zipfile.BadZipFile: it is not a zip file.
    """
    return _extracted(f"code-{digest}", [code])


def layers_root(digests: Sequence[str], archives: Sequence[bytes], runtime: str) -> Path:
    """The folder of the merged layers, later ones over earlier ones, as /opt; raises as above.

    Args:
        digests: of the layers' archives.
        archives: zip files.
        runtime: of the function, such as `python3.12`.
    """
    name = "-".join(["layers", runtime, *(digest[:32] for digest in digests)])
    return _extracted(name, archives, search_path(Path(), runtime))


def search_path(layers: Path | None, runtime: str) -> list[str]:
    """The folders under /opt from which Python imports.

    https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
    """
    if layers is None:
        return []
    return [str(layers / "python" / "lib" / runtime / "site-packages"), str(layers / "python")]


def _prepared(target: Path, fill: Callable[[Path], None]) -> Path:
    """Create and fill a folder if it does not exist; concurrent threads wait for the first.

    Args:
        target: the folder, which appears when it is complete, also for other processes.
        fill: a function that fills the new folder.
    """
    with _waiting:
        lock = _locks.setdefault(target, threading.Lock())
    with lock:
        if not target.exists():
            building = target.with_name(f"{target.name}.{os.getpid()}.new")
            remove(building)
            building.mkdir(parents=True)
            try:
                fill(building)
                building.rename(target)
            except BaseException:
                remove(building)
                if not target.exists():  # otherwise another process was faster
                    raise
    return target


def runtime_root() -> Path:
    """A folder with boto3 and its dependencies only, in the versions of Lambda's image.

    Without a network, it has this environment's versions.
    """
    return _runtime_in_cache() or _prepared(state.folder("lambda") / "runtime", _link_runtime)


@cache
def _runtime_in_cache() -> Path | None:
    digest = hashlib.sha256(_RUNTIME.read_bytes()).hexdigest()[:12]

    def fill(building: Path) -> None:
        _install(building, "--require-hashes", "--requirement", str(_RUNTIME))

    try:
        return _prepared(_cached(f"runtime-{digest}"), fill)
    except _NotInstalled as error:
        log.warning(
            "functions run with boto3 %s, which may be newer than Lambda's: installing the "
            "packages in %s failed: %s",
            importlib.metadata.version("boto3"),
            _RUNTIME,
            error,
        )
        return None


def _link_runtime(folder: Path) -> None:
    for distribution in _with_requirements(_image):
        _link(distribution, folder)


def _with_requirements(names: Iterable[str]) -> list[importlib.metadata.Distribution]:
    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = list(names)
    while wanted:
        name = canonicalize_name(wanted.pop())
        if name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        for text in found[name].requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
    return list(found.values())


def _extracted(name: str, archives: Sequence[bytes], imported: Sequence[str] = (".",)) -> Path:
    def fill(folder: Path) -> None:
        for archive in archives:
            with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
                try:
                    unzip(zipped, folder)
                except (
                    UnsafePath,
                    FileExistsError,
                    IsADirectoryError,
                    NotADirectoryError,
                ) as error:
                    raise CannotReplace(f"its zip file cannot be extracted: {error}") from None
        for packages in imported:
            _replace_native(folder / packages)

    return _prepared(state.folder("lambda") / name, fill)


def _replace_native(folder: Path) -> None:
    for metadata in list(folder.glob("*.dist-info")):
        wheel = metadata / "WHEEL"
        if metadata.is_symlink() or not wheel.is_file():
            continue
        tags = HeaderParser().parsestr(wheel.read_text("utf-8", "replace")).get_all("Tag", [])
        if not tags or any(_runs_here(tag) for tag in tags):
            continue
        foreign = importlib.metadata.PathDistribution(metadata)
        name, version = _identity(foreign)
        ours = _our_distribution(name, version)
        for part in _parts(foreign):
            remove(_place(folder, part))
        _link(ours, folder)
        log.info(
            "%s %s is built for %s; functions here use the same version for %s",
            name,
            version,
            tags[0],
            f"cp{sys.version_info.major}{sys.version_info.minor}-{sysconfig.get_platform()}",
        )


def _identity(distribution: importlib.metadata.Distribution) -> tuple[str, Version]:
    """A distribution's name and version, validated for paths and command lines.

    Raises:
        CannotReplace: its metadata are invalid.
    """
    told = distribution.metadata
    name, version = told["Name"] or "", told["Version"] or ""
    try:
        canonicalize_name(name, validate=True)
        return name, Version(version)
    except (InvalidName, InvalidVersion):
        raise CannotReplace(
            f"the METADATA of a native package give no valid name and version: {name[:100]!r} "
            f"{version[:100]!r}"
        ) from None


@lru_cache(maxsize=1)
def _our_tags() -> frozenset[object]:
    return frozenset(sys_tags())


def _runs_here(tag: str) -> bool:
    try:
        return not parse_tag(tag).isdisjoint(_our_tags())
    except ValueError:  # no tag at all
        return False


def _our_distribution(name: str, version: Version) -> importlib.metadata.Distribution:
    try:
        installed = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        pass
    else:
        if Version(installed.version) == version:
            return installed
    return _installed_in_cache(name, version)


def _installed_in_cache(name: str, version: Version) -> importlib.metadata.Distribution:
    def fill(building: Path) -> None:
        try:
            _install(building, "--", f"{name}=={version}")
        except _NotInstalled as error:
            raise CannotReplace(
                f"{name} {version} is built for Lambda's platform, and installing the same "
                f"version for this machine's Python {sys.version_info.major}."
                f"{sys.version_info.minor} failed: {error}"
            ) from None

    target = _prepared(_cached(f"{canonicalize_name(name)}-{version}"), fill)
    return next(iter(importlib.metadata.distributions(name=name, path=[str(target)])))


def _cached(name: str) -> Path:
    """A folder of the user's cache for this machine's Python."""
    python = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    return inside(state.cache() / "local-aws" / "packages" / python, name)


class _NotInstalled(Exception):
    """Packages could not be installed; the message says why."""


def _install(target: Path, *wanted: str) -> None:
    """Install packages into a folder, without their dependencies.

    Raises:
        _NotInstalled: it failed.
    """
    uv = Path(sys.executable).with_name("uv")
    installer = (
        [str(uv), "pip", "install", "--python", sys.executable]
        if uv.exists()
        else [sys.executable, "-m", "pip", "install", "--no-input", "--quiet"]
    )
    options = ["--no-deps", "--only-binary", ":all:", "--target", str(target)]
    try:
        done = subprocess.run(
            [*installer, *options, *wanted],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise _NotInstalled(f"it took longer than {_INSTALL_SECONDS:.0f} seconds") from None
    if done.returncode != 0:
        raise _NotInstalled(" ".join(done.stderr.split())[-600:])


def _link(distribution: importlib.metadata.Distribution, target: Path) -> None:
    """Link a distribution's parts into `target`."""
    for part in sorted(_parts(distribution)):
        if (target / part).exists():
            continue
        link = _place(target, part)
        source = Path(str(distribution.locate_file(part)))
        if source.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)


def _place(folder: Path, part: PurePosixPath) -> Path:
    """The path of a part in `folder`, not through a link to another distribution.

    Raises:
        CannotReplace: two distributions claim the same folder.
    """
    try:
        return (inside(folder, str(part.parent)) if part.parent.parts else folder) / part.name
    except UnsafePath as error:
        raise CannotReplace(f"two of its packages claim the same folder: {error}") from None


def _parts(distribution: importlib.metadata.Distribution) -> set[PurePosixPath]:
    """The parts of a distribution below its folder: whole folders if it owns them.

    Scripts and other files outside of importable code are omitted.

    Raises:
        CannotReplace: its list of files is missing or unreadable.
    """
    name, version = _identity(distribution)
    try:
        files = distribution.files
    except (TypeError, ValueError, csv.Error) as error:
        raise CannotReplace(f"the RECORD of {name} {version} cannot be read: {error}") from None
    if files is None:
        raise CannotReplace(
            f"{name} {version} has no list of its files (RECORD); install it again with uv or pip"
        )
    present = set(map(str, files))
    parts = set()
    for file in files:
        try:
            path = whole = relative(str(file))
        except UnsafePath:
            continue
        for depth in range(1, len(path.parts)):
            folder = PurePosixPath(*path.parts[:depth])
            own = f"{folder}/__init__.py" in present or folder.suffix in (".libs", ".dist-info")
            if own:
                whole = folder
                break
        parts.add(whole)
    return parts
