"""Bulk import: CSV files, checked line by line against the dataset's schema."""

import csv
import io
import math
import re
import sys
from typing import Any

from local_aws.personalize.schemas import Field, Schema

_SHOWN = 20
_ID, _CATEGORICAL, _TEXTUAL = 256, 1000, 20_000
_WHOLE = re.compile(r" *[-+]?\d+ *", re.ASCII)
_NUMBER = re.compile(r" *[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)? *", re.ASCII)
_LARGEST_FLOAT = 3.4028234663852886e38
_LONGEST = 1000  # digits of a whole number
_MILLISECONDS = 100_000_000_000  # as seconds: the year 5138
NONCONFORMING = (
    "Input csv has rows that do not conform to the dataset schema. Please ensure all required data "
    "fields are present and that they are of the type specified in the schema."
)


class BadData(Exception):
    """The file cannot be imported; the text says where and why."""


def read(files: list[tuple[str, bytes]], schema: Schema) -> list[dict[str, Any]]:
    """The rows of all files, values by field name in their Python types, None for null.

    Args:
        files: name and content of each.
        schema: what the columns must be.

    Raises:
        BadData: everything that is wrong, with file, line and field.
    """
    rows: list[dict[str, Any]] = []
    wrong: list[str] = []
    bad = 0
    for name, content in files:
        bad += _read(name, content, schema, rows, wrong)
    if bad:
        more = f" (the first {_SHOWN} are shown)" if bad > _SHOWN else ""
        raise BadData(f"{NONCONFORMING} {_rows(bad)}{more}: {'; '.join(wrong)}.")
    return rows


def _rows(count: int) -> str:
    return "1 bad row" if count == 1 else f"{count} bad rows"


def _read(
    name: str, content: bytes, schema: Schema, rows: list[dict[str, Any]], wrong: list[str]
) -> int:
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
        return _read_rows(name, reader, schema, rows, wrong)
    except csv.Error as error:
        raise BadData(f"{name}, line {reader.line_num}: {error}") from None


def _read_rows(
    name: str, reader: Any, schema: Schema, rows: list[dict[str, Any]], wrong: list[str]
) -> int:
    header = next(reader, None)
    if not header:
        raise BadData(f"{name} is empty: a header row with the schema's field names is needed.")
    _check_header(name, header, schema)
    fields = [schema.field(column) for column in header]
    readers = [(f.name, _reader(f, schema)) for f in fields if f is not None]
    bad = 0
    for values in reader:
        if not values:
            continue
        broken = []
        if len(values) != len(header):
            broken.append(f"{len(values)} values for {len(header)} columns")
        else:
            row = {}
            for (column, convert), value in zip(readers, values, strict=True):
                try:
                    row[column] = convert(value)
                except ValueError as error:
                    broken.append(f"{column}: {error}")
            if not broken:
                rows.append(row)
        if broken:
            bad += 1
            if len(wrong) < _SHOWN:
                wrong.append(f"{name}, line {reader.line_num}: {', '.join(broken)}")
    return bad


def _check_header(name: str, header: list[str], schema: Schema) -> None:
    wanted = [field.name for field in schema.fields]
    missing = [column for column in wanted if column not in header]
    if missing:
        like = {column.strip().strip('"').upper(): column for column in header}
        hints = [f"'{like[m.upper()]}' must be '{m}'" for m in missing if m.upper() in like]
        hint = f" ({', '.join(hints)})" if hints else ""
        raise BadData(
            f"Input csv is missing the following columns: [{', '.join(missing)}]{hint}. "
            f"File: {name}."
        )
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise BadData(f"{name}: the header has these columns twice: {_listed(twice)}.")
    unknown = [column for column in header if column not in wanted]
    if unknown:
        raise BadData(
            f"{name}: the schema has no fields for the columns {_listed(unknown)}. "
            "Remove them, or use a schema that has them."
        )


def _reader(field: Field, schema: Schema) -> Any:
    """A function from a cell's text to its value; it raises ValueError with the reason."""
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
    """`text` as a value of `field`.

    Raises:
        ValueError: the reason why it is none.
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
    """Whether it is a number, or a text that all programs read as the same number."""
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
        if number < 0:
            raise ValueError(f"{number} is before 1970")
        if number >= _MILLISECONDS:
            raise ValueError(f"{number} looks like milliseconds; seconds since 1970 are needed")
    return number


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(map(_short, names[:_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _short(text: Any) -> str:
    shown = str(text)
    return shown if len(shown) <= 40 else shown[:40] + "…"
