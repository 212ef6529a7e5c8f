"""Maps container images to programs on this machine."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from local_aws import plugins
from local_aws.sagemaker.errors import ValidationException

_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z0-9.]+"
    r"/(?P<repository>[a-z0-9._/-]+)(?::(?P<tag>[A-Za-z0-9._-]+))?"
)

_SCIKIT_LEARN = "sagemaker-scikit-learn"


@dataclass(frozen=True)
class Program:
    """A program with SageMaker's container contract.

    It is started as `python *command train|serve algorithm`. `metrics` are a built-in algorithm's
    definitions (Name, Regex) by which its log lines become the training job's metrics, and empty
    if the job defines its own; `tag` is the image's; `table` names the part of the SageMaker SDK's
    tables with its versions.
    """

    algorithm: str
    command: tuple[str, ...]
    metrics: tuple[Mapping[str, str], ...] = ()
    tag: str = "1"
    table: tuple[str, ...] = ()

    def run(self, command: str) -> list[str]:
        """The arguments of Python that train or serve."""
        return [*self.command, command, self.algorithm]

    @property
    def tags(self) -> tuple[str, ...]:
        """The allowed tags of an image; only built-in algorithms have latest."""
        return (self.tag, "latest") if self.metrics else (self.tag,)

    def registries(self) -> Mapping[str, str]:
        """The image's registry account by region."""
        return _registries(self.table or (self.algorithm,), self.tag.split("-")[0])


@cache
def _registries(table: tuple[str, ...], version: str) -> Mapping[str, str]:
    return _versions(table)[version]


@cache
def _versions(table: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The registry accounts by version and region, from a part of the SDK's tables."""
    # Located without importing the SDK, which takes seconds.
    package = find_spec("sagemaker")
    assert package is not None and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "core" / "image_uri_config"
    found = json.loads((folder / f"{table[0]}.json").read_text("utf-8"))
    for part in table[1:]:
        found = found[part]
    return {version: one["registries"] for version, one in found["versions"].items()}


_TOOLKIT = ("-m", "local_aws.sagemaker.toolkit")
PROGRAMS: dict[str, Program] = {  # by the name of the image's repository
    "pytorch-inference": Program(
        "inference", _TOOLKIT, tag="2.6.0-cpu-py312", table=("pytorch", "inference")
    ),
    "pytorch-training": Program(
        "training", _TOOLKIT, tag="2.8.0-cpu-py312", table=("pytorch", "training")
    ),
    **{
        repository: Program(
            image["algorithm"],
            tuple(image["command"]),
            tuple(image["metrics"]),
            image.get("tag", "1"),
            tuple(image.get("table", ())),
        )
        for repository, image in plugins.sagemaker_images().items()
    },
}


def _wanted(uri: re.Match[str] | None) -> str:
    return uri["repository"] if uri else "the image"


def find(image: str, region: str) -> Program:
    """The program for an image's URI in `region`.

    Raises:
        ValidationException: the image is not available; the message lists those that are.
    """
    uri = _URI.fullmatch(image)
    program = PROGRAMS.get(uri["repository"]) if uri else None
    if uri is None or program is None or (uri["tag"] or "latest") not in program.tags:
        known = ", ".join(f"{name}:{each.tag}" for name, each in PROGRAMS.items())
        raise ValidationException(
            f"The image {image} cannot run here. The local AWS runs programs in place of images, "
            f"and has these: {known}. Install a distribution that provides {_wanted(uri)} "
            f"(entry point group {plugins.IMAGES}); recsys provides object2vec and "
            "factorization-machines."
        )
    _check_account(uri, program.registries(), region)
    return program


def check_processing(image: str, region: str) -> None:
    """Check that this machine's Python may run a processing job's commands in an image's place.

    Raises:
        ValidationException: the image is not available; the message lists those that are.
    """
    uri = _URI.fullmatch(image)
    if uri and uri["repository"] == "pytorch-training":
        find(image, region)
        return
    tags = {
        f"{version}-cpu-py3": one for version, one in _versions(("sklearn", "training")).items()
    }
    if uri is None or uri["repository"] != _SCIKIT_LEARN or uri["tag"] not in tags:
        raise ValidationException(
            f"The image {image} cannot run here. The local AWS runs processing jobs in this "
            f"machine's Python in place of the images {_SCIKIT_LEARN} ({', '.join(tags)}) and "
            f"pytorch-training:{PROGRAMS['pytorch-training'].tag}."
        )
    _check_account(uri, tags[uri["tag"]], region)


def _check_account(uri: re.Match[str], registries: Mapping[str, str], region: str) -> None:
    account = registries.get(region)
    if (uri["account"], uri["region"]) != (account, region):
        where = f"account {account}" if account else "no account"
        raise ValidationException(
            f"The image {uri[0]} does not exist in {region}: {uri['repository']} lives there in "
            f"{where}."
        )
