"""Movies and ratings, read from the files in the deployment's bucket."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from web.answers import Attribute, Choices, Movie, Nouns, Rated, Scale, User

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ARTICLES: Final = (
    "The|A|An|Il|Lo|La|Le|Les|Los|Las|L'|I|Gli|El|Un|Una|Une|Der|Die|Das|Den|Det|De|Ein|Eine|Een|"
    "Het|O|Os|As"
)
_YEAR: Final = re.compile(r"\s*\((\d{4})(?:\s*[-–]\s*(?:\d{4})?)?\)\s*$")
_MEDIUM: Final = re.compile(r"\s*\((?:TV|V)\)\s*$")
_OTHER_NAME: Final = re.compile(r"(?<=\S)\s*\([^()]*\)\s*$")
_LAST_ARTICLE: Final = re.compile(rf"^(.+), ({_ARTICLES})$")
_CHUNK: Final = 8 << 20


def said(title: str) -> tuple[str, int | None]:
    """Convert a title to natural word order and a year.

    `Terminator, The (1984)` becomes The Terminator and 1984. Titles in other languages, which
    MovieLens puts in brackets, are removed.
    """
    year = None
    name = _MEDIUM.sub("", title)
    if match := _YEAR.search(name):
        year, name = int(match[1]), name[: match.start()]
    while (shorter := _OTHER_NAME.sub("", name)) != name:
        name = shorter
    name = name.strip()
    if match := _LAST_ARTICLE.match(name):
        rest, article = match.groups()
        name = f"{article}{rest}" if article.endswith("'") else f"{article} {rest}"
    return name or title, year


class Catalogue:
    """Movies, users and ratings.

    Args:
        items: the items of catalogue.json.
        ratings: blocks of ratings, with rows of user, item, rating and time.
        users: original user ids by integer, where they differ.
        scale: the rating scale.
        nouns: the words for items, users and events; by default, those of movies.
    """

    def __init__(
        self,
        items: Iterable[Mapping[str, Any]],
        ratings: "list[npt.NDArray[np.float64]]",
        users: Mapping[int, str],
        scale: Scale,
        nouns: Nouns | None = None,
    ) -> None:
        self.scale, self.nouns = scale, nouns or Nouns()
        table = np.concatenate([part.reshape(-1, 4) for part in ratings] or [np.empty((0, 4))])
        table = table[np.lexsort((-table[:, 3], table[:, 0]))]  # by user, newest first
        self._item = table[:, 1].astype(np.int32)
        self._rating = table[:, 2].astype(np.float32)
        self._time = table[:, 3].astype(np.int64)
        rated_by, starts = np.unique(table[:, 0].astype(np.int32), return_index=True)
        ends = np.append(starts[1:], len(table))
        self._rows = {
            int(user): slice(int(start), int(end))
            for user, start, end in zip(rated_by, starts, ends, strict=True)
        }
        items = list(items)
        size = 1 + max((item["item"] for item in items), default=0)
        counts = np.bincount(self._item, minlength=size)
        sums = np.bincount(self._item, self._rating, minlength=size)
        self.movies: dict[int, Movie] = {}
        for item in items:
            number = item["item"]
            mean = round(float(sums[number] / counts[number]), 2) if counts[number] else None
            self.movies[number] = _movie(item, mean)
        self._numbers = {movie.id: movie.number for movie in self.movies.values()}
        self._labels = users
        self._users = {self._label(user): user for user in self._rows}

    @classmethod
    def read(
        cls, s3: "S3Client", bucket: str, catalogue: str, ratings: str, held_out: str, ids: str
    ) -> "Catalogue":
        """Read a bucket's files with the given keys.

        A user's ratings are in two files: the training part and the held-out part.

        Raises:
            botocore.exceptions.ClientError: a file cannot be read.
        """

        def content(key: str) -> Any:
            return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

        parts = []
        for key in (ratings, held_out):
            rest = b""
            # in blocks, because the ratings as text may be larger than memory
            for piece in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(_CHUNK):
                whole, _, rest = (rest + piece).rpartition(b"\n")
                parts.append(_numbers(whole))
            parts.append(_numbers(rest))
        try:
            users = content(ids).get("users", {})
        except s3.exceptions.NoSuchKey:
            users = {}
        labels = {number: label for label, number in users.items()}
        known = content(catalogue)
        scale, nouns = Scale(**known["scale"]), Nouns(**known["nouns"])
        return cls(known["items"], parts, labels, scale, nouns)

    @cached_property
    def users(self) -> list[User]:
        """All users, most active first."""
        order = sorted(self._rows, key=lambda user: (-self._count(user), user))
        return [self._user(user) for user in order]

    @cached_property
    def known(self) -> list[Movie]:
        """All movies, most rated first."""
        return sorted(self.movies.values(), key=lambda movie: (-movie.ratings, movie.number))

    @cached_property
    def choices(self) -> Choices:
        """The existing genres and decades."""
        genres = {genre for movie in self.movies.values() for genre in movie.genres}
        decades = {movie.decade for movie in self.movies.values() if movie.decade is not None}
        return Choices(genres=tuple(sorted(genres)), decades=tuple(sorted(decades, reverse=True)))

    def user(self, id: str) -> User | None:  # noqa: A002
        """The user with this original id, or None."""
        number = self._users.get(id)
        return None if number is None else self._user(number)

    def by_id(self, id: str) -> Movie | None:  # noqa: A002
        """The movie with this original id, or None."""
        number = self._numbers.get(id)
        return None if number is None else self.movies[number]

    def rated(self, user: int) -> tuple[Rated, ...]:
        """A user's ratings, newest first, without movies that are not in the catalogue."""
        rows = self._rows[user]
        return tuple(
            Rated(
                movie=self.movies[item],
                rating=round(rating, 2),
                time=datetime.fromtimestamp(time, UTC),
            )
            for item, rating, time in zip(
                self._item[rows].tolist(),
                self._rating[rows].tolist(),
                self._time[rows].tolist(),
                strict=True,
            )
            if item in self.movies
        )

    def seen(self, user: int) -> set[int]:
        """The movies that a user rated."""
        return set(self._item[self._rows[user]].tolist()) if user in self._rows else set()

    def find_users(self, words: str) -> list[User]:
        """Users whose id contains the text; an exact match comes first."""
        words = words.strip().casefold()
        found = [user for user in self.users if words in user.id.casefold()]
        return sorted(found, key=lambda user: user.id.casefold() != words)

    def find_movies(self, words: str, genre: str | None, decade: int | None) -> list[Movie]:
        """Movies with all words in title or attributes, optionally of a genre and decade."""
        wanted = set(words.casefold().split())
        return [
            movie
            for movie in self.known
            if fits(movie, genre, decade) and _has_words(movie, wanted)
        ]

    def _user(self, number: int) -> User:
        return User(number=number, id=self._label(number), ratings=self._count(number))

    def _label(self, user: int) -> str:
        return self._labels.get(user, str(user))

    def _count(self, user: int) -> int:
        rows = self._rows[user]
        return rows.stop - rows.start


