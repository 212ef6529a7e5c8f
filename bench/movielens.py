"""MovieLens 100k: ratings, the splits that it ships, and features of users and movies."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from recsys.datasets.ratings import GENRES, MovieTable, Ratings
from recsys.datasets.readers import load, read_100k_ratings
from recsys.datasets.scale import Scale

USERS, ITEMS = 944, 1683  # ids begin at 1
SCALE = Scale(least=1, most=5, step=1, liked=4)
_DAY = 86_400


class MovieLens:
    """The folder of MovieLens 100k."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def ratings(self) -> Ratings:
        """All ratings, in the file's order."""
        (ratings,) = read_100k_ratings(self.folder / "u.data")
        return ratings

    def split(self, name: str) -> tuple[Ratings, Ratings]:
        """Training and test part of `ua`, `u1`, …"""
        train, test = read_100k_ratings(self.folder / f"{name}.base", self.folder / f"{name}.test")
        return train, test

    @cached_property
    def user_days(self) -> NDArray[np.int64]:
        """The days on which each user rated, ascending."""
        return np.unique(_user_day(self.ratings))

    def user_day(self, rows: Ratings) -> NDArray[np.int64]:
        """Each row's index in `user_days`."""
        return np.searchsorted(self.user_days, _user_day(rows)).astype(np.int64)

    @cached_property
    def user_features(self) -> csr_array:
        """Age in steps of five, gender, occupation and the first character of the zip code."""
        rows = self._lines("u.user")
        columns: list[list[object]] = [
            [int(row[1]) // 5 for row in rows],
            [row[2] for row in rows],
            [row[3] for row in rows],
            [row[4][0] for row in rows],
        ]
        number = [int(row[0]) for row in rows]
        return csr_array(hstack([_one_hot(number, column, USERS) for column in columns]))

    @cached_property
    def item_features(self) -> csr_array:
        """Genres and year of release."""
        movies = self.movies
        number = movies.item.tolist()
        genres = np.zeros((ITEMS, len(GENRES)))
        genres[number] = movies.flags()
        years = _one_hot(number, [str(year or "") for year in movies.year.tolist()], ITEMS)
        return csr_array(hstack([csr_array(genres), years]))

    @cached_property
    def movies(self) -> MovieTable:
        """Its films."""
        return load(self.folder).movies

    def _lines(self, name: str) -> list[list[str]]:
        text = (self.folder / name).read_text("latin-1")
        return [line.split("|") for line in text.splitlines()]


def _user_day(rows: Ratings) -> NDArray[np.int64]:
    return (rows.user.astype(np.int64) << 32) + rows.timestamp // _DAY


def held_out(train: Ratings, each: int = 10, seed: int = 0) -> tuple[Ratings, Ratings]:
    """Hold out `each` random ratings per user, to choose the number of epochs."""
    random = np.random.default_rng(seed).random(len(train))
    order = np.lexsort((random, train.user))
    counts = np.bincount(train.user)
    rank = np.arange(len(train)) - np.repeat(np.cumsum(counts) - counts, counts)
    out = np.zeros(len(train), bool)
    out[order] = rank < each
    return train.take(~out), train.take(out)


def _one_hot(rows: list[int], values: Sequence[object], size: int) -> csr_array:
    distinct = {value: column for column, value in enumerate(sorted(set(values), key=str))}
    columns = [distinct[value] for value in values]
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(size, len(distinct)))
