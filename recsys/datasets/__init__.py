"""Data sets: reading, making, splitting and writing ratings.

`load(path)` reads one, `generate(...)` makes one up, `split(data, how)` divides it.
"""

from recsys.datasets.problems import DataError, Problem
from recsys.datasets.ratings import GENRES, DataSet, Ids, MovieTable, Ratings
from recsys.datasets.readers import load

__all__ = ["GENRES", "DataError", "DataSet", "Ids", "MovieTable", "Problem", "Ratings", "load"]
