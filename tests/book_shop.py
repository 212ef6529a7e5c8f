"""A book shop's data, with planted tastes: what a recommender should find in them is known.

Eight genres of a hundred books each; every reader has one favourite genre, of which most of what
they read is, and which they rate higher by almost half of the scale. Names are in many scripts.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["1 to 10", "0.5 to 5", "0 to 100", "likes", "purchases"]
KINDS: Final[tuple[Kind, ...]] = ("1 to 10", "0.5 to 5", "0 to 100", "likes", "purchases")

GENRES: Final = (
    *("Poetry", "Kochbuch", "Physics", "Политика", "科幻小说", "Crime, noir", "Conte & légende"),
    "Ürün; rehber",
)
_WORDS: Final = (
    *("Das große", "Красная", "日本", "Café de", "The Silent", "Ærø og", "L’étrange", "İpek"),
    *("Ψυχή", "ครัว", "Straße", "Mañana"),
)
_THINGS: Final = (
    "Garden",
    "Küche",
    "文学",
    "Город",
    "Letters",
    "nuit",
    "Löwe",
    "κήπος",
    "ทะเล",
    "Year",
)
_NAMES: Final = ("Müller, Karl", "李", "O’Brien", "Сергей", "Zoë", "محمد", "João", 'Ann "A"')
_FAVOURITE: Final = 0.7  # the favourite genre's share of what a reader reads
_START: Final = 1_600_000_000


@dataclass(frozen=True)
class BookShop:
    """The files and the truth.

    Attributes:
        ratings: path of the table of ratings or events.
        favourite: by reader's id, the favourite genre.
        genre: by book's id.
        read: by reader's id, the books in the table.
    """

    ratings: Path
    favourite: dict[str, str]
    genre: dict[str, str]
    read: dict[str, set[str]]


def book_shop(
    folder: Path, kind: Kind, *, readers: int = 3_000, books: int = 800, seed: int = 0
) -> BookShop:
    """Write `ratings.csv` and `books.csv`; the same seed writes the same.

    Args:
        folder: an empty one, or none yet.
        kind: the scale of the ratings; or events, with counts or without.
        readers, books: how many.
        seed: of what is random.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    users = [f"{_NAMES[k % len(_NAMES)]} {k:04}" for k in range(readers)]
    items = [f"bk-{k:03}é" for k in range(books)]
    genre = np.arange(books) % len(GENRES)
    fame = random.exponential(1, books) + 0.2
    favourite = random.integers(0, len(GENRES), readers)
    rows: list[tuple[str, ...]] = []
    read: dict[str, set[str]] = {}
    for user in range(readers):
        some = _choice(random, genre, fame, int(favourite[user]))
        taste = random.normal(0, 0.08)
        stamp = (
            _START
            + random.integers(0, 300 * 86_400)
            + np.cumsum(random.integers(60, 5 * 86_400, len(some)))
        )
        for item, when in zip(some.tolist(), stamp.tolist(), strict=True):
            liking = 0.4 + 0.42 * (genre[item] == favourite[user]) + taste
            share = float(np.clip(liking + random.normal(0, 0.13), 0, 1))
            rows += _rows(random, kind, users[user], items[item], share, when)
        read[users[user]] = {items[item] for item in some.tolist()}
    rows = [rows[k] for k in random.permutation(len(rows)).tolist()]
    with (folder / "ratings.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADERS[kind])
        writer.writerows(rows)
    _write_books(folder / "books.csv", items, genre)
    return BookShop(
        folder / "ratings.csv",
        {user: GENRES[k] for user, k in zip(users, favourite.tolist(), strict=True)},
        {item: GENRES[k] for item, k in zip(items, genre.tolist(), strict=True)},
        read,
    )


_HEADERS: Final[dict[Kind, tuple[str, ...]]] = {
    "1 to 10": ("reader", "book", "rating", "time"),
    "0.5 to 5": ("reader", "book", "rating", "time"),
    "0 to 100": ("reader", "book", "rating", "time"),
    "likes": ("reader", "book", "time"),
    "purchases": ("reader", "book", "quantity", "time"),
}


def _choice(
    random: np.random.Generator, genre: NDArray[np.int64], fame: NDArray[np.float64], loved: int
) -> NDArray[np.int64]:
    """What a reader reads: 12 to 40 books."""
    weight = fame * np.where(genre == loved, _FAVOURITE * (len(GENRES) - 1), 1 - _FAVOURITE)
    number = int(random.integers(12, 41))
    return random.choice(len(genre), number, replace=False, p=weight / weight.sum())


def _rows(
    random: np.random.Generator, kind: Kind, user: str, item: str, share: float, when: int
) -> list[tuple[str, ...]]:
    """The lines of one reading, of which a share of the best rating is thought."""
    match kind:
        case "1 to 10":
            return [(user, item, str(round(1 + 9 * share)), str(when))]
        case "0.5 to 5":
            return [(user, item, f"{round(1 + 9 * share) / 2:g}", str(when))]
        case "0 to 100":
            return [(user, item, str(round(100 * share)), str(when))]
        case "likes":
            return [(user, item, str(when))]
        case "purchases":
            times = int(random.integers(1, 3)) if share > 0.7 else 1
            return [
                (user, item, str(1 + int(2 * share)), str(when + k * 86_400)) for k in range(times)
            ]


def _write_books(path: Path, items: list[str], genre: NDArray[np.int64]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("book", "title", "category"))
        for k, (item, number) in enumerate(zip(items, genre.tolist(), strict=True)):
            first, second = _WORDS[k % len(_WORDS)], _THINGS[k // len(_WORDS) % len(_THINGS)]
            writer.writerow((item, f"{first} {second} {k}", GENRES[number]))