def fits(movie: Movie, genre: str | None, decade: int | None) -> bool:
    """Whether a movie has a genre and decade; None matches all."""
    return (genre is None or genre in movie.genres) and (decade is None or decade == movie.decade)


def _has_words(movie: Movie, words: set[str]) -> bool:
    if not words:
        return True
    told = (value for one in movie.attributes for value in one.values)
    text = " ".join((movie.name, movie.title, *told)).casefold()
    return all(word in text for word in words)


def favourites(rated: Iterable[Rated], count: int = 3) -> tuple[str, ...]:
    """The genres that were rated most often."""
    genres = Counter(genre for one in rated for genre in one.movie.genres)
    return tuple(genre for genre, _ in genres.most_common(count))


def _numbers(lines: bytes) -> "npt.NDArray[np.float64]":
    return np.fromstring(lines.decode("ascii"), sep=" ")  # tabs and line ends also count as spaces


def _movie(item: Mapping[str, Any], mean: float | None) -> Movie:
    name, year = said(item["title"])
    return Movie(
        number=item["item"],
        id=item["id"],
        title=item["title"],
        name=name,
        year=item["year"] if year is None else year,
        genres=tuple(item["genres"]),
        attributes=tuple(
            Attribute(name=name, values=values)
            for name, values in item.get("attributes", {}).items()
        ),
        ratings=item["ratings"],
        mean=mean,
    )
