"""Runs one training: reads the folder, trains, evaluates, saves."""

import json
from pathlib import Path

from recsys.errors import InputError
from recsys.recipes import dataset
from recsys.recipes.evaluation import evaluate
from recsys.recipes.recipe import Config, Tunable
from recsys.recipes.registry import RECIPES


def main(folder: Path) -> None:
    """Train the recipe in `folder/config.json` on `folder/data`.

    Raises:
        InputError: the recipe is unknown, or cannot be trained on this data.
    """
    config = Config(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    recipe = RECIPES.get(config.recipe)
    if recipe is None:
        known = ", ".join(RECIPES)
        raise InputError(f"unknown recipe {config.recipe}; known are {known}")
    data = dataset.load(folder / "data")
    if config.hpo is not None:
        if not isinstance(recipe, Tunable):
            raise InputError(f"{config.recipe} has no tunable hyperparameters")
        config = recipe.tune(data, config)
    metrics = evaluate(recipe, data, config)
    model = recipe.fit(data, config)
    (folder / "model").mkdir(exist_ok=True)
    model.save(folder / "model")
    result = {"metrics": metrics, "hyperparameters": config.hyperparameters}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
