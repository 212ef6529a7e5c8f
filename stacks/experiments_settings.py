"""The settings `experiments`: which variants of the lists are compared, and how."""

import json
from collections.abc import Collection
from typing import Final

from recsys.errors import InputError
from recsys.experiments.definition import ENGINES, Experiment, parse_all
from stacks.personalize_settings import Personalize
from stacks.settings import Settings

# what answers for users, of the recipes and the use cases
_SOLUTIONS: Final = ("user-personalization-v2", "user-personalization")
_RECOMMENDER: Final = "top-picks"

# of the environment of a function, which may have 4 KB in all
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MOST_BYTES: Final = 3000


def read(
    settings: Settings, engines: Collection[str], full: bool, personalize: Personalize
) -> tuple[Experiment, ...]:
    """Read the section `experiments`; errors are recorded in `settings`.

    Args:
        settings: the settings to read from.
        engines: the deployed engines besides Object2Vec, such as `lists`, whose variants are
            compared.
        full: whether Object2Vec is deployed.
        personalize: what is deployed of Amazon Personalize, which arms may ask.
    """
    values = settings.objects("experiments")
    try:
        found = parse_all(values)
    except InputError as error:
        settings.errors += [f"experiments.{problem}" for problem in error.problems]
        return ()
    if found and "lists" not in engines:
        settings.errors.append(
            "experiments: they compare lists, which are not deployed; add lists to engines"
        )
    deployed = {*engines, *(("object2vec",) if full else ())}
    for one in found:
        for arm, model in one.models.items():
            if model in ENGINES and model not in deployed:
                how = "" if model == "object2vec" else f"add {model} to engines"
                profile = "" if full else "set profile=full"
                settings.errors.append(
                    f"experiments.{one.name}.arms.{arm}.model: {model} is not deployed; "
                    f"{' and '.join(filter(None, (profile, how)))}"
                )
    if asks_personalize(found) and not any(
        set(_SOLUTIONS) & set(group.solutions)
        if group.name == "custom"
        else _RECOMMENDER in group.recommenders
        for group in personalize.groups
    ):
        settings.errors.append(
            "experiments: an arm's model is personalize, but nothing of it that is deployed "
            f"recommends items to users: deploy the custom group with {' or '.join(_SOLUTIONS)}, "
            f"or the domain group with {_RECOMMENDER}"
        )
    if (size := len(as_environment(found))) > _MOST_BYTES:
        settings.errors.append(
            f"experiments: together they have {size:,} bytes as JSON, of the {_MOST_BYTES:,} that "
            "fit into the environment of a function; use shorter names, or end one of them"
        )
    return found


def asks_personalize(experiments: tuple[Experiment, ...]) -> bool:
    """Whether an arm's lists are Amazon Personalize's."""
    return "personalize" in _models(experiments)


def asked_engines(experiments: tuple[Experiment, ...]) -> list[str]:
    """The engines that arms ask to put the lists in order."""
    return [engine for engine in ENGINES if engine in _models(experiments)]


def _models(experiments: tuple[Experiment, ...]) -> set[str]:
    return {model for one in experiments for model in one.models.values()}


def as_environment(experiments: tuple[Experiment, ...]) -> str:
    """The definitions as the function `Lists` reads them."""
    definitions = {one.name: one.as_json() for one in experiments}
    return json.dumps(definitions, separators=(",", ":"), ensure_ascii=False)
