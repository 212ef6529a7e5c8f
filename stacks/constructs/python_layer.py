"""A Lambda layer from pinned, hashed requirements, built without Docker."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.constructs.python_function import RUNTIME, architecture

_PROJECT: Final = Path(__file__).resolve().parents[2]
_LAYERS: Final = _PROJECT / "layers"
_BUILT: Final = _PROJECT / "build" / "layers"  # archives, by the layer's hash
_PYTHON: Final = RUNTIME.name.removeprefix("python")
# Lambda's Python runs on Amazon Linux 2023, glibc 2.34.
_PLATFORMS: Final = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
_PATIENCE: Final = 600  # timeout in seconds for downloading a layer's packages
# Files that functions do not import: tests, type stubs, scripts. Part of the layer's hash.
_STRIPPED: Final = ("**/tests", "**/*.pyi", "**/__pycache__", "bin", ".lock")


class LayerBuildError(RuntimeError):
    """A layer could not be built; the message says why."""


@jsii.implements(cdk.ILocalBundling)
class _Archive:
    """A layer's archive, which is built once for all deployments.

    The CDK would compress a folder again for every deployment.
    """

    def __init__(self, requirements: Path, architecture_name: str, archive: Path) -> None:
        self._requirements = requirements
        self._platform = _PLATFORMS[architecture_name]
        self._archive = archive

    def try_bundle(self, output_dir: str, options: Any = None, **_: Any) -> bool:
        """Put the archive into a folder. Never falls back to Docker.

        Raises:
            LayerBuildError: uv failed.
        """
        if not self._archive.exists():
            self._archive.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._archive.parent) as folder:
                target = Path(folder) / "python"
                self._install(target)
                built = _compressed(target, Path(folder) / "built.zip")
                built.replace(self._archive)  # at once: others may build the same
        shutil.copyfile(self._archive, Path(output_dir) / "layer.zip")
        return True

    def _install(self, target: Path) -> None:
        """Install the requirements with uv for Lambda's platform."""
        command = [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet"),
            *("--requirements", str(self._requirements), "--require-hashes"),
            *("--only-binary", ":all:", "--no-deps", "--target", str(target)),
            *("--python", sys.executable, "--python-version", _PYTHON),
            *("--python-platform", self._platform),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_PATIENCE
            )
            told = done.stderr.strip() if done.returncode else None
        except subprocess.TimeoutExpired:
            told = f"nothing, for {_PATIENCE} seconds."
        if told is not None:
            raise LayerBuildError(
                f"The layer {self._requirements.parent.name} could not be built for "
                f"{self._platform}, Python {_PYTHON}. It needs the package index, or uv's cache "
                f"of an earlier build. uv says:\n{told}"
            )
        for pattern in _STRIPPED:
            for path in target.glob(pattern):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _compressed(folder: Path, archive: Path) -> Path:
    """An archive of a folder, the same for the same files."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(folder.parent).as_posix()
                entry = zipfile.ZipInfo(name)  # dated 1980
                entry.external_attr = (path.stat().st_mode & 0xFFFF) << 16
                file.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return archive


class PythonLayer(lambda_.LayerVersion):
    """A layer of the packages in layers/NAME/requirements.txt, for the functions' runtime."""

    def __init__(self, scope: Construct, id: str, *, name: str, architecture_name: str) -> None:  # noqa: A002
        """Create the layer.

        Args:
            scope: the parent.
            id: the construct's id.
            name: folder under layers/.
            architecture_name: `arm64` or `x86_64`.
        """
        requirements = _LAYERS / name / "requirements.txt"
        recipe = (requirements.read_text(encoding="utf-8"), _PYTHON, architecture_name, _STRIPPED)
        # Known before the installation, so that an unchanged layer is not rebuilt.
        digest = hashlib.sha256(repr(recipe).encode()).hexdigest()
        archive = _Archive(requirements, architecture_name, _BUILT / f"{name}-{digest[:16]}.zip")
        super().__init__(
            scope,
            id,
            description=f"{name} for Python {_PYTHON} on {architecture_name}",
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[architecture(architecture_name)],
            removal_policy=cdk.RemovalPolicy.DESTROY,
            code=lambda_.Code.from_asset(
                str(requirements.parent),
                asset_hash=digest,
                bundling=cdk.BundlingOptions(
                    image=RUNTIME.bundling_image,
                    local=archive,
                    output_type=cdk.BundlingOutput.ARCHIVED,
                ),
            ),
        )
