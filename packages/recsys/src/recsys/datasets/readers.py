"""Readers for MovieLens 100k, 1M, 10M, latest, 20M, 25M and 32M, and for a person's own CSV.

Ratings are read quickly, by columns; and if anything is wrong, a second time, line by line, to say
exactly what.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray
from tqdm import tqdm

from recsys.datasets.problems import MAX_PROBLEMS, DataError, Problem
from recsys.datasets.ratings import GENRES, MAX_ID, DataSet, Ids, MovieTable, Ratings
from recsys.text import printable

FIELDS = ("user", "item", "rating", "timestamp")

_SPELLINGS = {
    "user": ("user", "userid"),
    "item": ("item", "itemid", "movie", "movieid"),
    "rating": ("rating",),
    "timestamp": ("timestamp",),
    "title": ("title",),
    "genres": ("genres",),
}
_MOVIELENS_HEADER = ["userId", "movieId", "rating", "timestamp"]
_KNOWN = (
    "what is known here: u.data and u.item (MovieLens 100k), ratings.dat and movies.dat (1M, 10M), "
    "ratings.csv and movies.csv (latest, 20M, 25M, 32M), or a CSV of your own with the columns "
    "user, item, rating and timestamp"
)
_PACKED = {".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z"}
_WHOLE = re.compile(r"[ \t]*-?\d+[ \t]*", re.ASCII)
_NUMBER = re.compile(r"[ \t]*-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?[ \t]*", re.ASCII)
_UNIT = b"\x1f"  # stands in for a separator of several characters
_LATEST = 4_102_444_800  # the year 2100, in seconds
_LONGEST_LINE = 1_000_000  # bytes
_LONGEST_ID = 256


@dataclass
class _Report:
    """The problems of one file, up to MAX_PROBLEMS."""

    file: Path
    found: list[Problem] = field(default_factory=list)

    def add(self, words: str, line: int | None = None, column: str | None = None) -> None:
        if not self.full:
            self.found.append(Problem(str(self.file), words, line, column))
            if self.full:
                words = f"read no further after {MAX_PROBLEMS} problems; correct these first"
                self.found.append(Problem(str(self.file), words))

    @property
    def full(self) -> bool:
        return len(self.found) >= MAX_PROBLEMS


@dataclass(frozen=True)
class _Layout:
    """How the rows of a ratings file are written.

    `columns` are their names in order, those of FIELDS among them; `header` is the number of lines
    before the first row; ids are whole numbers where `whole`; `best` is the highest rating.
    """

    separator: str
    columns: tuple[str, ...] = FIELDS
    header: int = 0
    whole: bool = True
    best: float = 5


@dataclass(frozen=True)
class _Movie:
    label: str
    title: str
    genres: tuple[str, ...]
    year: int = 0


def load(path: str | Path, columns: Mapping[str, str] | None = None) -> DataSet:
    """Read a folder of MovieLens files, or a CSV of one's own.

    Args:
        path: a folder with MovieLens 100k, 1M, 10M, latest, 20M, 25M or 32M, recognised by its
            files; or a CSV with the columns user, item, rating and timestamp, in UTF-8. An
            `items.csv` or `movies.csv` beside it (item, title, genres) names the items.
        columns: what the CSV's header calls `user`, `item`, `rating` or `timestamp`, where it is
            something else.

    Raises:
        DataError: with everything that is wrong with the files.
    """
    path = Path(path)
    if path.name in {"u.data", "ratings.dat"}:
        path = path.parent
    if not path.exists():
        raise DataError(Problem(str(path), "there is no such file or folder"))
    if path.is_file():
        if path.suffix.lower() in _PACKED:
            raise DataError(Problem(str(path), "is packed; unpack it and give the folder"))
        return _load_csv(path, columns)
    if (path / "ratings.csv").is_file():
        return _load_csv(path / "ratings.csv", columns)
    if columns:
        raise DataError(Problem(str(path), "has no ratings.csv; columns are named for a CSV only"))
    if (path / "u.data").is_file():
        return _load_100k(path)
    if (path / "ratings.dat").is_file():
        return _load_dat(path)
    raise DataError(Problem(str(path), _unknown(path)))


def read_100k_ratings(*paths: Path) -> list[Ratings]:
    """Read files in the form of u.data, ua.base and their like.

    Raises:
        DataError: with everything that is wrong with any of them.
    """
    reports = [_Report(path) for path in paths]
    read = [_read_ratings(report, _Layout("\t")) for report in reports]
    _raise(*reports)
    return [_whole_ids(table) for table in read if table is not None]


def _load_100k(folder: Path) -> DataSet:
    ratings, movies = _Report(folder / "u.data"), _Report(folder / "u.item")
    table, known = _read_ratings(ratings, _Layout("\t")), list(_u_item(movies))
    _raise(ratings, movies)
    assert table is not None
    return _assemble(_whole_ids(table), Ids(), Ids(), known, "MovieLens 100k", "ml-100k", folder)


def _load_dat(folder: Path) -> DataSet:
    ratings, movies = _Report(folder / "ratings.dat"), _Report(folder / "movies.dat")
    table, known = _read_ratings(ratings, _Layout("::")), list(_movies_dat(movies))
    _raise(ratings, movies)
    assert table is not None
    name = "MovieLens 10M" if table.num_rows > 5_000_000 else "MovieLens 1M"
    return _assemble(_whole_ids(table), Ids(), Ids(), known, name, "ml-1m", folder)


def _load_csv(path: Path, columns: Mapping[str, str] | None) -> DataSet:
    ratings = _Report(path)
    header, lines = _header(ratings)
    names = _recognise(ratings, header, FIELDS, columns or {})
    beside = [p for p in (path.with_name("items.csv"), path.with_name("movies.csv")) if p != path]
    movies = _Report(next((p for p in beside if p.is_file()), beside[0]))
    known = list(_items_csv(movies)) if movies.file.is_file() else []
    table = None
    if not ratings.found:
        table = _read_ratings(ratings, _Layout(",", names, lines, whole=False, best=100))
    _raise(ratings, movies)
    assert table is not None

    users = table["user"].combine_chunks()
    items = table["item"].combine_chunks()
    user_labels = [label.strip() for label in users.dictionary.to_pylist()]
    item_labels = [label.strip() for label in items.dictionary.to_pylist()]
    user_ids = Ids.of(user_labels)
    item_ids = Ids.of([*item_labels, *(movie.label for movie in known)])
    rows = Ratings(
        user=_numbers(user_ids, user_labels)[users.indices.to_numpy()],
        item=_numbers(item_ids, item_labels)[items.indices.to_numpy()],
        rating=table["rating"].to_numpy(),
        timestamp=table["timestamp"].to_numpy(),
    )
    movielens = header == _MOVIELENS_HEADER and movies.file.name == "movies.csv" and bool(known)
    name, format_ = ("MovieLens", "ml-csv") if movielens else ("your ratings", "csv")
    return _assemble(rows, user_ids, item_ids, known, name, format_, path)


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
    rated = np.flatnonzero(np.bincount(rows.item))
    nameless = np.setdiff1d(rated, np.array([row[0] for row in table], np.int64))
    table += [
        (item, items.label(item) if items.labels else f"Item {item}", (), 0)
        for item in nameless.tolist()
    ]
    notes = []
    if len(nameless):
        notes.append(f"{len(nameless):,} items have no title, so their ids stand for it")
    if mapped := [kind for kind, ids in (("user", users), ("item", items)) if ids.labels]:
        notes.append(
            f"{' and '.join(mapped)} ids are not small whole numbers, so they are numbered"
        )
    return DataSet(
        ratings=rows,
        movies=MovieTable.of(table),
        source=f"{name} ({path})",
        format=format_,
        users=users,
        items=items,
        folder=path if path.is_dir() else path.parent,
        notes=tuple(notes),
    )


def _raise(*reports: _Report) -> None:
    if found := [problem for report in reports for problem in report.found]:
        raise DataError(found)


def _unknown(folder: Path) -> str:
    """Words for a folder that holds nothing we know, with a guess at what was meant."""
    words = f"holds no ratings; {_KNOWN}"
    entries = sorted(folder.iterdir())
    for entry in entries:
        if any((entry / name).is_file() for name in ("u.data", "ratings.dat", "ratings.csv")):
            return f"{words}. The folder {entry.name} in it does: give {entry}"
    for entry in entries:
        if entry.suffix.lower() == ".csv":
            return f"{words}. If {entry.name} holds them, give {entry}"
    return words


# Ratings, quickly


def _read_ratings(report: _Report, layout: _Layout) -> pa.Table | None:
    """The columns of FIELDS, or None and what is wrong in the report."""
    if not _readable(report):
        return None
    try:
        table = _parse(report.file, layout)
        fault = None if _plausible(table, layout) else "a value is out of its range"
    except pa.ArrowInvalid as error:
        fault = str(error)
    if fault is None:
        return table
    _explain(report, layout)
    if not report.found:
        report.add(fault)
    return None


def _parse(path: Path, layout: _Layout) -> pa.Table:
    ids = pa.int32() if layout.whole else pa.dictionary(pa.int32(), pa.string())
    source: io.BytesIO | Path = path
    separator = layout.separator
    if len(separator) > 1:
        content = path.read_bytes()
        if _UNIT in content:
            raise pa.ArrowInvalid("a control character is in it; take it out")
        source, separator = io.BytesIO(content.replace(b"::", _UNIT)), _UNIT.decode()
    types = {"user": ids, "item": ids, "rating": pa.float32(), "timestamp": pa.int64()}

    def read(types: Mapping[str, pa.DataType]) -> pa.Table:
        if isinstance(source, io.BytesIO):
            source.seek(0)
        return pacsv.read_csv(
            source,
            read_options=pacsv.ReadOptions(
                column_names=layout.columns, skip_rows=layout.header, block_size=1 << 24
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=separator, quote_char='"' if separator == "," else False
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=types, include_columns=FIELDS, strings_can_be_null=False
            ),
        )

    table = read(types)
    if _holds(path, b"0x") or _holds(path, b"0X"):
        # Arrow takes 0x10 for a whole number; nobody means one.
        whole = [name for name, kind in types.items() if pa.types.is_integer(kind)]
        written = read(types | dict.fromkeys(whole, pa.string()))
        if any(
            pc.any(pc.match_substring(written[n], "x", ignore_case=True)).as_py() for n in whole
        ):
            raise pa.ArrowInvalid("a number is hexadecimal; write it in decimal digits")
    return table.unify_dictionaries()


def _holds(path: Path, text: bytes) -> bool:
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(text) >= 0


def _plausible(table: pa.Table, layout: _Layout) -> bool:
    """Whether every value is there and within its range."""
    if not table.num_rows or any(table[name].null_count for name in FIELDS):
        return False
    ranges = {"rating": (0, layout.best), "timestamp": (0, _LATEST)}
    if layout.whole:
        ranges |= {"user": (0, MAX_ID - 1), "item": (0, MAX_ID - 1)}
    for name, (least, most) in ranges.items():
        values = table[name].to_numpy()
        if not (values.min() >= least and values.max() <= most):  # NaN fails both
            return False
    if layout.whole:
        return True
    labels = [table[name].chunk(0).dictionary.to_pylist() for name in ("user", "item")]
    return not any(_fault("user", label, layout) for label in chain(*labels))


def _whole_ids(table: pa.Table) -> Ratings:
    return Ratings(*(table[name].to_numpy() for name in FIELDS))


def _numbers(ids: Ids, labels: Sequence[str]) -> NDArray[np.int32]:
    return np.array([ids.number(label) for label in labels], np.int32)


# Ratings, line by line


def _explain(report: _Report, layout: _Layout) -> None:
    """Report every line that is wrong."""
    rows = 0
    fields = [(name, layout.columns.index(name)) for name in FIELDS]
    progress: tqdm[Any] = tqdm(
        desc=f"looking for what is wrong in {report.file.name}",
        total=report.file.stat().st_size,
        unit="B",
        unit_scale=True,
        disable=None,
        leave=False,
    )
    with progress:
        for line, row in _lines(report, layout.separator, "utf-8", progress):
            if line <= layout.header:
                continue
            rows += 1
            if len(row) != len(layout.columns):
                words = f"has {len(row)} fields where {len(layout.columns)} are expected"
                report.add(f"{words}; separate them by {_spoken(layout.separator)}", line)
                continue
            for name, place in fields:
                if fault := _fault(name, row[place], layout):
                    report.add(fault, line, name)
    if not rows and not report.found:
        report.add("holds no ratings; put one on each line")


def _fault(name: str, text: str, layout: _Layout) -> str | None:
    """What is wrong with a field and what to do, or None."""
    if name == "rating":
        if not _NUMBER.fullmatch(text):
            return f"{_quoted(text)} is not a number; write one such as 4 or 3.5"
        if not 0 <= float(text) <= layout.best:
            return f"{_short(text)} is not between 0 and {layout.best:g}; correct the rating"
    elif name == "timestamp":
        if not _WHOLE.fullmatch(text):
            return f"{_quoted(text)} is not a whole number; write seconds since 1970-01-01 UTC"
        seconds = float(text)  # as an int it may be too long for Python
        if seconds < 0:
            return f"{_short(text)} is before 1970; write seconds since 1970-01-01 UTC"
        if seconds > _LATEST:
            unit = "milliseconds" if seconds < _LATEST * 1000 else "finer than milliseconds"
            return f"{_short(text)} seems to be in {unit}; write seconds since 1970-01-01 UTC"
    elif not text.strip():
        return "is empty; give every rating its ids"
    elif layout.whole:
        if not _WHOLE.fullmatch(text):
            return f"{_quoted(text)} is not a whole number, as MovieLens ids are"
        if not 0 <= float(text) < MAX_ID:
            return f"{_short(text)} is not between 0 and {MAX_ID - 1:,}"
    else:
        return _id_fault(text.strip())
    return None


def _id_fault(text: str) -> str | None:
    if "\n" in text or "\r" in text:
        return "an id has a line break in it; check the quotation marks"
    if not 0 < len(text) <= _LONGEST_ID:
        return f"has {len(text):,} characters; ids have 1 to {_LONGEST_ID}"
    if text != printable(text):
        return "an id has control characters in it, such as Escape; take them out"
    return None


def _lines(
    report: _Report, separator: str, encoding: str, progress: "tqdm[Any] | None" = None
) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each line that is not blank, until the report is full."""
    line = 0
    with report.file.open("rb") as raw:

        def texts() -> Iterator[str]:
            nonlocal line
            while binary := raw.readline(_LONGEST_LINE):
                line += 1
                if progress is not None:
                    progress.update(len(binary))
                if len(binary) == _LONGEST_LINE and not binary.endswith(b"\n"):
                    report.add(
                        f"is longer than {_LONGEST_LINE:,} bytes; put each row on its own", line
                    )
                    while binary and not binary.endswith(b"\n"):
                        binary = raw.readline(_LONGEST_LINE)
                    yield ""
                    continue
                if line == 1:
                    binary = binary.removeprefix(b"\xef\xbb\xbf")
                try:
                    yield binary.decode(encoding)
                except UnicodeDecodeError:
                    report.add("is not in UTF-8; save the file as UTF-8", line)
                    yield ""

        rows: Iterator[list[str]]
        if separator == ",":
            rows = csv.reader(texts())
        else:
            lines = (text.rstrip("\r\n") for text in texts())
            rows = (text.split(separator) if text else [] for text in lines)
        try:
            for row in rows:
                if row:
                    yield line, row
                if report.full:
                    return
        except csv.Error as error:
            report.add(f"cannot be read as CSV ({error}); check its quotation marks", line)


