"""Bulk import: CSV files, checked line by line against the dataset's schema.

According to the guide, data must match the schema, and AWS has an error for data that do not; but
AWS is known to accept imports with a few invalid metadata values. So a metadata value of the wrong
type, or an empty one where the schema does not allow null, is treated as missing if few rows have
one. Different spellings of columns and columns outside of the schema are accepted. The job reports
all of this.
"""

import csv
import io
import math
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from local_aws.personalize.schemas import Field, Schema

_SHOWN = 20
_ID, _CATEGORICAL, _TEXTUAL = 256, 1000, 20_000
_WHOLE = re.compile(r" *[-+]?\d+ *", re.ASCII)
_NUMBER = re.compile(r" *[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)? *", re.ASCII)
_LARGEST_FLOAT = 3.4028234663852886e38
_LONGEST = 1000  # maximum digits of an integer
_MILLISECONDS = 100_000_000_000  # as seconds: the year 5138
_TOLERATED = 0.01  # share of rows; AWS's own limit is unknown
NONCONFORMING = (
    "Input csv has rows that do not conform to the dataset schema. Please ensure all required data "
    "fields are present and that they are of the type specified in the schema."
)


class BadData(Exception):
    """The file cannot be imported; the message says where and why."""


@dataclass
class _Findings:
    """The problems of the rows of all files.

    Attributes:
        hard: rows that prevent the import.
        soft: rows with values that can be treated as missing.
        early: rows created before 1970.
        shown: messages of the first ones, hard and soft.
        columns: harmless problems of headers.
    """

    hard: int = 0
    soft: int = 0
    early: int = 0
    shown: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)

    def note(self, words: str) -> None:
        if len(self.shown) < _SHOWN:
            self.shown.append(words)

    @property
    def listed(self) -> str:
        bad = self.hard + self.soft
        more = f" (the first {_SHOWN} are shown)" if bad > _SHOWN else ""
        return f"{_rows(bad)}{more}: {'; '.join(self.shown)}."


