"""Recipes: the models behind solution versions, campaigns and recommenders.

A recipe is trained and served by two commands, so that no import is needed to start them:

    python -m recsys.recipes train FOLDER    config.json + data/ → model/ + result.json
    python -m recsys.recipes serve FOLDER    JSON Lines: requests → answers

`recipe.py` defines the protocol, `dataset.py` the data, `serve.py` the requests, and `registry.py`
maps Personalize's names to recipes.
"""

from recsys.recipes.dataset import Dataset
from recsys.recipes.recipe import Config, Model, Query, Recipe

__all__ = ["Config", "Dataset", "Model", "Query", "Recipe"]
