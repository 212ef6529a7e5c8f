"""What a data set is: ratings as arrays, a table of movies, and the ids that people gave them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.datasets.nouns import Nouns
from recsys.datasets.scale import Scale
from recsys.fields import MAX_ID, TITLES_YEAR

GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""MovieLens 100k's genres, in the order of the flags in its u.item."""

_SAME_GENRE = {"children": "children's", "science fiction": "sci-fi", "scifi": "sci-fi"}
_FLAG = {name.lower(): number for number, name in enumerate(GENRES)}
_YEAR = re.compile(TITLES_YEAR)


@dataclass(frozen=True)
class Ids:
    """The engines' integers for people's ids.

    Attributes:
        labels: the id numbered 1, 2, …; None where whole-number ids were kept as they are.
    """

    labels: tuple[str, ...] | None = None

    @classmethod
    def of(cls, labels: Iterable[str]) -> "Ids":
        """Number the labels by their sorted order, unless all are whole numbers below MAX_ID."""
        distinct = set(labels)
        if all(_is_plain(label) and int(label) < MAX_ID for label in distinct):
            return cls()
        if all(_is_plain(label) for label in distinct):
            return cls(tuple(sorted(distinct, key=int)))
        return cls(tuple(sorted(distinct)))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Integer by label; empty where ids were kept."""
        return {label: number for number, label in enumerate(self.labels or (), start=1)}

    def number(self, label: str) -> int:
        """The engines' integer for an id.

        Raises:
            KeyError: the id is not in the data.
        """
        if self.labels is not None:
            return self.numbers[label]
        if not _is_plain(label):
            raise KeyError(label)
        return int(label)

    def label(self, number: int) -> str:
        """The id behind one of the engines' integers.

        Raises:
            KeyError: no id has that number.
        """
        if self.labels is None:
            return str(number)
        if not 1 <= number <= len(self.labels):
            raise KeyError(number)
        return self.labels[number - 1]


def _is_plain(label: str) -> bool:
    """Whether a label is a whole number in its usual spelling: "7", but not "007" or "+7"."""
    return label.isascii() and label.isdigit() and (label == "0" or label[0] != "0")


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings, one a row; all arrays have the same length.

    Attributes:
        user: users' integers (int32).
        item: items' integers (int32).
        rating: float32, on the source's scale.
        timestamp: seconds since 1970, UTC (int64).
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    rating: NDArray[np.float32]
    timestamp: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Ratings":
        """The chosen rows, by index or mask, in their order."""
        return Ratings(self.user[rows], self.item[rows], self.rating[rows], self.timestamp[rows])

    def newest(self) -> "Ratings":
        """One row a (user, item): the newest, the later one where two are equally new."""
        pair = (self.user.astype(np.int64) << 32) | self.item
        order = np.argsort(pair, kind="stable")
        if not (np.diff(pair[order]) == 0).any():
            return self
        order = np.lexsort((self.timestamp, pair))
        last = np.append(np.diff(pair[order]) != 0, True)
        return self.take(np.sort(order[last]))

    def totals(self) -> "Ratings":
        """One row a (user, item): the sum of what they have, at the newest time of them."""
        pair = (self.user.astype(np.int64) << 32) | self.item
        _, first, place = np.unique(pair, return_index=True, return_inverse=True)
        latest = np.zeros(len(first), np.int64)
        np.maximum.at(latest, place, self.timestamp)
        total = np.bincount(place, self.rating).astype(np.float32)
        order = np.argsort(first)
        kept = first[order]
        return Ratings(self.user[kept], self.item[kept], total[order], latest[order])


Attributes = Mapping[str, tuple[str, ...]]
"""An item's attributes, such as its author: values by name."""


@dataclass(frozen=True, eq=False)
class MovieTable:
    """Movies (or other items), one a row.

    Attributes:
        item: their integers (int32), ascending.
        title: their titles as the source spells them, the year included where it has one.
        genres: each one's genres as the source names them.
        year: year of release (int32), 0 where it is not known.
        attributes: what else the source tells of some of them, by item: values by name.
    """

    item: NDArray[np.int32]
    title: tuple[str, ...]
    genres: tuple[tuple[str, ...], ...]
    year: NDArray[np.int32]
    attributes: Mapping[int, Attributes] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        rows: Iterable[tuple[int, str, Sequence[str], int]],
        attributes: Mapping[int, Attributes] | None = None,
    ) -> "MovieTable":
        """A table of (item, title, genres, year) rows; a year of 0 is looked for in the title."""
        ordered = sorted(rows, key=lambda row: row[0])
        return cls(
            item=np.array([row[0] for row in ordered], np.int32),
            title=tuple(row[1] for row in ordered),
            genres=tuple(tuple(row[2]) for row in ordered),
            year=np.array([row[3] or year_in(row[1]) for row in ordered], np.int32),
            attributes=attributes or {},
        )

    def __len__(self) -> int:
        return len(self.item)

    @cached_property
    def row(self) -> dict[int, int]:
        """Row by item."""
        return {int(item): row for row, item in enumerate(self.item)}

    def flags(self) -> NDArray[np.uint8]:
        """One flag for each of GENRES, (movies, 19); what fits none of them is "unknown"."""
        flags = np.zeros((len(self), len(GENRES)), np.uint8)
        for row, genres in enumerate(self.genres):
            for genre in genres:
                name = genre.strip().lower()
                number = _FLAG.get(_SAME_GENRE.get(name, name))
                if number is not None:
                    flags[row, number] = 1
        flags[~flags.any(axis=1), 0] = 1
        return flags


def year_in(title: str) -> int:
    """The year in brackets at a title's end, the first of a span such as (2006–2007), or 0."""
    found = _YEAR.search(title)
    return int(found[1]) if found else 0


@dataclass(frozen=True, eq=False)
class DataSet:
    """Ratings with what is known about them.

    Attributes:
        source: a description of where they come from.
        format: `ml-100k`, `ml-1m`, `ml-csv`, `csv` or `generated`.
        users, items: the ids behind the integers.
        folder: of the MovieLens 100k files, which ship their own splits.
        notes: what a person should know about how the data was read.
        liked: the least rating of a liked item, where a person says so.
        events: whether `ratings` are no ratings: how often, or how much, something happened.
        nouns: what items, users and events are called.
    """

    ratings: Ratings
    movies: MovieTable
    source: str
    format: str
    users: Ids = Ids()
    items: Ids = Ids()
    folder: Path | None = None
    notes: tuple[str, ...] = ()
    liked: float | None = None
    events: bool = False
    nouns: Nouns = field(default_factory=Nouns)

    @cached_property
    def scale(self) -> Scale:
        """The scale of the ratings.

        Raises:
            DataError: what is liked is not on it.
        """
        return Scale.of(self.ratings.rating, self.liked, events=self.events)