def read(
    files: Iterable[tuple[str, bytes]], schema: Schema
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of all files, values by field name in their Python types, None for null.

    Args:
        files: name and content of each file.
        schema: the dataset's schema.

    Returns:
        The rows, and the job's message about them.

    Raises:
        BadData: lists all problems with file, line and field.
    """
    rows: list[dict[str, Any]] = []
    found = _Findings()
    for name, content in files:
        _read(name, content, schema, rows, found)
    if found.hard or found.soft > _TOLERATED * len(rows):
        raise BadData(f"{NONCONFORMING} {found.listed}")
    told = [*found.columns]
    if found.soft:
        told.append(
            "Values that do not conform to the dataset schema were taken as missing in "
            + found.listed
        )
    if found.early:
        told.append(f"{_rows(found.early, 'row')} with a CREATION_TIMESTAMP before 1970.")
    return rows, told


def _rows(count: int, noun: str = "bad row") -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _read(
    name: str, content: bytes, schema: Schema, rows: list[dict[str, Any]], found: _Findings
) -> None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadData(
            f"{name}, line {line}: byte {content[error.start]:#04x} is not UTF-8. "
            "Save the file as UTF-8."
        ) from None
    if text.startswith("\ufeff"):
        raise BadData(f"{name} begins with a byte order mark. Save the file as UTF-8 without one.")
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        _read_rows(name, reader, schema, rows, found)
    except csv.Error as error:
        raise BadData(f"{name}, line {reader.line_num}: {error}") from None


def _read_rows(
    name: str, reader: Any, schema: Schema, rows: list[dict[str, Any]], found: _Findings
) -> None:
    header = next(reader, None)
    if not header:
        raise BadData(f"{name} is empty: a header row with the schema's field names is needed.")
    _check_header(name, header, schema, found)
    fields = [schema.field(column) for column in header]
    readers = [(f, _reader(f, schema)) if f else None for f in fields]
    for values in reader:
        if not values:
            continue
        broken, hard = [], False
        row: dict[str, Any] = {}
        if len(values) != len(header):
            broken, hard = [f"{len(values)} values for {len(header)} columns"], True
        else:
            for column, text in zip(readers, values, strict=True):
                if column is None:
                    continue
                known, convert = column
                try:
                    row[known.name] = convert(text)
                except ValueError as error:
                    row[known.name] = None
                    broken.append(f"{known.name}: {error}")
                    hard = hard or known not in schema.metadata
        if broken:
            found.note(f"{name}, line {reader.line_num}: {', '.join(broken)}")
            found.hard += hard
            found.soft += not hard
        if not hard:
            rows.append(row)
            found.early += (row.get("CREATION_TIMESTAMP") or 0) < 0


def _check_header(name: str, header: list[str], schema: Schema, found: _Findings) -> None:
    wanted = [field.name for field in schema.fields]
    given = {column.upper() for column in header}
    missing = [column for column in wanted if column.upper() not in given]
    if missing:
        like = {column.strip().strip('"').upper(): column for column in header}
        hints = [f"'{like[m.upper()]}' must be '{m}'" for m in missing if m.upper() in like]
        hint = f" ({', '.join(hints)})" if hints else ""
        raise BadData(
            f"Input csv is missing the following columns: [{', '.join(missing)}]{hint}. "
            f"File: {name}."
        )
    known = {column.upper() for column in wanted}
    names = [column.upper() for column in header if column.upper() in known]
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise BadData(f"{name}: the header has these columns twice: {_listed(twice)}.")
    if unknown := [column for column in header if column.upper() not in known]:
        found.columns.append(
            f"{name}: columns that the schema does not have were left out: {_listed(unknown)}."
        )
    spelt = [column for column in header if column.upper() in known and column not in wanted]
    if spelt:
        found.columns.append(f"{name}: columns are not spelt as in the schema: {_listed(spelt)}.")


def _reader(field: Field, schema: Schema) -> Any:
    """The parser of a cell's text, which raises ValueError with the reason."""
    required = field not in schema.metadata and not field.nullable

    def convert(text: str) -> Any:
        if text == "":
            if field.nullable:
                return None
            raise ValueError(
                "is empty" if required else "is empty, and the schema does not allow null"
            )
        return value(field, text)

    return convert


def value(field: Field, text: Any) -> Any:
    """Parse `text` as a value of `field`.

    Raises:
        ValueError: contains the reason.
    """
    if field.type == "string":
        return _string(field, text)
    if field.type == "boolean":
        if str(text).lower() not in ("true", "false"):
            raise ValueError(f"'{_short(text)}' is not true or false")
        return str(text).lower() == "true"
    if field.type in ("int", "long"):
        return _whole(field, text)
    try:
        number = float(text) if _is_number(text) else math.nan
    except OverflowError:  # of an int
        number = math.inf
    if math.isnan(number):
        raise ValueError(f"'{_short(text)}' is not a {field.type}")
    if abs(number) > (_LARGEST_FLOAT if field.type == "float" else sys.float_info.max):
        raise ValueError(f"{_short(text)} does not fit into a {field.type}")
    return number


def _is_number(value: Any) -> bool:
    """Whether it is a number, or a string that all programs parse as the same number."""
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _string(field: Field, text: Any) -> str:
    if isinstance(text, dict | list):
        raise ValueError(f"'{_short(text)}' is not a string")
    if not isinstance(text, str):
        text = str(text).lower() if isinstance(text, bool) else str(text)
    if field.name in ("USER_ID", "ITEM_ID", "EVENT_TYPE"):
        most = _ID
    elif field.textual:
        most = _TEXTUAL
    else:
        most = _CATEGORICAL
    if len(text) > most:
        raise ValueError(f"has {len(text)} characters, {most} are allowed")
    return str(text)


def _whole(field: Field, text: Any) -> int:
    kind, bits = ("an int", 31) if field.type == "int" else ("a long", 63)
    if isinstance(text, str):
        whole = _WHOLE.fullmatch(text) is not None
    else:
        whole = _is_number(text) and (isinstance(text, int) or text.is_integer())
    if not whole:
        raise ValueError(f"'{_short(text)}' is not {kind}")
    number = int(text) if len(str(text)) < _LONGEST else 2**bits
    if not -(2**bits) <= number < 2**bits:
        raise ValueError(f"{_short(text)} does not fit into {kind}")
    if field.name in ("TIMESTAMP", "CREATION_TIMESTAMP"):
        if number < 0 and field.name == "TIMESTAMP":
            raise ValueError(f"{number} is before 1970")
        if abs(number) >= _MILLISECONDS:
            raise ValueError(f"{number} looks like milliseconds; seconds since 1970 are needed")
    return number


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(_short(name) or "(no name)" for name in names[:_SHOWN]) + (
        f" and {more} more" if more > 0 else ""
    )


def _short(text: Any) -> str:
    shown = str(text)
    return shown if len(shown) <= 40 else shown[:40] + "…"