def _readable(report: _Report) -> bool:
    """Whether the file can be opened and is text of some kind."""
    try:
        with report.file.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        report.add("is missing; it belongs to this data set")
    except OSError as error:
        report.add(f"cannot be read: {error.strerror}")
    else:
        if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            report.add("is in UTF-16; save it as UTF-8")
        elif not start:
            report.add("is empty")
    return not report.found


def _quoted(text: str) -> str:
    return f'"{_short(text)}"'


def _short(text: str, most: int = 40) -> str:
    text = text.strip()
    return f"{text[:most]}…" if len(text) > most else text


def _spoken(separator: str) -> str:
    return {"\t": "tabs", ",": "commas"}.get(separator, f"'{separator}'")


# Headers


def _header(report: _Report) -> tuple[list[str], int]:
    """The names in a CSV's header, and on which line it ends."""
    if _readable(report):
        for line, row in _lines(report, ",", "utf-8"):
            return [name.strip() for name in row], line
        if not report.found:
            report.add("is empty")
    return [], 0


def _recognise(
    report: _Report, header: Sequence[str], wanted: Sequence[str], mapped: Mapping[str, str]
) -> tuple[str, ...]:
    """The header with the wanted columns under our names, and the others under numbers."""
    if report.found:
        return ()
    lowered = [name.lower() for name in header]
    for name in sorted({name for name in lowered if name and lowered.count(name) > 1}):
        report.add(f'the header has "{_short(name)}" twice; rename one of them', 1)
    if all(_NUMBER.fullmatch(name) for name in header):
        report.add(f"has no header; begin with the line {','.join(wanted)}", 1)
        return ()
    names = [f"#{place}" for place in range(len(header))]
    for name in wanted:
        if name in mapped:
            places = [k for k, text in enumerate(lowered) if text == mapped[name].strip().lower()]
        else:
            spellings = _SPELLINGS[name]
            places = [k for k, text in enumerate(lowered) if text.replace("_", "") in spellings]
        if not places:
            shown = mapped.get(name, name)
            hint = "" if name in mapped else f", or say which it is: --columns {name}=…"
            names_there = _short(", ".join(header), 400)
            words = f'the header ({names_there}) has no column "{shown}"; add it{hint}'
            if len(header) == 1 and (other := re.search(r"[;\t|]", header[0])):
                words = f"its fields are separated by {other[0]!r}; separate them by commas"
            report.add(words, 1, name)
            if len(header) == 1:
                return ()
        elif len(places) > 1 and len({lowered[k] for k in places}) > 1:
            both = " or ".join(header[k] for k in places)
            report.add(f"could be {both}; say which: --columns {name}={header[places[0]]}", 1, name)
        else:
            names[places[0]] = name
    if not report.found and not set(wanted) <= set(names):
        report.add("one column cannot stand for two; correct --columns", 1)
    return tuple(names)


