"""Splits into ratings to learn from and ratings to be judged by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys import hashing
from recsys.datasets.problems import DataError, Problem
from recsys.datasets.ratings import DataSet, Ratings
from recsys.datasets.readers import read_100k_ratings
from recsys.fields import HELD_OUT

SHIPPED = ("ua", "ub", "u1", "u2", "u3", "u4", "u5")
"""The splits that MovieLens 100k ships: ten ratings a user held out, and five-fold ones."""


@dataclass(frozen=True, eq=False)
class Split:
    """Ratings in two parts; `words` say how they were divided."""

    train: Ratings
    validation: Ratings
    words: str


def split(
    data: DataSet,
    how: str | None = None,
    *,
    held_out: int = HELD_OUT,
    fraction: float = 0.1,
    seed: int = 0,
) -> Split:
    """Divide a data set.

    Args:
        data: what to divide.
        how: one of SHIPPED for MovieLens 100k; `per-user`: `held_out` random ratings of each user,
            but never more than a fifth of them, or one of two to nine; `by-time`: the newest
            `fraction` of all ratings. If None, `ua` where it is shipped, else `per-user`.
        held_out: ratings held out of each user.
        fraction: share of the ratings held out, above 0 and below 1.
        seed: of the random choice.

    Raises:
        DataError: there are too few ratings, or the shipped files are missing or wrong.
        ValueError: there is no such split.
    """
    if how is None:
        how = "ua" if data.folder and (data.folder / "ua.base").is_file() else "per-user"
    if how in SHIPPED:
        if data.format != "ml-100k" or data.folder is None:
            raise ValueError(f"only MovieLens 100k ships the split {how}")
        train, validation = read_100k_ratings(
            data.folder / f"{how}.base", data.folder / f"{how}.test"
        )
        return Split(train, validation, f"{how}.base and {how}.test as MovieLens ships them")
    rows = data.ratings
    if how == "per-user":
        out = _some_of_each_user(rows, held_out, seed)
        what = "items" if data.events else "ratings"
        words = f"{held_out} random {what} of each user held out, at most a fifth (seed {seed})"
    elif how == "by-time":
        newest = np.argsort(rows.timestamp, kind="stable")[-int(len(rows) * fraction) :]
        out = np.zeros(len(rows), bool)
        out[newest] = int(len(rows) * fraction) > 0
        words = f"the newest {fraction:.0%} of the ratings held out"
    else:
        raise ValueError(f"no split {how!r}: use per-user, by-time or one of {', '.join(SHIPPED)}")
    if not out.any():
        words = f"{len(rows)} rows are too few to hold some out; a user needs two at least"
        raise DataError(Problem(data.source, words))
    return Split(rows.take(~out), rows.take(out), words)


def _some_of_each_user(rows: Ratings, most: int, seed: int) -> NDArray[np.bool_]:
    """Mask of `most` random rows of each user, but no more than a fifth, or one of two to nine."""
    order = np.lexsort((rows.item, scattered(rows, seed), rows.user))
    user = rows.user[order]
    starts = np.flatnonzero(np.append(True, user[1:] != user[:-1]))
    counts = np.diff(np.append(starts, len(user)))
    rank = np.arange(len(user)) - np.repeat(starts, counts)
    out = np.zeros(len(rows), bool)
    out[order] = rank < np.repeat(np.clip(counts // 5, np.minimum(counts // 2, 1), most), counts)
    return out


def scattered(rows: Ratings, seed: int) -> NDArray[np.uint64]:
    """A pseudo-random number for each row, which depends on nothing but its pair and the seed.

    So a row is held out on one machine and on many alike, in whatever order the rows come. The
    lowest bit is left out: Spark's numbers have a sign.
    """
    z = (rows.user.astype(np.uint64) << np.uint64(32)) | rows.item.astype(np.uint64)
    z += np.uint64(hashing.start(seed))
    for shift, factor in hashing.MIXING:
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return (z ^ (z >> np.uint64(hashing.LAST))) >> np.uint64(1)
