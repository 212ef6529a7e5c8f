"""Recommending recipes: what a solution version, a campaign or a recommender runs.

A recipe is trained and served by two commands, so that whoever starts them needs no import:

    python -m recsys.recipes train FOLDER    config.json + data/ → model/ + result.json
    python -m recsys.recipes serve FOLDER    one JSON request a line → one JSON answer a line

`recipe.py` has the protocol, `dataset.py` the data, `serve.py` the requests, `registry.py` says
which recipe answers to which name.
"""

from recsys.recipes.dataset import Dataset
from recsys.recipes.recipe import Config, Model, Query, Recipe

__all__ = ["Config", "Dataset", "Model", "Query", "Recipe"]
