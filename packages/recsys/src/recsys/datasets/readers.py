"""Readers for MovieLens 100k, 1M, 10M, latest, 20M, 25M and 32M, and for people's own tables."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.datasets.nouns import Nouns, counted
from recsys.datasets.problems import DataError, Problem, option
from recsys.datasets.ratings import GENRES, Attributes, DataSet, Ids, MovieTable, Ratings
from recsys.datasets.tables import (
    CONTROLS,
    Form,
    Source,
    Table,
    heading,
    id_fault,
    is_table,
    lines,
    read,
    read_form,
    records,
)
from recsys.fields import (
    ITEMS,
    LONGEST_VALUE,
    MAX_ID,
    NO_TIME,
    ODD,
    PART,
    RATINGS,
    WHOLE,
    WITHOUT_TIMES,
    YEAR,
)
from recsys.text import printable

_KNOWN = (
    "what is known here: u.data and u.item (MovieLens 100k), ratings.dat and movies.dat (1M, 10M), "
    "ratings.csv and movies.csv (latest, 20M, 25M, 32M), or a table of your own: CSV, JSON Lines "
    "or Parquet with the columns user, item, and perhaps rating and timestamp"
)
_MOVIELENS = ["userId", "movieId", "rating", "timestamp"]
_WHOLE = re.compile(WHOLE, re.ASCII)
_NETFLIX = re.compile(rb"\d+:\r?\n\d+,\d+,\d{4}-\d\d-\d\d\r?\n")


@dataclass(frozen=True)
class _Movie:
    label: str
    title: str
    genres: tuple[str, ...]
    year: int = 0
    attributes: Attributes = field(default_factory=dict)


def load(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    *,
    items: str | Path | None = None,
    encoding: str | None = None,
) -> DataSet:
    """Read MovieLens's files, or tables of one's own.

    Args:
        path: a folder with MovieLens 100k, 1M, 10M, latest, 20M, 25M or 32M, recognised by its
            files; or a table with the columns user, item, and perhaps rating and timestamp, as
            CSV (with any usual separator, packed or not), JSON Lines or Parquet; or a folder with
            one, or with several parts of one; or a pattern such as `logs/*.csv`. A table of items
            next to it, `items.csv` or `movies.csv`, names them (item, title, genres, year).
        columns: what the table calls `user`, `item`, `rating`, `timestamp`, `event` or `value`
            where it is something else; numbers from 1 where it has no header.
        items: the table of items, where it has another name or place.
        encoding: of texts that are not UTF-8.

    Raises:
        DataError: with everything that is wrong with the files.
    """
    path = Path(path)
    if path.name in {"u.data", "ratings.dat"}:
        path = path.parent
    if not columns and (path / "u.data").is_file():
        return _load_100k(path)
    files = _files(path)
    about = Path(items) if items is not None else _items_beside(files)
    return _load_tables(path, files, about, columns or {}, encoding)


def read_100k_ratings(*paths: Path) -> list[Ratings]:
    """Read files in the form of u.data, ua.base and their like.

    Raises:
        DataError: with everything that is wrong with any of them.
    """
    sources = [Source(path) for path in paths]
    found = [read_form(source, _TABS) for source in sources]
    _raise(*sources)
    return [
        Ratings(*(table[name].to_numpy() for name in _TABS.columns)) for table in found if table
    ]


_TABS = Form("\t", whole=True)


def _load_100k(folder: Path) -> DataSet:
    ratings, movies = Source(folder / "u.data"), Source(folder / "u.item")
    table, known = read_form(ratings, _TABS), list(_u_item(movies))
    _raise(ratings, movies)
    assert table is not None
    rows = Ratings(*(table[name].to_numpy() for name in _TABS.columns))
    return _assemble(rows, Ids(), Ids(), known, "MovieLens 100k", "ml-100k", folder)


def _load_tables(
    path: Path,
    files: Sequence[Path],
    about: Path | None,
    columns: Mapping[str, str],
    encoding: str | None,
) -> DataSet:
    sources = [Source(file, encoding) for file in files]
    _refuse_netflix(sources)
    found = [_read(source, columns) for source in sources]
    movies = Source(about or path, encoding)
    known = list(_items(movies)) if about is not None else []
    _raise(*sources, movies)
    tables = [table for table in found if table is not None]
    rows, users, items, notes = _rows(tables, [movie.label for movie in known])
    name, format_ = _named(files, tables, about, len(rows))
    data = _assemble(rows, users, items, known, name, format_, path)
    notes = (*dict.fromkeys(note for table in tables for note in table.notes), *notes)
    return replace(
        data,
        notes=(*data.notes, *notes),
        events=not _has(tables, "rating"),
        nouns=Nouns() if format_ == "ml-1m" else _nouns(tables[0].names, columns),
    )


# Which files


def _files(path: Path) -> list[Path]:
    """The tables of ratings that a path names."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        matched = sorted(path.parent.glob(path.name)) if any(c in path.name for c in "*?[") else []
        if not matched:
            raise DataError(Problem(str(path), "there is no such file or folder"))
        return matched
    tables = sorted(entry for entry in path.iterdir() if is_table(entry))
    stems = {entry: Source(entry).stem for entry in tables}
    for wanted in RATINGS:
        if whole := [entry for entry in tables if stems[entry] == wanted]:
            if len(whole) > 1:
                names = ", ".join(entry.name for entry in whole)
                words = f"holds {names}; give the one that counts, or take the others out"
                raise DataError(Problem(str(path), words))
            return whole
        if parts := [entry for entry in tables if PART.sub("", stems[entry]) == wanted]:
            return parts
    others = [entry for entry in tables if stems[entry] not in ITEMS]
    if len({PART.sub("", stems[entry]) for entry in others}) == 1 and not _is_odd(others[0]):
        return others
    raise DataError(Problem(str(path), _unknown(path)))


def _is_odd(path: Path) -> bool:
    """Whether a table's name says that it is not of ratings."""
    return bool(ODD.search(path.name))


def _items_beside(files: Sequence[Path]) -> Path | None:
    """The table of items in the folder of the ratings."""
    entries = sorted(entry for entry in files[0].parent.iterdir() if is_table(entry))
    for stem in ITEMS:
        for entry in entries:
            if Source(entry).stem == stem and entry not in files:
                return entry
    return None


def _unknown(folder: Path) -> str:
    """Words for a folder that holds nothing we know, with a guess at what was meant."""
    words = f"holds no ratings; {_KNOWN}"
    entries = sorted(folder.iterdir())
    for entry in entries:
        if any((entry / name).is_file() for name in ("u.data", "ratings.dat", "ratings.csv")):
            return f"{words}. The folder {entry.name} in it does: give {entry}"
    tables = [entry for entry in entries if is_table(entry)]
    if len(tables) == 1:
        return f"{words}. If {tables[0].name} holds them, give {tables[0]}"
    if tables:
        names = ", ".join(entry.name for entry in tables)
        return (
            f"{words}. It holds {names}: give the file with the ratings or, if several have parts "
            f"of them, a pattern of their names in quotation marks, '{folder}/…*{tables[0].suffix}'"
        )
    return words


def _named(
    files: Sequence[Path], tables: Sequence[Table], about: Path | None, rows: int
) -> tuple[str, str]:
    """What to call the data, and its format."""
    if files[0].name == "ratings.dat" and not tables[0].names:
        names = {1_000_209: "MovieLens 1M", 10_000_054: "MovieLens 10M"}
        return names.get(rows, "your ratings"), "ml-1m"
    if list(tables[0].names) == _MOVIELENS and about and about.name == "movies.csv":
        return "MovieLens", "ml-csv"
    return ("your ratings" if _has(tables, "rating") else "your events"), "csv"


def _nouns(header: Sequence[str], columns: Mapping[str, str]) -> Nouns:
    """What a table's header calls its items and users."""
    return Nouns.of_columns(*(heading(header, name, columns) for name in ("item", "user")))


# Rows of tables


def _read(source: Source, columns: Mapping[str, str]) -> Table | None:
    table = read(source, columns)
    if table is None and not source.found:
        source.add("cannot be read")
    return table


def _refuse_netflix(sources: Sequence[Source]) -> None:
    """Raise a DataError with one command for all files that are in the Netflix Prize's form."""
    files = [one.file for one in sources if _NETFLIX.match((one.content or b"")[:200])]
    if files:
        words = (
            "in the Netflix Prize's form, films above their ratings; put them on one line each: "
            '(echo item,user,rating,timestamp; awk -F: \'{sub(/\\r$/, "")} /:$/ {film = $1; next} '
            f'{{print film "," $0}}\' {shlex.join(map(str, files))}) > ratings.csv'
        )
        raise DataError(Problem(str(files[0]), f"is {words}"))


def _has(tables: Sequence[Table], name: str) -> bool:
    return all(name in table.columns.column_names for table in tables)


def _rows(
    tables: Sequence[Table], named: Sequence[str]
) -> tuple[Ratings, Ids, Ids, tuple[str, ...]]:
    """The tables' rows with integers for their ids; the ids of users, and of items."""
    notes = []
    users, user = _codes([table.columns["user"] for table in tables])
    items, item = _codes([table.columns["item"] for table in tables])
    user_ids, item_ids = Ids.of(users), Ids.of([*items, *named])
    count = len(user)
    if _has(tables, "timestamp"):
        stamps = np.concatenate([table.columns["timestamp"].to_numpy() for table in tables])
    else:
        stamps = np.full(count, NO_TIME)
        notes.append(WITHOUT_TIMES)
    rating = np.concatenate([_amounts(table) for table in tables])
    rows = Ratings(
        user=_numbers(user_ids, users)[user],
        item=_numbers(item_ids, items)[item],
        rating=rating.astype(np.float32),
        timestamp=stamps.astype(np.int64),
    )
    return rows, user_ids, item_ids, tuple(notes)


def _amounts(table: Table) -> NDArray[Any]:
    """A table's ratings; where there are none, its values, or 1 for each row."""
    for name in ("rating", "value"):
        if name in table.columns.column_names:
            amounts: NDArray[Any] = table.columns[name].to_numpy()
            return amounts
    return np.ones(table.columns.num_rows, np.float32)


def _codes(columns: Sequence[pa.ChunkedArray]) -> tuple[list[str], NDArray[np.int32]]:
    """The distinct texts of some columns of dictionaries, and which of them each row has."""
    whole = pa.chunked_array([chunk for column in columns for chunk in column.chunks])
    encoded = whole.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    labels = [label.strip() for label in encoded.dictionary.to_pylist()]
    return labels, encoded.indices.to_numpy()


def _numbers(ids: Ids, labels: Sequence[str]) -> NDArray[np.int32]:
    return np.array([ids.number(label) for label in labels], np.int32)


def _assemble(
    rows: Ratings,
    users: Ids,
    items: Ids,
    known: Sequence[_Movie],
    name: str,
    format_: str,
    path: Path,
) -> DataSet:
    """Make the data set; every rated item gets a row in the table of movies."""
    table = [
        (items.number(m.label), printable(m.title), tuple(map(printable, m.genres)), m.year)
        for m in known
    ]
    kept, notes = _short_attributes(known)
    attributes = {
        items.number(m.label): found
        for m in known
        if (found := {name: m.attributes[name] for name in kept if m.attributes.get(name)})
    }
    rated = np.flatnonzero(np.bincount(rows.item))
    nameless = np.setdiff1d(rated, np.array([row[0] for row in table], np.int64))
    table += [
        (item, items.label(item) if items.labels else f"Item {item}", (), 0)
        for item in nameless.tolist()
    ]
    if len(nameless):
        cure = "" if known else f"; to name them: {option('items')}"
        notes.append(
            f"{counted(len(nameless), 'item')} without a title: ids stand for titles{cure}"
        )
    if mapped := [kind for kind, ids in (("user", users), ("item", items)) if ids.labels]:
        notes.append(
            f"{' and '.join(mapped)} ids are not small whole numbers, so they are numbered"
        )
    return DataSet(
        ratings=rows,
        movies=MovieTable.of(table, attributes),
        source=f"{name} ({path})",
        format=format_,
        users=users,
        items=items,
        folder=path if path.is_dir() else path.parent,
        notes=tuple(notes),
    )


def _short_attributes(known: Sequence[_Movie]) -> tuple[list[str], list[str]]:
    """The attributes by which items can be filtered, and a note about those left out."""
    longest: dict[str, int] = {}
    for movie in known:
        for name, values in movie.attributes.items():
            longest[name] = max([longest.get(name, 0), *map(len, values)])
    kept = [name for name, length in longest.items() if 0 < length <= LONGEST_VALUE]
    left = [name for name, length in longest.items() if length > LONGEST_VALUE]
    notes = [f"columns of items with long texts left out: {', '.join(left)}"] if left else []
    return kept, notes


def _raise(*sources: Source) -> None:
    if found := [problem for source in sources for problem in source.found]:
        raise DataError(found)


# Movies


def _u_item(source: Source) -> Iterator[_Movie]:
    """MovieLens 100k's u.item: id|title|release|video|url|19 flags, in latin-1 or UTF-8."""
    width = 5 + len(GENRES)
    for line, row in _movie_lines(source, "|", width):
        flags = row[5:]
        for genre, flag in zip(GENRES, flags, strict=True):
            if flag not in {"0", "1"}:
                source.add(f'"{flag[:40]}" is neither 0 nor 1', line, genre)
        genres = tuple(g for g, flag in zip(GENRES, flags, strict=True) if flag == "1")
        release = row[2][-4:]
        yield _Movie(row[0], row[1], genres, int(release) if release.isdecimal() else 0)


def _movie_lines(source: Source, separator: str, width: int) -> Iterator[tuple[int, list[str]]]:
    """Lines of MovieLens 100k's table of movies whose number of fields and ids are right."""
    if source.content is None:
        return
    seen: dict[str, int] = {}
    for line, row in lines(source, separator, encoding_of(source)):
        if len(row) != width:
            source.add(f"has {len(row)} fields where {width} are expected", line)
        elif not _WHOLE.fullmatch(row[0]) or not 0 <= float(row[0]) < MAX_ID:
            source.add(f'"{row[0].strip()[:40]}" is not a movie\'s whole number', line, "item")
        elif (item := str(int(float(row[0])))) in seen:
            source.add(f"{item} is on line {seen[item]} too; keep one", line, "item")
        else:
            seen[item] = line
            yield line, [item, *row[1:]]


def encoding_of(source: Source) -> str:
    """A MovieLens table of movies is in UTF-8, or else in latin-1, or else in Windows's cp1252.

    The latter has quotation marks and dashes where latin-1 has control characters.
    """
    content = bytes(source.content or b"")
    for encoding in ("utf-8", "latin-1", "cp1252"):
        with suppress(UnicodeDecodeError):
            if not CONTROLS.search(content.decode(encoding)):
                return encoding
    return "latin-1"


def _items(source: Source) -> Iterator[_Movie]:
    """A table of items: item and title, and perhaps genres and year."""
    if source.content is None:
        return
    if source.file.name == "movies.dat":
        yield from _movies_dat(source)
        return
    seen: dict[str, int] = {}
    columns = ("item", "title", "genres", "year")
    for line, row in records(source, columns):
        label = _text(row.get("item"))
        title = _text(row.get("title")) if "title" in row else label
        if fault := id_fault(label):
            source.add(fault, line, "item")
        elif label in seen:
            source.add(f"{label} is on line {seen[label]} too; keep one", line, "item")
        elif not title:
            source.add("is empty; give every item a title", line, "title")
        else:
            seen[label] = line
            yield _Movie(
                label,
                title,
                _genres(row.get("genres")),
                _year(row.get("year")),
                {name: _values(row[name]) for name in row if name not in columns},
            )


def _movies_dat(source: Source) -> Iterator[_Movie]:
    """MovieLens 1M's (latin-1) and 10M's (UTF-8) movies.dat: id::title::genre|genre."""
    seen: dict[str, int] = {}
    for line, row in lines(source, "::", encoding_of(source)):
        label = row[0].strip()
        if len(row) != 3:
            source.add(f"has {len(row)} fields where 3 are expected", line)
        elif fault := id_fault(label):
            source.add(fault, line, "item")
        elif label in seen:
            source.add(f"{label} is on line {seen[label]} too; keep one", line, "item")
        else:
            seen[label] = line
            yield _Movie(label, row[1], _genres(row[2]))


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def _values(value: Any) -> tuple[str, ...]:
    """An attribute's values; none of what has no text."""
    several = value if isinstance(value, list) else [value]
    texts = (printable(_text(one)).strip() for one in several if not isinstance(one, dict | list))
    return tuple(text for text in texts if text)


def _genres(value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list) else _text(value).split("|")
    plain = (_text(name) for name in names)
    return tuple(name for name in plain if name and name != "(no genres listed)")


def _year(value: Any) -> int:
    found = re.search(YEAR, _text(value))
    return int(found[0]) if found else 0
