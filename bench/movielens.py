"""MovieLens 100k's splits, and what it says of its users and films."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from recsys.datasets.ratings import Ratings
from recsys.datasets.readers import read_100k_ratings

USERS, ITEMS = 944, 1683  # ids begin at 1
_DAY = 86_400


@dataclass(frozen=True)
class Split:
    """A training and a test part as MovieLens ships them."""

    name: str
    train: Ratings
    test: Ratings

    def days(self) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """The days of both parts' ratings, counted from the first, and their number."""
        first = min(int(part.timestamp.min()) for part in (self.train, self.test))
        train, test = ((part.timestamp - first) // _DAY for part in (self.train, self.test))
        return train, test, int(max(train.max(), test.max())) + 1


def split(folder: Path, name: str) -> Split:
    """`ua`, `u1`, … from the folder of MovieLens 100k."""
    train, test = read_100k_ratings(folder / f"{name}.base", folder / f"{name}.test")
    return Split(name, train, test)


def held_out(train: Ratings, each: int = 10, seed: int = 0) -> tuple[Ratings, Ratings]:
    """A training part in two: `each` random ratings of each user are for choosing epochs by."""
    random = np.random.default_rng(seed).random(len(train))
    order = np.lexsort((random, train.user))
    counts = np.bincount(train.user)
    rank = np.arange(len(train)) - np.repeat(np.cumsum(counts) - counts, counts)
    out = np.zeros(len(train), bool)
    out[order] = rank < each
    return train.take(~out), train.take(out)


def user_features(folder: Path) -> csr_array:
    """Age in steps of five, gender, occupation and the first character of the zip code."""
    rows = [line.split("|") for line in (folder / "u.user").read_text("latin-1").splitlines()]
    number = [int(row[0]) for row in rows]
    columns: list[list[object]] = [
        [int(row[1]) // 5 for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
        [row[4][0] for row in rows],
    ]
    parts = [_one_hot(number, column, USERS) for column in columns]
    return csr_array(hstack(parts))


def item_features(folder: Path) -> csr_array:
    """Genres and year of release."""
    rows = [line.split("|") for line in (folder / "u.item").read_text("latin-1").splitlines()]
    number = [int(row[0]) for row in rows]
    genres = np.zeros((ITEMS, 19))
    genres[number] = [[int(flag) for flag in row[5:24]] for row in rows]
    return csr_array(
        hstack([csr_array(genres), _one_hot(number, [r[2][-4:] for r in rows], ITEMS)])
    )


def _one_hot(rows: list[int], values: Sequence[object], size: int) -> csr_array:
    distinct = {value: column for column, value in enumerate(sorted(set(values), key=str))}
    columns = [distinct[value] for value in values]
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(size, len(distinct)))
