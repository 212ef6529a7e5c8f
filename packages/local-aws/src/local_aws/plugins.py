"""Plug-ins: programs of other distributions that replace container images and models.

A distribution registers a mapping by an entry point of one of two groups:

    [project.entry-points."local_aws.sagemaker_images"]
    object2vec = "recsys.plugins:OBJECT2VEC"

    [project.entry-points."local_aws.personalize_models"]
    recsys = "recsys.plugins:PERSONALIZE"

The name of an image's entry point is the name of its repository. The mappings are plain data, so
that a distribution does not have to depend on this one: `SageMakerImage` and `PersonalizeModels`
document their keys.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any, NotRequired, TypedDict, cast

IMAGES = "local_aws.sagemaker_images"
MODELS = "local_aws.personalize_models"


class PluginError(RuntimeError):
    """A registered plug-in is invalid; the message names its entry point."""


class SageMakerImage(TypedDict):
    """A program with SageMaker's container contract that replaces an image.

    It is started as `python *command train|serve algorithm`, with the folder that
    replaces /opt/ml in the variable CONTAINER_ROOT.

    Keys:
        command: arguments of Python, such as `["-m", "recsys.container"]`.
        algorithm: the last argument.
        metrics: the algorithm's metric definitions (`Name`, `Regex`), by which its log lines
            become the training job's metrics.
        tag: the image's tag, "1" unless given.
        table: path to the image's versions in the SageMaker SDK's tables of image URIs; the
            algorithm's name unless given.
    """

    command: Sequence[str]
    algorithm: str
    metrics: Sequence[Mapping[str, str]]
    tag: NotRequired[str]
    table: NotRequired[Sequence[str]]


class PersonalizeModels(TypedDict):
    """A program that trains and serves the models behind Amazon Personalize's recipes.

    It is started as `python *command train|serve FOLDER`; docs/plugins.md describes the folder
    and the requests.

    Keys:
        command: arguments of Python, such as `["-m", "recsys.recipes"]`.
        recipes: names of the recipes that it can train, such as `aws-sims`.
    """

    command: Sequence[str]
    recipes: Sequence[str]


@cache
def sagemaker_images() -> Mapping[str, SageMakerImage]:
    """The registered images, by the name of their repository.

    Raises:
        PluginError: a plug-in cannot be imported, or a key is missing.
    """
    return cast(Mapping[str, SageMakerImage], _load(IMAGES, SageMakerImage))


@cache
def personalize_models() -> Mapping[str, PersonalizeModels]:
    """The registered programs, by the recipes that they train; raises as above."""
    programs = cast(Mapping[str, PersonalizeModels], _load(MODELS, PersonalizeModels))
    return {recipe: program for program in programs.values() for recipe in program["recipes"]}


def _load(group: str, form: Any) -> Mapping[str, Any]:
    loaded: dict[str, Any] = {}
    for entry in entry_points(group=group):
        try:
            plugin = entry.load()
        except (ImportError, AttributeError) as error:
            raise PluginError(f"{group}: {entry.name} = {entry.value}: {error}") from error
        keys = set(plugin) if isinstance(plugin, Mapping) else set()
        missing, unknown = form.__required_keys__ - keys, keys - set(form.__annotations__)
        if missing or unknown:
            raise PluginError(
                f"{group}: {entry.name} = {entry.value} must be a mapping with the keys "
                f"{', '.join(form.__annotations__)}; missing: {', '.join(sorted(missing)) or '-'}; "
                f"unknown: {', '.join(sorted(unknown)) or '-'}"
            )
        loaded[entry.name] = plugin
    return loaded
