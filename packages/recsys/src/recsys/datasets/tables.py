"""Tables as people have them: CSV in its many forms, JSON Lines and Parquet, packed or not.

A text table is read quickly, by columns; and if anything is wrong, a second time, line by line, to
say exactly what.
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import shlex
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from recsys.datasets.problems import MAX_PROBLEMS, Problem, option
from recsys.fields import (
    DATE,
    FAULTS,
    FIELDS,
    FINER_TIMES,
    LARGEST,
    LATEST,
    LONGEST_ID,
    MAX_ID,
    NUMBER,
    SEPARATORS,
    SHOWN,
    UNITS,
    WHOLE,
    places,
)
from recsys.text import printable

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".json", ".jsonl", ".ndjson", ".parquet")
"""The ends of names of tables, before one of _PACKED's."""

_PACKED: Mapping[bytes, tuple[str, Callable[[IO[bytes]], Any]]] = {
    b"\x1f\x8b": (".gz", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": (".bz2", bz2.BZ2File),
    b"\xfd7zXZ\x00": (".xz", lzma.LZMAFile),
}
_SHEET = "is a spreadsheet; save it as CSV (in Excel: Save as, CSV UTF-8) and give that file"
_OTHERS = {
    b"PK": "is packed; unpack it and give the folder or file",
    b"\xd0\xcf\x11\xe0": _SHEET,
    b"7z\xbc\xaf": "is packed; unpack it and give the folder or file",
    b"(\xb5/\xfd": "is packed by zstd; unpack it and give the file",
    b"\xff\xfe": "is in UTF-16; save it as UTF-8",
    b"\xfe\xff": "is in UTF-16; save it as UTF-8",
}
_SPREADSHEETS = {".xlsx", ".xls", ".ods", ".numbers"}
_ENCODED = (
    "is not in UTF-8; save the file as UTF-8, or name its encoding, such as cp1252 of Windows in "
    f"western Europe, latin-1, cp1251 or shift_jis: {option('encoding', 'cp1252')}"
)
CONTROLS = re.compile("[\x80-\x9f]")
"""What a text of Windows has in place of quotation marks and dashes if it is read as latin-1."""

_WHOLE = re.compile(WHOLE, re.ASCII)
_NUMBER = re.compile(NUMBER, re.ASCII)
_DATE = re.compile(DATE, re.ASCII)
_ZONE = r"(:\d\d(?:\.\d+)?) ?(Z|UTC|[+-]\d\d(?::?\d\d)?)$"  # after a time of day
_EXCEL = re.compile(r"sep=(.)", re.IGNORECASE)
_UNIT = b"\x1f"  # stands in for a separator of several characters
_TIMELY = 100_000_000  # in 1973: a smaller whole number is hardly meant as a time
_LONGEST_LINE = 1_000_000  # bytes
_UNPACKED = 1 << 29  # bytes of a packed text; a plain file may be as large as the memory
_TABLE = 1 << 28  # bytes of a table in memory, or _GROWTH times the file's, where those are more
_GROWTH = 20
_SAMPLE = 1 << 16  # bytes from which a table's form is told
_SAMPLED = 100  # rows of them
_DEEPEST = 10_000  # objects and lists within others that Arrow may read
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # what stands for half of a character in JSON


@dataclass
class Source:
    """A file that is to be read, and its problems, up to MAX_PROBLEMS.

    Attributes:
        file: its path.
        encoding: of a text that is not UTF-8, where a person says so.
    """

    file: Path
    encoding: str | None = None
    found: list[Problem] = field(default_factory=list)

    def add(self, words: str, line: int | None = None, column: str | None = None) -> None:
        """Note a problem."""
        if not self.full:
            self.found.append(Problem(str(self.file), words, line, column))
            if self.full:
                words = f"read no further after {MAX_PROBLEMS} problems; correct these first"
                self.found.append(Problem(str(self.file), words))

    @property
    def full(self) -> bool:
        """Whether no more problems are noted."""
        return len(self.found) >= MAX_PROBLEMS

    @cached_property
    def content(self) -> bytes | mmap | None:
        """The file's bytes, unpacked, with lines that end in a line feed; None if there are none.

        A text in another encoding that was named comes in UTF-8.
        """
        try:
            content = self._read()
        except FileNotFoundError:
            self.add("is missing; it belongs to this data set")
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            self.add(f"is packed, and damaged ({error}); pack it again")
        except OSError as error:
            self.add(f"cannot be read: {error.strerror or error}")
        else:
            if not content:
                self.add("is empty")
            elif words := next((w for m, w in _OTHERS.items() if content[: len(m)] == m), None):
                if self.file.suffix.lower() in _SPREADSHEETS:
                    words = _SHEET
                self.add(words)
            else:
                return self._as_lines(content)
        return None

    def _read(self) -> bytes | mmap:
        with self.file.open("rb") as file:
            start = file.read(8)
            file.seek(0)
            for magic, (_, unpacked) in _PACKED.items():
                if start.startswith(magic):
                    with unpacked(file) as plain:
                        whole: bytes = plain.read(_UNPACKED + 1)
                    if len(whole) <= _UNPACKED:
                        return whole
                    raise OSError(
                        f"unpacked it has more than {_UNPACKED:,} bytes; unpack it, and give the "
                        "file"
                    )
            if not start:
                return b""
            try:
                return mmap(file.fileno(), 0, access=ACCESS_READ)
            except ValueError:  # what the system writes while it is read, such as in /proc
                raise OSError("is no file of a known size; copy it, and give the copy") from None

    def _as_lines(self, content: bytes | mmap) -> bytes | mmap | None:
        if content[:4] == b"PAR1":
            return content
        if self.encoding is not None:
            whole = bytes(content)
            try:
                whole.decode()
            except UnicodeDecodeError:
                try:
                    text = whole.decode(self.encoding)
                except (UnicodeDecodeError, LookupError) as error:
                    self.add(
                        f"is not in {self.encoding} ({error}); name its encoding: "
                        f"{option('encoding')}"
                    )
                    return None
                if control := CONTROLS.search(text):
                    self.add(
                        f"has the control character {control[0]!r} in {self.encoding}, so it is in "
                        f"another encoding; name it: {option('encoding', 'cp1252')}",
                        text.count("\n", 0, control.start()) + 1,
                    )
                    return None
                content = text.encode()
        if content.find(b"\n") < 0 and content.find(b"\r") >= 0:  # an old Mac's line ends
            content = bytes(content).replace(b"\r", b"\n")
        return content

    @property
    def stem(self) -> str:
        """The file's name without the ends that tell its form."""
        return _stem(self.file)


def _stem(path: Path) -> str:
    name = path.name.lower()
    for suffix, _ in _PACKED.values():
        name = name.removesuffix(suffix)
    return name.removesuffix(next((s for s in SUFFIXES if name.endswith(s)), ""))


def is_table(path: Path) -> bool:
    """Whether a path's name ends like a table's."""
    return path.is_file() and _stem(path) != path.name.lower()


@dataclass(frozen=True)
class Form:
    """How the rows of a text table are written.

    `columns` are their names in order, those of FIELDS among them; `header` is the number of lines
    before the first row; ids are whole numbers where `whole`; `decimal` is the sign before
    decimals; times are dates where `dates`.
    """

    separator: str
    columns: tuple[str, ...] = FIELDS[:4]
    header: int = 0
    whole: bool = False
    decimal: str = "."
    dates: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that mean something."""
        return tuple(name for name in self.columns if not name.startswith("#"))


def spoken(separator: str) -> str:
    """A separator's name."""
    return SEPARATORS.get(separator, f"'{separator}'")


# What a table holds


@dataclass(frozen=True)
class Table:
    """What was read of one file.

    Attributes:
        columns: those of FIELDS that are there: `user`, `item` and `event` as dictionaries of
            texts, `rating` and `value` as float32, `timestamp` as seconds since 1970 (int64).
        names: the header; empty if there is none.
        notes: what a person should know about how it was read.
    """

    columns: pa.Table
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read(source: Source, mapped: Mapping[str, str]) -> Table | None:
    """Read a table of ratings or events; None, and what is wrong in the source, if it cannot be.

    Args:
        source: the file.
        mapped: what the file calls some of FIELDS; numbers from 1 where it has no header.
    """
    if (content := source.content) is None:
        return None
    if _is_structured(content):
        return _read_structured(source, content, mapped)
    told = _tell(source, FIELDS, FIELDS[:2], mapped)
    if told is None:
        return None
    form, names, notes = told
    columns = read_form(source, form)
    if columns is None:
        return None
    columns, finer = _in_seconds(columns)
    return Table(columns, names, (*notes, *finer))


def records(source: Source, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line and fields of each row of a small table; what is wrong is in the source.

    Args:
        source: the file.
        wanted: names of columns by their spellings; the first has to be there. The other columns
            keep their own names.
    """
    if (content := source.content) is None:
        return
    if _is_structured(content):
        whole = _structured(source, content)
        if whole is None:
            return
        names = recognise(source, whole.column_names, 1, wanted, wanted[:1], {}, whole.column_names)
        if names:
            for line, row in enumerate(whole.rename_columns(list(names)).to_pylist(), 1):
                yield line, row
        return
    told = _tell(source, wanted, wanted[:1], {}, keep=True)
    if told is None:
        return
    form = told[0]
    for line, row in lines(source, form.separator):
        if line <= form.header:
            continue
        if len(row) != len(form.columns):
            source.add(f"has {len(row)} fields where {len(form.columns)} are expected", line)
        else:
            yield line, dict(zip(form.columns, row, strict=True))


# The form of a text table


def _tell(
    source: Source,
    wanted: Sequence[str],
    required: Sequence[str],
    mapped: Mapping[str, str],
    *,
    keep: bool = False,
) -> tuple[Form, tuple[str, ...], list[str]] | None:
    """The form of a text, its header, and notes about them; None and problems if it has none."""
    shown = Source(source.file)
    shown.__dict__["content"] = _beginning(source.content)
    first, form = _first_row(shown, wanted, mapped)
    if first is None:
        source.found += shown.found or [Problem(str(source.file), "is empty")]
        return None
    line, header = first
    names: tuple[str, ...] = ()
    notes: list[str] = []
    numbered = bool(mapped) and all(text.isdecimal() for text in mapped.values())
    is_row = _is_row(header) and (numbered or not _recognised(header, wanted, mapped))
    if not is_row:
        own = header if keep else ()
        columns = recognise(source, header, line, wanted, required, mapped, own)
        names = tuple(header)
        form = replace(form, columns=columns, header=line)
        left = [name for name, mine in zip(header, columns, strict=False) if mine.startswith("#")]
        if left and not keep:
            notes.append(f"columns of {source.file.name} left out: {', '.join(left)}")
    elif keep:
        source.add(f"has no header; begin with a line such as {','.join(wanted)}", line)
    else:
        columns, words = _by_position(header, mapped, form.separator)
        if words:
            source.add(words, line)
        elif form.separator != "::":  # in which MovieLens's form needs no words
            notes.append(
                f"{source.file.name} has no header: its columns are taken as "
                f"{', '.join(name for name in columns if not name.startswith('#'))} "
                f"(to say otherwise: {option('columns', 'user=1,item=2')})"
            )
        form = replace(form, columns=columns, header=line - 1)
    if source.found:
        return None
    return (form if keep else _with_spellings(shown, form)), names, notes


def _beginning(content: bytes | mmap | None) -> bytes:
    """Whole lines, some of them."""
    assert content is not None
    start = content[: _SAMPLE + 1]
    if len(start) <= _SAMPLE:
        return bytes(start)
    return bytes(start[: start.rfind(b"\n") + 1] or start)


def _first_row(
    source: Source, wanted: Sequence[str], mapped: Mapping[str, str]
) -> tuple[tuple[int, list[str]] | None, Form]:
    """The first row that is not blank, divided as most likely meant; and with which separator."""
    best: tuple[tuple[int, int], tuple[int, list[str]], Form] | None = None
    content = source.content
    assert content is not None
    colons = source.file.suffix == ".dat" and b"::" in content[:_SAMPLE]
    for separator in ("::",) if colons else SEPARATORS:
        tried = Source(source.file)
        tried.__dict__["content"] = content
        rows = [row for row, _ in zip(lines(tried, separator), range(_SAMPLED), strict=False)]
        if rows and (excel := _EXCEL.fullmatch(separator.join(rows[0][1]).strip())):
            if excel[1] != separator:
                continue
            rows = rows[1:]
        before = [one for one in tried.found if not rows or (one.line or 0) < rows[0][0]]
        if before or not rows:
            source.found = source.found or before
            continue
        header = [name.strip() for name in rows[0][1]]
        width, often = Counter(len(row) for _, row in rows).most_common(1)[0]
        likely = len(_recognised(header, wanted, mapped)), width if often > len(rows) / 2 else 1
        if best is None or likely > best[0]:
            best = likely, (rows[0][0], header), Form(separator)
    if best is None:
        return None, Form(",")
    return best[1], best[2]


def heading(header: Sequence[str], name: str, mapped: Mapping[str, str]) -> str:
    """What a header calls one of FIELDS; empty if it does not have it."""
    return next((header[place] for place in places(header, name, mapped)), "")


def _recognised(
    header: Sequence[str], wanted: Sequence[str], mapped: Mapping[str, str]
) -> list[str]:
    return [name for name in wanted if places(header, name, mapped)]


def _is_row(fields: Sequence[str]) -> bool:
    """Whether a first line looks like a row of values rather than a header."""
    return any(_NUMBER.fullmatch(text) or _DATE.fullmatch(text) for text in fields)


def recognise(
    source: Source,
    header: Sequence[str],
    line: int,
    wanted: Sequence[str],
    required: Sequence[str],
    mapped: Mapping[str, str],
    own: Sequence[str] = (),
) -> tuple[str, ...]:
    """The header with the wanted columns under our names; the others as in `own`, or numbered."""
    lowered = [name.lower() for name in header]
    for name in sorted({name for name in lowered if name and lowered.count(name) > 1}):
        source.add(f'the header has "{short(name)}" twice; rename one of them', line)
    names = list(own) or [f"#{place}" for place in range(len(header))]
    taken: list[int] = []
    for name in wanted:
        found = places(header, name, mapped)
        if not found:
            if name not in required and name not in mapped:
                continue
            shown = mapped.get(name, name)
            hint = (
                "" if name in mapped else f", or say which it is: {option('columns', f'{name}=…')}"
            )
            there = short(", ".join(header), 400)
            source.add(f'the header ({there}) has no column "{shown}"; add it{hint}', line, name)
        elif len(found) > 1 and len({lowered[k] for k in found}) > 1:
            both = " or ".join(header[k] for k in found)
            which = option("columns", shlex.quote(f"{name}={header[found[0]]}"))
            words = f"could be {both}; say which: {which}"
            source.add(words, line, name)
        else:
            names[found[0]] = name
            taken.append(found[0])
    if not source.found and len(set(taken)) < len(taken):
        source.add(f"one column cannot stand for two; correct {option('columns')}", line)
    return tuple(names)


def _by_position(
    first: Sequence[str], mapped: Mapping[str, str], separator: str
) -> tuple[tuple[str, ...], str | None]:
    """The columns of a table without a header, by their first row; or what to do."""
    width = len(first)
    names = [f"#{place}" for place in range(width)]
    numbers = option("columns", "user=1,item=2,rating=3,timestamp=4")
    say = f"say which column is which by its number: {numbers}"
    if mapped:
        places = [int(text) if text.isdecimal() else 0 for text in mapped.values()]
        if not all(1 <= place <= width for place in places):
            return (), f"has no header, and {width} columns; {say}"
        if len(set(places)) < len(places) or not {"user", "item"} <= set(mapped):
            return (), f"user and item need a column each; {say}"
        for name, place in zip(mapped, places, strict=True):
            names[place - 1] = name
        return tuple(names), None
    if separator == "::":  # MovieLens's own form
        return FIELDS[:4], None
    timely = [_is_time(text) for text in first]
    match width:
        case 2:
            return FIELDS[:2], None
        case 3 if timely[2]:
            return ("user", "item", "timestamp"), None
        case 3 if _is_value(first[2]):
            return FIELDS[:3], None
        case 4 if _is_value(first[2]) and timely[3] and not timely[2]:
            return FIELDS[:4], None
    return (), f"has no header; begin with the line user,item,rating,timestamp, or {say}"


def _is_time(text: str) -> bool:
    if _DATE.fullmatch(text):
        return True
    return bool(_WHOLE.fullmatch(text)) and float(text) >= _TIMELY


def _is_value(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text.replace(",", ".")))


def _with_spellings(source: Source, form: Form) -> Form:
    """The form with how its numbers and times are spelled, as the first rows tell."""
    numbers: list[str] = []
    times: list[str] = []
    for (line, row), _ in zip(lines(source, form.separator), range(_SAMPLED), strict=False):
        if line > form.header and len(row) == len(form.columns):
            cells = dict(zip(form.columns, row, strict=True))
            numbers += [cells[name] for name in ("rating", "value") if name in cells]
            times += [cells["timestamp"]] if "timestamp" in cells else []
    comma = form.separator != "," and any("," in text for text in numbers)
    dates = 2 * sum(bool(_DATE.fullmatch(text.strip())) for text in times) > len(times)
    return replace(form, decimal="," if comma else ".", dates=dates)


# A text table, quickly


def read_form(source: Source, form: Form) -> pa.Table | None:
    """The columns of a text that mean something, or None and what is wrong in the source."""
    if source.content is None:
        return None
    try:
        table = _parse(source, form)
        fault = None if _plausible(table, form) else "a value is out of its range"
    except pa.ArrowInvalid as error:
        fault = str(error)
    if fault is None:
        return table
    _explain(source, form)
    if not source.found:
        source.add(fault)
    return None


def _parse(source: Source, form: Form) -> pa.Table:
    content = source.content
    assert content is not None
    separator = form.separator
    if len(separator) > 1:
        whole = bytes(content)
        if _UNIT in whole:
            raise pa.ArrowInvalid("a control character is in it; take it out")
        content, separator = whole.replace(separator.encode(), _UNIT), _UNIT.decode()
    texts = pa.dictionary(pa.int32(), pa.string())
    types = {
        "user": pa.int32() if form.whole else texts,
        "item": pa.int32() if form.whole else texts,
        "rating": pa.float32(),
        "timestamp": pa.string() if form.dates else pa.int64(),
        "event": texts,
        "value": pa.float32(),
    }
    types = {name: types[name] for name in form.named}

    def parsed(types: Mapping[str, pa.DataType]) -> pa.Table:
        return pacsv.read_csv(
            pa.BufferReader(
                pa.py_buffer(content)
            ),  # by its path, Arrow would unpack it by its name
            read_options=pacsv.ReadOptions(
                column_names=form.columns, skip_rows=form.header, block_size=1 << 24
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=separator, quote_char='"' if _is_quoted(form.separator) else False
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=types,
                include_columns=form.named,
                strings_can_be_null=False,
                decimal_point=form.decimal,
            ),
        )

    table = parsed(types)
    if content.find(b"0x") >= 0 or content.find(b"0X") >= 0:
        # Arrow takes 0x10 for a whole number; nobody means one.
        whole_numbers = [name for name, kind in types.items() if pa.types.is_integer(kind)]
        written = parsed(types | dict.fromkeys(whole_numbers, pa.string()))
        if any(
            pc.any(pc.match_substring(written[n], "x", ignore_case=True)).as_py()
            for n in whole_numbers
        ):
            raise pa.ArrowInvalid("a number is hexadecimal; write it in decimal digits")
    if form.dates:
        moments = _moments(table["timestamp"])
        table = table.set_column(table.column_names.index("timestamp"), "timestamp", moments)
    return table.unify_dictionaries()


def _moments(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dates and times as seconds since 1970; without a zone they are UTC's.

    Raises:
        pyarrow.ArrowInvalid: one of them is none.
    """
    texts = pc.utf8_trim(texts, " \t")
    shaped = pc.match_substring_regex(texts, f"^{_DATE.pattern}$")
    if not pc.all(shaped, min_count=0).as_py():
        raise pa.ArrowInvalid("a time is not of the form 2026-11-29 18:30:00")
    zoned = pc.match_substring_regex(texts, _ZONE)
    zone = pc.if_else(zoned, pc.replace_substring_regex(texts, f"^.*{_ZONE}", r"\2"), "Z")
    offsets = {text: _offset(text) for text in pc.unique(zone).to_pylist()}
    plain = pc.cast(pc.replace_substring_regex(texts, _ZONE, r"\1"), pa.timestamp("ns"))
    seconds = pc.floor(pc.divide(pc.cast(plain, pa.int64()), 1_000_000_000))
    if any(offsets.values()):
        known = pa.array(list(offsets)), pa.array(list(offsets.values()), pa.int64())
        shift = known[1].take(pc.index_in(zone, known[0]))
        seconds = pc.subtract(seconds, shift)
    return pc.cast(seconds, pa.int64())


def _offset(zone: str) -> int:
    """Seconds by which a zone's clocks are ahead of UTC."""
    if zone in {"Z", "UTC"}:
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    seconds = 3600 * int(digits[:2]) + 60 * int(digits[2:])
    return -seconds if zone[0] == "-" else seconds


def _plausible(table: pa.Table, form: Form) -> bool:
    """Whether every value is there and within its range."""
    if not table.num_rows or any(table[name].null_count for name in form.named):
        return False
    ranges: dict[str, tuple[float, float]] = {
        "rating": (-LARGEST, LARGEST),
        "value": (0, LARGEST),
    }
    if not form.whole:
        labels = [
            label
            for name in ("user", "item")
            for chunk in table[name].chunks
            for label in chunk.dictionary.to_pylist()
        ]
        if any(_fault("user", label, form) for label in labels):
            return False
    else:
        ranges |= {"user": (0, MAX_ID - 1), "item": (0, MAX_ID - 1)}
    if "timestamp" in form.named:
        stamps = table["timestamp"].to_numpy()
        least = 0 if stamps.min() <= LATEST else stamps.min()
        ranges["timestamp"] = least, LATEST if least == 0 else LATEST * 1e9
    for name, (least, most) in ranges.items():
        if name in form.named:
            values = table[name].to_numpy()
            if not (values.min() >= least and values.max() <= most):  # NaN fails both
                return False
    return True


def _in_seconds(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """The table with times in seconds, which may all be in thousandths of one, or finer."""
    if "timestamp" not in table.column_names:
        return table, []
    stamps, unit = table["timestamp"].to_numpy(), 1
    if stamps.min() <= LATEST:
        return table, []
    while stamps.max() > LATEST:
        stamps, unit = stamps // 1000, unit * 1000
    place = table.column_names.index("timestamp")
    return table.set_column(place, "timestamp", pa.array(stamps)), [
        FINER_TIMES.format(unit=UNITS[unit])
    ]


# A text table, line by line


def _explain(source: Source, form: Form) -> None:
    """Report every line that is wrong."""
    rows = 0
    fields = [(name, form.columns.index(name)) for name in form.named]
    content = source.content
    assert content is not None
    progress: tqdm[Any] = tqdm(
        desc=f"looking for what is wrong in {source.file.name}",
        total=len(content),
        unit="B",
        unit_scale=True,
        disable=None,
        leave=False,
    )
    with progress:
        for line, row in lines(source, form.separator, progress=progress):
            if line <= form.header:
                continue
            rows += 1
            if len(row) != len(form.columns):
                words = FAULTS["width"].format(
                    count=len(row), width=len(form.columns), separator=spoken(form.separator)
                )
                source.add(words, line)
                continue
            for name, place in fields:
                if fault := _fault(name, row[place], form):
                    source.add(fault, line, name)
    if not rows and not source.found:
        source.add("holds no ratings; put one on each line")


def _fault(name: str, text: str, form: Form) -> str | None:
    """What is wrong with a field and what to do, or None."""
    if name in {"rating", "value"}:
        plain = text if form.decimal == "." else text.replace(".", "x").replace(",", ".")
        if not _NUMBER.fullmatch(plain):
            return _told("number", text, decimal=form.decimal)
        if not abs(float(plain)) <= LARGEST:
            return _told("large", text)
        if name == "value" and float(plain) < 0:
            return _told("negative", text)
    elif name == "timestamp":
        return _untimely(text, form)
    elif name == "event":
        return None
    elif not text.strip():
        return FAULTS["empty"]
    elif form.whole:
        if not _WHOLE.fullmatch(text):
            return f"{_quoted(text)} is not a whole number, as MovieLens ids are"
        if not 0 <= float(text) < MAX_ID:
            return f"{short(text)} is not between 0 and {MAX_ID - 1:,}"
    elif "\n" in text or "\r" in text:
        return FAULTS["line break"]
    else:
        return id_fault(text.strip())
    return None


def _untimely(text: str, form: Form) -> str | None:
    """What is wrong with a time and what to do, or None."""
    if form.dates:
        if not _DATE.fullmatch(text.strip(" \t")):
            return _told("form", text)
        try:
            seconds: float = datetime.fromisoformat(text.strip(" \t")[:19]).timestamp()
        except ValueError:
            return _told("date", text)
        return _told("early", text) if seconds < -86_400 else None
    if not _WHOLE.fullmatch(text):
        return _told("time", text)
    seconds = float(text)  # as an int it may be too long for Python
    if seconds < 0:
        return _told("early", text)
    if seconds > LATEST:
        unit = "milliseconds" if seconds < LATEST * 1000 else "finer than milliseconds"
        return _told("unit", text, unit=unit)
    return None


def _told(fault: str, text: str, **values: str) -> str:
    """What is said of a faulty field."""
    return FAULTS[fault].format(text=short(text), **values)


def id_fault(text: str) -> str | None:
    """What is wrong with an id and what to do, or None."""
    if "\n" in text or "\r" in text:
        return FAULTS["line break"]
    if not 0 < len(text) <= LONGEST_ID:
        return FAULTS["long"].format(count=f"{len(text):,}")
    if text != printable(text):
        return FAULTS["control"]
    return None


def _is_quoted(separator: str) -> bool:
    """Whether fields may stand in quotation marks; not in MovieLens's own forms."""
    return separator in {",", ";"}


def lines(
    source: Source,
    separator: str,
    encoding: str = "utf-8",
    progress: "tqdm[Any] | None" = None,
) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each line that is not blank, until the source's report is full."""
    line = 0
    content = source.content
    if content is None:
        return
    with source.file.open("rb") if isinstance(content, mmap) else io.BytesIO(content) as raw:

        def texts() -> Iterator[str]:
            nonlocal line
            while binary := raw.readline(_LONGEST_LINE):
                line += 1
                if progress is not None:
                    progress.update(len(binary))
                if len(binary) == _LONGEST_LINE and not binary.endswith(b"\n"):
                    source.add(
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
                    if _ENCODED not in [problem.words for problem in source.found]:
                        source.add(_ENCODED, line)
                    yield ""

        rows: Iterator[list[str]]
        if _is_quoted(separator):
            rows = csv.reader(texts(), delimiter=separator)
        else:
            plain = (text.rstrip("\r\n") for text in texts())
            rows = (text.split(separator) if text else [] for text in plain)
        try:
            for row in rows:
                if row:
                    yield line, row
                if source.full:
                    return
        except csv.Error as error:
            source.add(f"cannot be read as CSV ({error}); check its quotation marks", line)


def _quoted(text: str) -> str:
    return f'"{short(text)}"'


def short(text: str, most: int = SHOWN) -> str:
    """The beginning of a text."""
    text = text.strip()
    return f"{text[:most]}…" if len(text) > most else text


# JSON and Parquet


def _is_structured(content: bytes | mmap) -> bool:
    return content[:4] == b"PAR1" or content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {
        b"{",
        b"[",
    }


def _read_structured(
    source: Source, content: bytes | mmap, mapped: Mapping[str, str]
) -> Table | None:
    whole = _structured(source, content)
    if whole is None:
        return None
    columns = recognise(source, whole.column_names, 1, FIELDS, FIELDS[:2], mapped)
    if source.found:
        return None
    named = {ours: k for k, ours in enumerate(columns) if not ours.startswith("#")}
    form = Form(",", tuple(named))
    texts: dict[str, pa.Array] = {}
    for name, place in named.items():
        values = _texts(whole.column(place), name)
        for row in np.flatnonzero(pc.is_null(values).to_numpy(zero_copy_only=False)).tolist():
            told = whole.column(place)[row].as_py()
            words = "is empty" if told is None else f"{_quoted(str(told))} is no single value"
            source.add(f"{words}; give every rating its ids and values", row + 1, name)
        texts[name] = values
    if source.found:
        return None
    # Written as CSV and read as such, values are judged, and told of, by the same rules.
    plain = pa.table(texts)
    file = io.BytesIO()
    pacsv.write_csv(
        plain, file, pacsv.WriteOptions(include_header=False, quoting_style="all_valid")
    )
    written = Source(source.file)
    written.__dict__["content"] = file.getvalue()
    form = _with_spellings(written, form)
    found = read_form(written, form)
    source.found += written.found
    if found is None:
        return None
    found, finer = _in_seconds(found)
    left = [name for name, ours in zip(whole.column_names, columns, strict=True) if ours[0] == "#"]
    notes = [f"columns of {source.file.name} left out: {', '.join(left)}"] if left else []
    return Table(found, tuple(whole.column_names), (*notes, *finer))


def _structured(source: Source, content: bytes | mmap) -> pa.Table | None:
    """A Parquet file's or JSON objects' table; None, and what is wrong in the source."""
    if content[:4] == b"PAR1":
        try:
            return _parquet(source, content)
        except (pa.ArrowInvalid, OSError) as error:
            source.add(f"is no whole Parquet file ({error}); write it again")
            return None
    text = bytes(content).removeprefix(b"\xef\xbb\xbf")
    if text.lstrip()[:1] == b"{" and not (_may_be_wide(text) or _may_be_deep(text)):
        try:
            options = pajson.ReadOptions(block_size=1 << 24)
            table = pajson.read_json(io.BytesIO(text), read_options=options)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass  # Python takes more, and tells more
        else:
            if not any(pa.types.is_timestamp(kind) for kind in table.schema.types):
                return table
    return _objects(source, text)


def _parquet(source: Source, content: bytes | mmap) -> pa.Table | None:
    """A Parquet file's table, unless it is far larger than the file; then a problem."""
    with pq.ParquetFile(pa.py_buffer(content)) as file:
        known = file.metadata
        groups = (known.row_group(place) for place in range(known.num_row_groups))
        told = sum(group.total_byte_size for group in groups)
        most = _most(len(content))
        large = told > most or _is_large(known.num_rows, known.num_columns, len(content))
        batches: list[pa.RecordBatch] = []
        for batch in () if large else file.iter_batches(batch_size=4096):
            most -= batch.nbytes
            if most < 0:
                large = True
                break
            batches.append(batch)
        if not large:
            return pa.Table.from_batches(batches, file.schema_arrow)
    source.add("is far larger in memory than the file; keep only the columns that are needed")
    return None


def _most(size: int) -> int:
    """The most bytes in memory of a table whose file has `size` of them."""
    return max(_TABLE, _GROWTH * size)


def _is_large(rows: int, columns: int, size: int) -> bool:
    """Whether a table's cells have more bytes than a file of `size` may become."""
    return rows * columns * np.dtype(np.int64).itemsize > _most(size)


def _may_be_wide(text: bytes) -> bool:
    """Whether JSON objects may have so many different names that a table of them is too large.

    The names in the first of them are counted, and all others taken as different.
    """
    if re.search(rb'"[ \t\r\n]+:', text):
        return True  # a name that is not counted
    names = {*re.findall(rb'"([^"\\]*)":', text[:_SAMPLE])}
    if len(names) > _SAMPLED:
        return True
    counts = [(text.count(b'"%b":' % name), text.count(b'\\"%b":' % name)) for name in names]
    others = text.count(b'":') - sum(count - within for count, within in counts)
    return _is_large(text.count(b"\n") + 1, len(names) + others, len(text))


def _may_be_deep(text: bytes) -> bool:
    """Whether JSON objects may be nested so deeply that Arrow's parser ends the process."""
    within = text.count(b"[") + text.count(b"{") - text.count(b"\n{")
    return within > _DEEPEST


def _objects(source: Source, text: bytes) -> pa.Table | None:
    """JSON objects, one a line or in a list, read by Python; every value as a text."""
    rows: list[dict[str, Any]] = []
    try:
        if text.lstrip()[:1] == b"[":
            parts = [(k, json.dumps(one)) for k, one in enumerate(json.loads(text), 1)]
        else:
            parts = list(enumerate(text.decode().split("\n"), 1))
    except (ValueError, RecursionError) as error:
        source.add(f"is not JSON ({error}); write one object a line")
        return None
    for line, part in parts:
        if part.strip():
            try:
                found = json.loads(part)
            except (ValueError, RecursionError) as error:
                source.add(f"is not a JSON object ({error}); write one object a line", line)
                continue
            if not isinstance(found, dict):
                source.add(FAULTS["object"], line)
                continue
            if _HALF.search(part) and not _is_text(found):
                source.add("has half of a character (such as \\ud800); correct it", line)
                continue
            rows.append(found)
    if not rows and not source.found:
        source.add("holds no ratings; put one on each line")
    if source.found:
        return None
    names = list(dict.fromkeys(name for row in rows for name in row))
    if _is_large(len(rows), len(names), len(text)):
        source.add(f"has {len(names):,} different names in its objects; keep those that are needed")
        return None
    columns = {name: [_spelled(row.get(name)) for row in rows] for name in names}
    return pa.table(
        {
            name: pa.array(values)
            if all(value is None or isinstance(value, str) for value in values)
            else pa.array([value if isinstance(value, list) else [value] for value in values])
            for name, values in columns.items()
        }
    )


def _is_text(value: Any) -> bool:
    """Whether all of a value can be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _spelled(value: Any) -> str | list[str] | None:
    if isinstance(value, list):
        return [str(one) for one in value if not isinstance(one, dict | list)]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if isinstance(value, dict) else str(value)


def _texts(column: pa.ChunkedArray, name: str) -> pa.Array:
    """A column's values as texts; null where one is none, or has no text."""
    values = column.combine_chunks()
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_finite(values), values, pa.scalar(None, kind))
        whole: NDArray[np.bool_] = np.array(pc.equal(values, pc.floor(values)).fill_null(True))
        if whole.all():
            return pc.cast(pc.cast(values, pa.int64(), safe=False), pa.string())
    if pa.types.is_timestamp(kind) and name == "timestamp":
        values = pc.cast(pc.cast(values, pa.timestamp("s"), safe=False), pa.int64())
    elif pa.types.is_date(kind) and name == "timestamp":
        values = pc.cast(pc.cast(values, pa.timestamp("s")), pa.int64())
    try:
        return pc.cast(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(values), pa.string())
