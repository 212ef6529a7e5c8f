"""The settings `experiments`: which variants of the lists are compared, and how."""

import json
from typing import Final

from recsys.errors import InputError
from recsys.experiments.definition import Experiment, parse_all
from stacks.personalize_settings import Personalize
from stacks.settings import Settings

# what answers for users, of the recipes and the use cases
_SOLUTIONS: Final = ("user-personalization-v2", "user-personalization")
_RECOMMENDER: Final = "top-picks"

# of the environment of a function, which may have 4 KB in all
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MOST_BYTES: Final = 3000


def read(settings: Settings, lists: bool, personalize: Personalize) -> tuple[Experiment, ...]:
    """Read the section `experiments`; errors are recorded in `settings`.

    Args:
        settings: the settings to read from.
        lists: whether the lists are deployed, whose variants are compared.
        personalize: what is deployed of Amazon Personalize, which arms may ask.
    """
    values = settings.objects("experiments")
    try:
        found = parse_all(values)
    except InputError as error:
        settings.errors += [f"experiments.{problem}" for problem in error.problems]
        return ()
    if found and not lists:
        settings.errors.append(
            "experiments: they compare lists, which are not deployed; add lists to engines"
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
    return any(
        arm.settings.get("model") == "personalize" for one in experiments for arm in one.arms
    )


def as_environment(experiments: tuple[Experiment, ...]) -> str:
    """The definitions as the function `Lists` reads them."""
    definitions = {one.name: one.as_json() for one in experiments}
    return json.dumps(definitions, separators=(",", ":"), ensure_ascii=False)
