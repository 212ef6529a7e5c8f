"""The settings `experiments`: which variants of the lists are compared, and how."""

import json
from typing import Final

from recsys.errors import InputError
from recsys.experiments.definition import Experiment, parse_all
from stacks.settings import Settings

# of the environment of a function, which may have 4 KB in all
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MOST_BYTES: Final = 3000


def read(settings: Settings, lists: bool) -> tuple[Experiment, ...]:
    """Read the section `experiments`; errors are recorded in `settings`.

    Args:
        settings: the settings to read from.
        lists: whether the lists are deployed, whose variants are compared.
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
    if (size := len(as_environment(found))) > _MOST_BYTES:
        settings.errors.append(
            f"experiments: together they have {size:,} bytes as JSON, of the {_MOST_BYTES:,} that "
            "fit into the environment of a function; use shorter names, or end one of them"
        )
    return found


def as_environment(experiments: tuple[Experiment, ...]) -> str:
    """The definitions as the function `Lists` reads them."""
    definitions = {one.name: one.as_json() for one in experiments}
    return json.dumps(definitions, separators=(",", ":"), ensure_ascii=False)
