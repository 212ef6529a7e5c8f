"""Amazon Personalize's files: interactions, items and users as CSV, each with its Avro schema.

Two dataset groups have the same ratings in their own form. `custom`: every rating is an
interaction whose value is the rating. `domain` (VIDEO_ON_DEMAND): a rating above the scale's lowest
ninth is a Click, a liked one a Watch as well: of 1 to 5 stars 2 and 4, as AWS's media workshop has
it.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from recsys.datasets import layout
from recsys.datasets.catalogue import named
from recsys.datasets.problems import DataError, Problem
from recsys.datasets.ratings import DataSet, Ids, Ratings
from recsys.datasets.text import spelled, write_rows

"""The prefix in the bucket."""

GROUPS: Final = ("custom", "domain")
_SPAN: Final = re.compile(r"\(\d{4}\s*[-–]\s*(\d{4})?\)\s*$")
_ITEMS: Final = {
    "custom": (
        ("ITEM_ID", "string"),
        ("GENRES", "categorical?"),
        ("YEAR", "int?"),
        ("CREATION_TIMESTAMP", "long"),
    ),
    # the domain requires genres, whose documented type has no null
    "domain": (
        ("ITEM_ID", "string"),
        ("GENRES", "categorical"),
        ("YEAR", "int?"),
        ("CREATION_TIMESTAMP", "long"),
    ),
}
NO_GENRE: Final = "unknown"  # the genre of a domain's item that has none
_USERS: Final = (
    ("USER_ID", "string"),
    ("AGE", "int?"),
    ("GENDER", "categorical?"),
    ("OCCUPATION", "categorical?"),
)
_INTERACTIONS: Final = {
    "custom": (
        ("USER_ID", "string"),
        ("ITEM_ID", "string"),
        ("EVENT_TYPE", "string"),
        ("EVENT_VALUE", "float"),
        ("TIMESTAMP", "long"),
    ),
    "domain": (
        ("USER_ID", "string"),
        ("ITEM_ID", "string"),
        ("EVENT_TYPE", "string"),
        ("TIMESTAMP", "long"),
    ),
}


def export(data: DataSet, bucket: Path) -> None:
    """Write `personalize/{custom,domain}/{interactions,items,users}.csv` and their schemas.

    Users are written where the data says something about them (MovieLens 100k's `u.user`).

    Args:
        data: the ratings, one for each user and item.
        bucket: the folder that becomes the bucket's content.

    Raises:
        DataError: `u.user` is not as MovieLens 100k has it.
    """
    rows = data.ratings.take(np.argsort(data.ratings.timestamp, kind="stable"))
    items, users = _items(data), _users(data)
    for group in GROUPS:
        folder = bucket / layout.PERSONALIZE / group
        folder.mkdir(parents=True)
        _write_schema(folder, "Interactions", _INTERACTIONS[group])
        _write_interactions(folder / "interactions.csv", data, rows, group)
        _write_schema(folder, "Items", _ITEMS[group])
        without = NO_GENRE if group == "domain" else ""
        rows_of_items = ((item, genres or without, *rest) for item, genres, *rest in items)
        _write_table(folder / "items.csv", _ITEMS[group], rows_of_items)
        if users:
            _write_schema(folder, "Users", _USERS)
            _write_table(folder / "users.csv", _USERS, users)


def notes(data: DataSet) -> list[str]:
    """What a person should know about the items' years, which titles end in, and genres."""
    movies = data.movies
    counts = {
        "titles with a span of years, of which the first counts": sum(
            bool(_SPAN.search(title)) for title in movies.title
        ),
        "items without a year, which no filter by year finds": int((movies.year == 0).sum()),
        "items without a genre, which no filter by genre finds": sum(
            not named(genres) for genres in movies.genres
        ),
    }
    return [f"{words}: {count:,}" for words, count in counts.items() if count]


def _write_interactions(path: Path, data: DataSet, rows: Ratings, group: str) -> None:
    header = ",".join(name for name, _ in _INTERACTIONS[group])
    with (
        path.open("wb") as file,
        tqdm(
            desc=f"writing {group}", total=len(rows), unit=" lines", unit_scale=True, disable=None
        ) as bar,
    ):
        file.write(header.encode() + b"\n")
        if group == "custom":
            value = spelled(rows.rating, lambda number: f"{number:g}")
            who, what = _labels(data.users, rows.user), _labels(data.items, rows.item)
            pieces = (who, ",", what, ",Rating,", value, ",", rows.timestamp, "\n")
            write_rows(file, pieces, bar)
            return
        clicked = np.flatnonzero(data.scale.interests(rows.rating))
        watched = np.flatnonzero(data.scale.likes(rows.rating))
        both = np.concatenate([clicked, watched])
        kind = np.repeat([0, 1], [len(clicked), len(watched)])
        order = np.lexsort((kind, both))  # rows are sorted by time; a Click precedes its Watch
        chosen, kind = both[order], kind[order]
        name = pa.array(["Click", "Watch"]).take(pa.array(kind))
        rows = rows.take(chosen)
        who, what = _labels(data.users, rows.user), _labels(data.items, rows.item)
        write_rows(file, (who, ",", what, ",", name, ",", rows.timestamp, "\n"), bar)


def _labels(ids: Ids, numbers: NDArray[np.int32]) -> NDArray[np.int32] | pa.Array:
    """The ids as people gave them, ready for a CSV file."""
    if ids.labels is None:
        return numbers
    return pa.array([_cell(label) for label in ids.labels]).take(pa.array(numbers - 1))


def _items(data: DataSet) -> list[tuple[str, str, str, str]]:
    """Every item that is rated or in the table; it exists since it was first rated.

    An item that nobody has rated exists since the first of all ratings. Neither a missing year nor
    missing genres are made up.
    """
    rows, movies = data.ratings, data.movies
    first = {int(item): 0 for item in movies.item}
    start = int(rows.timestamp.min())
    order = np.lexsort((rows.timestamp, rows.item))
    item, stamp = rows.item[order], rows.timestamp[order]
    begins = np.flatnonzero(np.append(True, item[1:] != item[:-1]))
    first |= dict(zip(item[begins].tolist(), stamp[begins].tolist(), strict=True))
    found = []
    for number in sorted(first):
        row = movies.row.get(number)
        genres = "" if row is None else "|".join(named(movies.genres[row]))
        year = 0 if row is None else int(movies.year[row])
        when = first[number] or start
        found.append((data.items.label(number), genres, str(year or ""), str(when)))
    return found


def _users(data: DataSet) -> list[tuple[str, str, str, str]]:
    """User, age, gender and occupation, from MovieLens 100k; nothing for other data."""
    path = data.folder / "u.user" if data.format == "ml-100k" and data.folder else None
    if path is None or not path.is_file():
        return []
    found, problems = [], []
    with path.open(encoding="latin-1") as lines:  # in which splitlines() finds ends of its own
        for number, line in enumerate(lines, 1):
            match line.rstrip("\n").split("|"):
                case [user, age, gender, occupation, _] if user.isdigit() and age.isdigit():
                    found.append((user, age, gender, occupation))
                case _:
                    words = f"{line[:60]!r} is not of the form user|age|gender|occupation|zip code"
                    problems.append(Problem(str(path), words, number))
    if problems:
        raise DataError(problems[:20])
    return found


def _write_table(
    path: Path, fields: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([name for name, _ in fields])
        writer.writerows(rows)


def _cell(text: str) -> str:
    """A text as a cell of a CSV file, quoted where it has to be."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([text])
    return line.getvalue()


def _write_schema(folder: Path, kind: str, fields: Sequence[tuple[str, str]]) -> None:
    """The Avro schema that Amazon Personalize wants for the file of that kind."""
    document = {
        "type": "record",
        "name": kind,
        "namespace": "com.amazonaws.personalize.schema",
        "fields": [_field(name, form) for name, form in fields],
        "version": "1.0",
    }
    path = folder / f"{kind.lower()}.schema.json"
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def _field(name: str, form: str) -> dict[str, Any]:
    """One field; `?` ends a type that may be null, `categorical` is a string with categories."""
    plain = form.removesuffix("?")
    kind = "string" if plain == "categorical" else plain
    field: dict[str, Any] = {"name": name, "type": ["null", kind] if form != plain else kind}
    return {**field, "categorical": True} if plain == "categorical" else field
