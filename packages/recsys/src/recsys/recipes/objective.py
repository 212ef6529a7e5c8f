"""A second objective of a recipe in addition to relevance: a numeric column, such as a price.

How much each sensitivity weighs is ours: Amazon Personalize says that a higher one puts more weight
on the objective.
https://docs.aws.amazon.com/personalize/latest/dg/optimizing-solution-for-objective.html
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.lists.blend import standardized
from recsys.recipes.dataset import Dataset
from recsys.recipes.recipe import Config

RECIPES: Final = ("aws-user-personalization", "aws-user-personalization-v2")
_WEIGHTS: Final = {"OFF": 0.0, "LOW": 0.5, "MEDIUM": 1.0, "HIGH": 2.0}  # spreads of the scores


def rewards(data: Dataset, config: Config) -> NDArray[np.float64] | None:
    """What each item adds to the objective, float64[items], 0 where it has none; None without one.

    Raises:
        InputError: the recipe has no objectives, or the items have no such number.
    """
    if config.objective is None:
        return None
    if config.recipe not in RECIPES:
        raise InputError(
            f"{config.recipe} does not optimise for an objective (optimizationObjective)"
        )
    name = config.objective.get("itemAttribute") or ""
    column = {key.upper(): value for key, value in data.item_columns.items()}.get(name.upper())
    if column is None or column.numbers is None:
        raise InputError(f"the objective's itemAttribute {name!r} is no number of the items")
    return np.nan_to_num(column.numbers)


def lift(data: Dataset, config: Config) -> NDArray[np.float64]:
    """What is added to each item's score for the objective, float64[items]."""
    found = rewards(data, config)
    if found is None or config.objective is None:
        return np.zeros(len(data.items))
    weight = _WEIGHTS[config.objective.get("objectiveSensitivity") or "LOW"]
    return np.asarray(weight * standardized(found), np.float64)
