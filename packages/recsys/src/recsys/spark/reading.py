"""Reads ratings or events of any size, and judges each row by the rules of `recsys.datasets`."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.types import StringType, StructField, StructType

from recsys import fields
from recsys.spark.storage import File
from recsys.text import ACTING

_CORRUPT = "_corrupt"
_SEPARATORS = [separator for separator in fields.SEPARATORS if len(separator) == 1]
_SAMPLED = 100  # rows from which a table's form is told
_EDGES = r"(?U)^\s+|\s+$"  # white space, as Python's str.strip knows it


class SourceError(Exception):
    """The source cannot be used; the message says what to do."""


class Rows(NamedTuple):
    """What was read.

    Attributes:
        good: `user`, `item` (texts), `value` (float), `timestamp` (seconds since 1970) and `place`,
            by which rows are ordered as they stand in the source.
        bad: `file`, `row` (the row's fields) and `reasons`.
        total: how many rows were read.
        faulty: how many of them are bad.
        reasons: the first of the bad rows' reasons, with their files.
        events: whether the values are no ratings: none, or all the same.
        notes: what a person should know about how they were read.
    """

    good: DataFrame
    bad: DataFrame
    total: int
    faulty: int
    reasons: list[str]
    events: bool
    notes: list[str]


class Tables(NamedTuple):
    """The files of a source: those of ratings or events, and a table of items."""

    rows: list[File]
    items: list[File]


def stem(name: str) -> str:
    """A file's name without the ends that tell its form."""
    for end in fields.PACKED:
        name = name.removesuffix(end)
    return name.rpartition(".")[0].lower() or name.lower()


def divide(files: Sequence[File], uri: str) -> Tables:
    """Tell the files of ratings from a table of items.

    Raises:
        SourceError: there are none, or they are of several forms.
    """
    tables = sorted(file for file in files if fields.form(file.name))
    items = [file for file in tables if stem(file.name) in fields.ITEMS]
    rows = [file for file in tables if file not in items]
    named = [file for file in rows if fields.PART.sub("", stem(file.name)) in fields.RATINGS]
    rows = named or [file for file in rows if not fields.ODD.search(file.name)]
    if not rows:
        found = f"{len(files):,} files, none of them a table" if files else "nothing"
        raise SourceError(
            f"{uri} holds {found}: give a prefix with CSV, JSON Lines or Parquet files "
            "(.csv, .jsonl, .parquet; CSV and JSON Lines also with .gz or .bz2)"
        )
    forms = sorted({fields.form(file.name) or "" for file in rows})
    if len(forms) > 1:
        raise SourceError(f"{uri} holds files of several forms ({', '.join(forms)}): give one form")
    return Tables(rows, items)


def read(spark: SparkSession, files: Sequence[File], mapped: Mapping[str, str]) -> Rows:
    """Read ratings or events.

    Args:
        spark: the session.
        files: all of the same form, with the same columns.
        mapped: what they call some of `fields.FIELDS`; numbers from 1 where there is no header.

    Raises:
        SourceError: the columns are not there, or cannot be told apart.
    """
    table = _texts(spark, files, mapped)
    shape = _shape(table)
    judged = table.frame.withColumn("reasons", _reasons(table, shape))
    valid = F.size("reasons") == 0
    amount = next((name for name in ("rating", "value") if name in table.columns), None)
    number = _number(F.col(amount), shape.decimal) if amount else F.lit(1.0)
    value = number.cast("float")
    counts = judged.agg(
        F.count("*").alias("total"),
        F.count(F.when(~valid, 1)).alias("faulty"),
        F.min(F.when(valid, value)).alias("least"),
        F.max(F.when(valid, value)).alias("most"),
    ).first()
    assert counts
    good = judged.where(valid)
    if "timestamp" in table.columns:
        stamp = (
            _seconds(F.col("timestamp"))
            if shape.dates
            else _trimmed(F.col("timestamp")).cast("long")
        )
        stamp = F.floor(stamp / shape.unit).cast("long") if shape.unit > 1 else stamp
    else:
        stamp = F.lit(fields.NO_TIME)
    notes = list(table.notes)
    if shape.unit > 1:
        notes.append(fields.FINER_TIMES.format(unit=fields.UNITS[shape.unit]))
    if "timestamp" not in table.columns:
        notes.append(fields.WITHOUT_TIMES)
    bad = judged.where(~valid).select(
        "file", F.to_json(F.struct(*table.columns, "line")).alias("row"), "reasons"
    )
    first = bad.orderBy("file").limit(10).collect() if counts["faulty"] else []
    return Rows(
        good.select(
            F.regexp_replace("user", _EDGES, "").alias("user"),
            F.regexp_replace("item", _EDGES, "").alias("item"),
            value.alias("value"),
            stamp.alias("timestamp"),
            "place",
        ),
        bad,
        counts["total"],
        counts["faulty"],
        [f"{row['file']}: {reason}" for row in first for reason in row["reasons"]],
        "rating" not in table.columns or counts["least"] == counts["most"],
        notes,
    )


# The texts of a table


class _Table(NamedTuple):
    """Columns of texts under our names, `file`, `place`, and `fault` of a row that has none."""

    frame: DataFrame
    columns: list[str]
    sample: Sequence[Mapping[str, str]]
    separator: str
    notes: list[str]


def _texts(spark: SparkSession, files: Sequence[File], mapped: Mapping[str, str]) -> _Table:
    paths = [file.path for file in files]
    kind = fields.form(files[0].name)
    separator, notes = "", list[str]()
    if kind == "csv":
        separator, names, named = header(spark, paths[0], mapped)
        schema = StructType([StructField(name, StringType()) for name in (*names, _CORRUPT)])
        frame = spark.read.csv(
            paths,
            schema=schema,
            sep=separator,
            header=named,
            enforceSchema=not named,
            quote='"' if separator in ",;" else "",
            escape='"',
            mode="PERMISSIVE",
            columnNameOfCorruptRecord=_CORRUPT,
            emptyValue="",
            maxCharsPerColumn=1_000_000,
        )
        frame = frame.withColumn("fault", _miscounted(len(names), separator))
        if not named:
            mapped = {name: names[int(place) - 1] for name, place in mapped.items()}
    elif kind == "json":
        keys = spark.read.json(paths[:1], primitivesAsString=True, samplingRatio=1.0)
        names = [name for name in keys.columns if name != "_corrupt_record"]
        schema = StructType([StructField(name, StringType()) for name in (*names, _CORRUPT)])
        frame = spark.read.json(
            paths, schema=schema, mode="PERMISSIVE", columnNameOfCorruptRecord=_CORRUPT
        )
        fault = F.lit(fields.FAULTS["object"])
        frame = frame.withColumn("fault", F.when(F.col(_CORRUPT).isNotNull(), fault))
    else:
        frame = spark.read.parquet(*paths)
        names = frame.columns
        frame = frame.select(
            *(_as_text(frame, name).alias(name) for name in names),
            F.lit(None).cast("string").alias(_CORRUPT),
            F.col("_metadata"),
        ).withColumn("fault", F.lit(None).cast("string"))
    ours = _recognised(names, mapped, paths[0])
    left = [name for name in names if name not in ours.values()]
    if (left and kind != "csv") or (left and not left[0].startswith("#")):
        notes.append(f"columns left out: {', '.join(left)}")
    texts = frame.select(
        *(F.coalesce(F.col(f"`{theirs}`"), F.lit("")).alias(name) for name, theirs in ours.items()),
        F.col(_CORRUPT).alias("line"),
        "fault",
        F.col("_metadata.file_path").alias("file"),
        F.struct(
            F.col("_metadata.file_path").alias("file"),
            F.col("_metadata.file_block_start").alias("block"),
            F.monotonically_increasing_id().alias("row"),
        ).alias("place"),
    )
    sample = [row.asDict() for row in texts.where("fault IS NULL").limit(_SAMPLED).collect()]
    return _Table(texts, list(ours), sample, separator, notes)


def header(
    spark: SparkSession, path: str, mapped: Mapping[str, str]
) -> tuple[str, list[str], bool]:
    """Tell how a text table is written, by its first lines.

    Returns:
        Its separator, its columns' names, and whether a header names them.

    Raises:
        SourceError: it is empty, or has too few columns.
    """
    lines = [row["value"] for row in spark.read.text(path).limit(_SAMPLED).collect()]
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise SourceError(f"{path} is empty")
    lines[0] = lines[0].removeprefix("\ufeff")
    numbered = bool(mapped) and all(text.isdecimal() for text in mapped.values())

    def fit(separator: str) -> tuple[int, int]:
        first, *rows = csv.reader(lines, delimiter=separator)
        known = sum(bool(fields.places(first, name, mapped)) for name in fields.FIELDS)
        width, often = Counter(map(len, rows or [first])).most_common(1)[0]
        return known, width if often > len(rows) / 2 else 1

    separator = max(_SEPARATORS, key=fit)
    first = next(csv.reader(lines[:1], delimiter=separator))
    if not numbered:
        return separator, [name.strip() for name in first], True
    width = len(first)
    if not all(1 <= int(place) <= width for place in mapped.values()):
        raise SourceError(f"{path} has {width} columns: give numbers from 1 to {width}")
    return separator, [f"#{number}" for number in range(1, width + 1)], False


def _recognised(header: Sequence[str], mapped: Mapping[str, str], path: str) -> dict[str, str]:
    """Their names of columns by ours."""
    found, faults = {}, []
    for name in fields.FIELDS:
        places = fields.places(header, name, mapped)
        if len(places) > 1:
            both = " or ".join(header[place] for place in places)
            faults.append(f"{name} could be {both}; say which: {name}=…")
        elif places:
            found[name] = header[places[0]]
        elif name in mapped or name in fields.FIELDS[:2]:
            faults.append(
                f'the header ({", ".join(header)[:400]}) has no column "{mapped.get(name, name)}"; '
                f"say which it is: {name}=…"
            )
    if faults:
        raise SourceError("\n".join(f"{path}: {fault}" for fault in faults))
    return found


def _miscounted(width: int, separator: str) -> Column:
    plain = F.regexp_replace(_CORRUPT, '"([^"]|"")*"', "")
    count = F.size(F.split(plain, re.escape(separator)))
    fault = _told("width", count=count, width=width, separator=fields.SEPARATORS[separator])
    return F.when(F.col(_CORRUPT).isNotNull(), fault)


def _as_text(frame: DataFrame, name: str) -> Column:
    """A Parquet column as a text is written: 1 and not 1.0, seconds and not a date."""
    column, kind = F.col(f"`{name}`"), dict(frame.dtypes)[name]
    if kind in ("float", "double"):
        whole = column == F.floor(column)
        number = F.when(whole, F.format_string("%.0f", column)).otherwise(column.cast("string"))
        return F.when(~F.isnan(column), number)
    if kind.startswith("timestamp") or kind == "date":
        return F.unix_timestamp(column.cast("timestamp")).cast("string")
    return column.cast("string")


# The rules


class _Shape(NamedTuple):
    """How numbers and times are spelled; times are in `unit`s of a second."""

    decimal: str
    dates: bool
    unit: int


def _shape(table: _Table) -> _Shape:
    numbers = [row[name] for row in table.sample for name in ("rating", "value") if name in row]
    comma = table.separator != "," and any("," in text for text in numbers)
    times = [row["timestamp"] for row in table.sample if "timestamp" in row]
    date = re.compile(fields.DATE, re.ASCII)
    dates = 2 * sum(bool(date.fullmatch(text.strip())) for text in times) > len(times)
    unit = 1
    if times and not dates:
        stamp = _trimmed(F.col("timestamp")).cast("double")
        whole = F.col("timestamp").rlike(_whole(fields.WHOLE))
        bounds = table.frame.where(whole).agg(F.min(stamp), F.max(stamp)).first()
        if bounds and bounds[0] is not None and bounds[0] > fields.LATEST:
            while bounds[1] / unit > fields.LATEST and unit < 10**9:
                unit *= 1000
    return _Shape("," if comma else ".", dates, unit)


def _reasons(table: _Table, shape: _Shape) -> Column:
    """All that is wrong with a row, an array of texts: what `recsys.datasets.tables` says of it."""
    faults = [F.when(F.col("fault").isNotNull(), F.col("fault"))]
    whole = F.col("fault").isNull()
    for name in table.columns:
        column = F.col(name)
        if name in ("rating", "value"):
            fault = _amount_fault(column, shape.decimal, counts=name == "value")
        elif name == "timestamp":
            fault = _time_fault(column, shape)
        elif name == "event":
            continue
        else:
            fault = _id_fault(column)
        faults.append(F.when(whole, fault))
    return F.filter(F.array(*faults), lambda fault: fault.isNotNull())


def _amount_fault(text: Column, decimal: str, counts: bool) -> Column:
    number = _number(text, decimal)
    fault = F.when(
        ~_plain(text, decimal).rlike(_whole(fields.NUMBER)), _told("number", text, decimal=decimal)
    ).when(F.abs(number) > fields.LARGEST, _told("large", text))
    return fault.when(number < 0, _told("negative", text)) if counts else fault


def _time_fault(text: Column, shape: _Shape) -> Column:
    if shape.dates:
        seconds = _seconds(text)
        return (
            F.when(~_trimmed(text).rlike(_whole(fields.DATE)), _told("form", text))
            .when(seconds.isNull(), _told("date", text))
            .when(seconds < -86_400, _told("early", text))
        )
    stamp = _trimmed(text).cast("double")
    fault = F.when(~text.rlike(_whole(fields.WHOLE)), _told("time", text)).when(
        stamp < 0, _told("early", text)
    )
    if shape.unit > 1:
        return fault
    unit = F.when(stamp < fields.LATEST * 1000, "milliseconds").otherwise("finer than milliseconds")
    return fault.when(stamp > fields.LATEST, _told("unit", text, unit=unit))


def _id_fault(text: Column) -> Column:
    stripped = F.regexp_replace(text, _EDGES, "")
    size = F.length(stripped)
    return (
        F.when(size == 0, fields.FAULTS["empty"])
        .when(text.rlike(r"[\n\r]"), fields.FAULTS["line break"])
        .when(size > fields.LONGEST_ID, _told("long", count=F.format_number(size, 0)))
        .when(stripped.rlike(ACTING), fields.FAULTS["control"])
        .when(text.contains("\ufffd"), "is not in UTF-8; save the file as UTF-8")
    )


def _told(fault: str, text: Column | None = None, **values: Column | str | int) -> Column:
    """What is said of a faulty row or field."""
    known = {**values, **({} if text is None else {"text": _short(text)})}
    parts: list[Column] = []
    for words, name, _, _ in Formatter().parse(fields.FAULTS[fault]):
        parts.append(F.lit(words))
        if name is not None:
            value = known[name]
            parts.append(value if isinstance(value, Column) else F.lit(str(value)))
    return F.concat(*parts)


def _trimmed(text: Column) -> Column:
    """Without blanks and tabs at its ends."""
    return F.regexp_replace(text, r"^[ \t]+|[ \t]+$", "")


def _whole(pattern: str) -> str:
    """A pattern for the whole of a text."""
    return rf"\A(?:{pattern})\z"


def _plain(text: Column, decimal: str) -> Column:
    return text if decimal == "." else F.translate(text, ".,", "x.")


def _number(text: Column, decimal: str) -> Column:
    return _trimmed(_plain(text, decimal)).cast("double")


def _seconds(text: Column) -> Column:
    """Seconds since 1970 of a date and time; without a zone it is UTC's."""
    plain = F.regexp_replace(_trimmed(text), " ?UTC$", "Z")
    plain = F.regexp_replace(plain, r"(:\d\d(?:\.\d+)?) ([+-])", "$1$2")
    return F.unix_timestamp(plain.cast("timestamp"))


def _short(text: Column) -> Column:
    trimmed = F.regexp_replace(text, _EDGES, "")
    return F.when(
        F.length(trimmed) > fields.SHOWN,
        F.concat(F.substring(trimmed, 1, fields.SHOWN), F.lit("…")),
    ).otherwise(trimmed)