# Movies


def _u_item(report: _Report) -> Iterator[_Movie]:
    """MovieLens 100k's u.item: id|title|release|video|url|19 flags, in latin-1."""
    width = 5 + len(GENRES)
    for line, row in _movie_lines(report, "|", "latin-1", width):
        flags = row[5:]
        for genre, flag in zip(GENRES, flags, strict=True):
            if flag not in {"0", "1"}:
                report.add(f"{_quoted(flag)} is neither 0 nor 1", line, genre)
        genres = tuple(g for g, flag in zip(GENRES, flags, strict=True) if flag == "1")
        release = row[2][-4:]
        yield _Movie(row[0], row[1], genres, int(release) if release.isdecimal() else 0)


def _movies_dat(report: _Report) -> Iterator[_Movie]:
    """MovieLens 1M's (latin-1) and 10M's (UTF-8) movies.dat: id::title::genre|genre."""
    encoding = "utf-8"
    try:
        report.file.read_text("utf-8")
    except UnicodeDecodeError:
        encoding = "latin-1"
    except OSError:
        pass  # said by the reading
    for _, row in _movie_lines(report, "::", encoding, 3):
        yield _Movie(row[0], row[1], _genres(row[2]))


def _movie_lines(
    report: _Report, separator: str, encoding: str, width: int
) -> Iterator[tuple[int, list[str]]]:
    """Lines of a MovieLens table of movies whose number of fields and ids are right."""
    if not _readable(report):
        return
    seen: dict[str, int] = {}
    for line, row in _lines(report, separator, encoding):
        if len(row) != width:
            report.add(f"has {len(row)} fields where {width} are expected", line)
        elif not _WHOLE.fullmatch(row[0]) or not 0 <= float(row[0]) < MAX_ID:
            report.add(f"{_quoted(row[0])} is not a movie's whole number", line, "item")
        elif (item := str(int(float(row[0])))) in seen:
            report.add(f"{item} is on line {seen[item]} too; keep one", line, "item")
        else:
            seen[item] = line
            yield line, [item, *row[1:]]


def _items_csv(report: _Report) -> Iterator[_Movie]:
    """movies.csv or a person's own items.csv: item and title, and perhaps genres."""
    header, first = _header(report)
    lowered = [name.lower().replace("_", "") for name in header]
    wanted = ["item", "title", *(["genres"] if "genres" in lowered else [])]
    names = _recognise(report, header, wanted, {})
    if report.found:
        return
    seen: dict[str, int] = {}
    for line, row in _lines(report, ",", "utf-8"):
        if line <= first:
            continue
        if len(row) != len(header):
            report.add(f"has {len(row)} fields where {len(header)} are expected", line)
            continue
        values = dict(zip(names, row, strict=True))
        label, title = values["item"].strip(), values["title"].strip()
        if fault := _id_fault(label):
            report.add(fault, line, "item")
        elif label in seen:
            report.add(f"{label} is on line {seen[label]} too; keep one", line, "item")
        elif not title:
            report.add("is empty; give every item a title", line, "title")
        else:
            seen[label] = line
            yield _Movie(label, title, _genres(values.get("genres", "")))


def _genres(text: str) -> tuple[str, ...]:
    names = (name.strip() for name in text.split("|"))
    return tuple(name for name in names if name and name != "(no genres listed)")
