"""Data sets: reading, making, splitting and writing ratings.

`load(path)` reads one, `generate(size, seed)` makes one up, and `split(data, how)` divides it.
"""

from recsys.datasets.generator import generate
from recsys.datasets.problems import DataError, Problem
from recsys.datasets.ratings import GENRES, DataSet, Ids, MovieTable, Ratings
from recsys.datasets.readers import load
from recsys.datasets.splits import Split, split

__all__ = [
    "GENRES",
    "DataError",
    "DataSet",
    "Ids",
    "MovieTable",
    "Problem",
    "Ratings",
    "Split",
    "generate",
    "load",
    "split",
]
