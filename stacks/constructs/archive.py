"""Files of the project, packed into one asset."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks import digests

RECSYS: Final = Path(__file__).resolve().parents[2] / "packages" / "recsys" / "src"
"""The folder of the package recsys."""

Files = Mapping[str, Path]
"""Files by their paths in an archive."""


def of_recsys(patterns: Iterable[str]) -> dict[str, Path]:
    """Files of the package recsys, by patterns relative to packages/recsys/src."""
    return {
        path.relative_to(RECSYS).as_posix(): path
        for pattern in patterns
        for path in RECSYS.glob(pattern)
    }


class Archive(s3_assets.Asset):
    """An archive that has the same hash for the same files."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        folder: Path,
        files: Files,
        name: str,
        pack: Callable[[Path, Files], None],
    ) -> None:
        """Create the asset.

        Args:
            scope: the parent.
            id: the construct's id.
            folder: the folder that the asset stands for.
            files: its files.
            name: the archive's name.
            pack: writes the archive to a path; the same bytes for the same files.
        """
        super().__init__(
            scope,
            id,
            path=str(folder),
            asset_hash=digests.of_files(files),
            asset_hash_type=cdk.AssetHashType.CUSTOM,
            bundling=cdk.BundlingOptions(
                image=cdk.DockerImage.from_registry("none"),  # never used
                local=_Packer(name, files, pack),
                output_type=cdk.BundlingOutput.SINGLE_FILE,
            ),
        )


@jsii.implements(cdk.ILocalBundling)
class _Packer:
    """Packs files on this machine, without Docker."""

    def __init__(self, name: str, files: Files, pack: Callable[[Path, Files], None]) -> None:
        self._name, self._files, self._pack = name, files, pack

    def try_bundle(self, output_dir: str, options: Any = None, **_: Any) -> bool:
        """Write the archive."""
        self._pack(Path(output_dir) / self._name, self._files)
        return True
