"""The job: reads a source, writes what the engines read, factors of the items, and lists.

Everything is written under one prefix, and counts once `manifest.json` is there, which comes last.
A job that finds it does nothing; one that finds other files deletes them and begins again.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections.abc import Sequence

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from recsys import fields
from recsys.spark import als, preparing, reading
from recsys.spark.storage import Storage

VERSION = 1
"""Of the manifest."""

_LIST, _LISTS = "array<string>", "map<string,array<string>>"
_PARTITION = 32 << 20  # bytes of the source


class JobError(Exception):
    """The job failed; the message is the first cause."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the job.

    Raises:
        SourceError: the source cannot be used; the message says why.
        JobError: something else went wrong.
    """
    options = parse(arguments)
    spark = (
        SparkSession.builder.appName("recommender")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.files.ignoreCorruptFiles", "false")
        .getOrCreate()
    )
    try:
        run(spark, options)
    except (Py4JJavaError, PySparkException) as error:
        raise JobError(_cause(error)) from None
    finally:
        spark.stop()


def _cause(error: Exception) -> str:
    """What went wrong first, in one line: Java's exceptions wrap one another."""
    if isinstance(error, Py4JJavaError):
        cause = error.java_exception
        while cause.getCause() is not None:
            cause = cause.getCause()
        return str(cause.toString()).split("\n", 1)[0]
    caused = re.findall(r"^Caused by: (.*)$", str(error), re.MULTILINE)
    return caused[-1] if caused else str(error).split("\n", 1)[0]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The job's arguments."""
    parser = argparse.ArgumentParser(prog="python -m recsys.spark", description=__doc__)
    parser.add_argument("--source", required=True, help="prefix of the ratings' or events' files")
    parser.add_argument("--out", required=True, help="prefix of what is written")
    parser.add_argument("--columns", type=_columns, default={}, help="user=…,item=…")
    parser.add_argument("--most-bad", type=float, default=0.01, help="share of bad rows")
    parser.add_argument("--lists", type=int, default=0, help="length of each user's list, or 0")
    parser.add_argument("--table", action="store_true", help="write them for DynamoDB, too")
    parser.add_argument("--seed", type=int, default=0)
    defaults = als.Settings()
    parser.add_argument("--factors", type=int, default=defaults.factors)
    parser.add_argument("--iterations", type=int, default=defaults.iterations)
    return parser.parse_args(arguments)


def _columns(text: str) -> dict[str, str]:
    mapped = dict(pair.partition("=")[::2] for pair in text.split(",") if pair)
    if not all(mapped.values()) or not set(mapped) <= set(fields.FIELDS):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form user=…,item=…")
    return mapped


def run(spark: SparkSession, options: argparse.Namespace) -> None:
    """Run the job.

    Raises:
        SourceError: the source cannot be used; the message says why.
    """
    began = time.monotonic()
    tell = _Progress()
    out = Storage(spark, options.out)
    if (written := out.read("manifest.json")) is not None:
        print(f"{options.out} is complete:\n{written}")
        return
    out.clear()
    # no empty files _SUCCESS: DynamoDB imports all objects of a prefix, and these are no gzip
    spark.conf.set("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
    tables = reading.divide(Storage(spark, options.source).files(), options.source)
    partitions = _partitions(sum(file.size for file in tables.rows))
    spark.conf.set("spark.sql.shuffle.partitions", partitions)
    tell(f"reading {len(tables.rows):,} files, to sort in {partitions} partitions at first")
    rows = reading.read(spark, tables.rows, options.columns)
    if rows.faulty:
        rows.bad.write.parquet(out.at("quarantine"))
    if rows.total == rows.faulty or rows.faulty > options.most_bad * rows.total:
        raise reading.SourceError(_too_bad(rows, options))
    tell(f"{rows.total:,} rows, {rows.faulty:,} of them bad; numbering ids and splitting")
    known = _known(spark, [file.path for file in tables.items])
    facts = preparing.facts(spark, rows.good, known, rows.events, options.seed)
    # Written and read again, so that what follows neither repeats nor plans what came before
    facts.rows.write.parquet(out.at("ratings"))
    facts.items.write.parquet(out.at("ids/items"))
    facts.users.write.parquet(out.at("ids/users"))
    facts = facts._replace(
        rows=spark.read.parquet(out.at("ratings")), items=spark.read.parquet(out.at("ids/items"))
    )
    counts = facts.rows.agg(
        F.count("*").alias("rows"),
        F.count(F.when(F.col("held_out"), 1)).alias("held_out"),
        F.countDistinct("user").alias("users"),
        F.countDistinct("item").alias("items"),
        F.max("timestamp").alias("newest"),
        F.min("value").alias("least"),
        F.max("value").alias("most"),
    ).first()
    assert counts
    if not counts["held_out"]:
        raise reading.SourceError(
            f"{options.source}: {counts['rows']} ratings are too few to hold some out; a user "
            "needs two at least"
        )
    tell(f"writing {counts['rows']:,} ratings")
    _write_rows(facts, out)
    settings = als.Settings(
        factors=options.factors, iterations=options.iterations, seed=options.seed
    )
    confident = facts.rows.withColumn("confidence", _confidence(float(counts["most"])))
    train = confident.where(~F.col("held_out"))
    held_out = facts.rows.where("held_out")
    checkpoints = Storage(spark, out.at("_checkpoints"))
    spark.sparkContext.setCheckpointDir(checkpoints.uri)
    tell("fitting the model that is judged")
    judged = als.fit(train, settings)
    tell("judging it")
    metrics = als.judge(judged, train, held_out, settings)
    tell("fitting the model")
    model = als.fit(confident, settings)
    tell("writing items and their vectors")
    _write_items(facts, known, model.itemFactors, counts["newest"], out)
    if options.lists:
        tell(f"writing the best {options.lists} items of {counts['users']:,} users")
        users = spark.read.parquet(out.at("ids/users"))
        lists = als.unseen(model, facts.rows.select("user", "item"), options.lists)
        _write_lists(lists, users, facts.items, out)
        if options.table:
            _write_table(spark.read.parquet(out.at("lists")), out)
    manifest = {
        "version": VERSION,
        "source": options.source,
        "files": len(tables.rows),
        "read": rows.total,
        "bad": rows.faulty,
        "ratings": counts["rows"],
        "train": counts["rows"] - counts["held_out"],
        "validation": counts["held_out"],
        "users": counts["users"],
        "items": counts["items"],
        "events": rows.events,
        "ids": facts.numbered,
        "largest": float(counts["most"]),
        "scale": {"least": float(counts["least"]), "most": float(counts["most"])},
        "notes": rows.notes,
        "als": settings._asdict(),
        "metrics": metrics,
        "seconds": round(time.monotonic() - began, 1),
    }
    checkpoints.clear()
    text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
    out.write("manifest.json", text)
    print(text)


class _Progress:
    """Says on stdout, which is the driver's log, what begins and when."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, words: str) -> None:
        print(f"{time.monotonic() - self._began:8.1f} s: {words}", flush=True)


def _partitions(size: int) -> int:
    """In how many partitions rows are sorted and grouped, by the source's bytes.

    Spark's own number, 200, takes a minute for small data, and too much memory for large.
    """
    return min(max(math.ceil(size / _PARTITION), 4), 10_000)


def _too_bad(rows: reading.Rows, options: argparse.Namespace) -> str:
    share = rows.faulty / max(rows.total, 1)
    first = "\n".join(f"  {reason}" for reason in rows.reasons)
    return (
        f"{options.source}: {rows.faulty:,} of {rows.total:,} rows ({share:.1%}) are bad, more "
        f"than {options.most_bad:.1%}; all are in {options.out.rstrip('/')}/quarantine. "
        f"The first:\n{first}"
    )


def _confidence(largest: float) -> Column:
    """How interested a user is, by the value: as `recsys.lists.model.ListModel.interest` has it."""
    if largest <= 0:
        return F.lit(1.0)
    return F.greatest(F.col("value") / largest, F.lit(fields.LEAST_INTEREST))


# Items


def _known(spark: SparkSession, paths: Sequence[str]) -> DataFrame | None:
    """`id`, `title`, `genres`, `year` and `attributes` of the table of items, if there is one."""
    if not paths:
        return None
    if len(paths) > 1:
        raise reading.SourceError(f"{', '.join(paths)}: give one table of items")
    (path,) = paths
    kind = fields.form(path)
    if kind == "csv":
        separator, _, _ = reading.header(spark, path, {})
        table = spark.read.csv(path, sep=separator, header=True, escape='"', multiLine=True)
    elif kind == "json":
        table = spark.read.json(path, primitivesAsString=True)
    else:
        table = spark.read.parquet(path)
    found = {
        name: table.columns[places[0]]
        for name in ("item", "title", "genres", "year")
        if (places := fields.places(table.columns, name, {}))
    }
    if "item" not in found:
        names = ", ".join(table.columns)
        raise reading.SourceError(f"{path}: the header ({names}) has no column for the item's id")
    label = F.trim(_text(table, found["item"]))
    title = F.trim(_text(table, found["title"])) if "title" in found else label
    year = F.regexp_extract(title, fields.TITLES_YEAR, 1).cast("int")
    if "year" in found:
        told = F.regexp_extract(_text(table, found["year"]), fields.YEAR, 1)
        year = F.coalesce(told.cast("int"), year)
    others = _short(table, [name for name in table.columns if name not in found.values()])
    attributes = F.create_map(
        *(part for name in others for part in (F.lit(name), _values(table, name)))
    )
    if others:
        attributes = F.map_filter(attributes, lambda _, values: F.size(values) > 0)
    return table.select(
        label.alias("id"),
        title.alias("title"),
        _genres(table, found.get("genres")).alias("genres"),
        year.alias("year"),
        attributes.alias("attributes"),
    ).dropDuplicates(["id"])


def _short(table: DataFrame, names: Sequence[str]) -> list[str]:
    """The columns whose texts are short enough to be attributes, by which items are filtered."""
    if not names:
        return []
    lengths = table.agg(*(F.max(F.length(_text(table, name))).alias(name) for name in names))
    longest = lengths.first()
    assert longest
    return [name for name in names if 0 < (longest[name] or 0) <= fields.LONGEST_VALUE]


def _values(table: DataFrame, name: str) -> Column:
    """A column's texts: a list has several, and an empty cell none."""
    is_list = dict(table.dtypes)[name].startswith("array")
    values = table[f"`{name}`"].cast(_LIST) if is_list else F.array(_text(table, name))
    return F.filter(values, lambda value: value.isNotNull() & (value != ""))


def _text(table: DataFrame, name: str) -> Column:
    return table[f"`{name}`"].cast("string")


def _genres(table: DataFrame, name: str | None) -> Column:
    if name is None:
        return F.array().cast(_LIST)
    if dict(table.dtypes)[name].startswith("array"):
        names = F.coalesce(table[f"`{name}`"], F.array()).cast(_LIST)
    else:
        names = F.split(F.coalesce(_text(table, name), F.lit("")), r"\|")
    names = F.transform(names, F.trim)
    return F.filter(names, lambda genre: ~F.lower(genre).isin(*fields.NO_GENRES))


# What is written


def _write_rows(facts: preparing.Facts, out: Storage) -> None:
    rows = facts.rows
    value = F.regexp_replace(F.col("value").cast("string"), r"\.0$", "")
    line = F.concat_ws("\t", "user", "item", value, "timestamp")
    for name, chosen in (("train", ~F.col("held_out")), ("validation", F.col("held_out"))):
        rows.where(chosen).select(line).write.text(out.at(name))
    stamp = F.lpad(F.greatest("timestamp", F.lit(0)).cast("string"), fields.TIME_DIGITS, "0")
    event = F.struct(
        F.struct(
            _typed("S", F.col("user_id")).alias("user"),
            _typed("S", F.concat(stamp, F.lit("#"), F.col("item_id"))).alias("event"),
            _typed("S", F.col("item_id")).alias("item"),
            _typed("N", value).alias("value"),
        ).alias("Item")
    )
    rows.select(F.to_json(event)).write.text(out.at("histories"), compression="gzip")


def _typed(kind: str, value: Column) -> Column:
    """An attribute's value in DynamoDB's JSON."""
    return F.struct(value.alias(kind))


def _write_items(
    facts: preparing.Facts,
    known: DataFrame | None,
    factors: DataFrame,
    newest: int,
    out: Storage,
) -> None:
    """Items as JSON Lines packed by gzip: what is known of each, `users`, `trend` and `vector`."""
    age = (F.lit(newest) - F.col("timestamp")) / fields.TREND
    taken = facts.rows.groupBy("item").agg(
        F.count("*").alias("users"), F.sum(F.pow(F.lit(0.5), age)).alias("trend")
    )
    items = facts.items.withColumnRenamed("number", "item")
    if known is not None:
        items = items.join(known, "id", "left")
    else:
        kinds = {"title": "string", "year": "int", "genres": _LIST, "attributes": _LISTS}
        nothing = (F.lit(None).cast(kind).alias(name) for name, kind in kinds.items())
        items = items.select("id", "item", *nothing)
    items = items.withColumn("genres", F.coalesce("genres", F.array().cast(_LIST)))
    items = items.withColumn("attributes", F.coalesce("attributes", F.create_map().cast(_LISTS)))
    items = items.join(taken, "item", "left").fillna(0, ["users", "trend"])
    vectors = factors.withColumnsRenamed({"id": "item", "features": "vector"})
    items = items.join(vectors, "item", "left")
    whole = F.to_json(F.struct(*items.columns), {"ignoreNullFields": "false"})
    items.select(whole).write.text(out.at("items"), compression="gzip")


def _write_lists(lists: DataFrame, users: DataFrame, items: DataFrame, out: Storage) -> None:
    """Rows of `user`, `place`, `item` and `score`, of which users and items have their own ids."""
    for name, ids in (("user", users), ("item", items)):
        ids = ids.select(F.col("number").alias(name), F.col("id").alias(f"{name}_id"))
        lists = lists.join(ids, name)
    rows = lists.select(
        F.col("user_id").alias("user"), "place", F.col("item_id").alias("item"), "score"
    )
    rows.write.parquet(out.at("lists"))


def _write_table(lists: DataFrame, out: Storage) -> None:
    """What DynamoDB imports: `user` and `items`, its list, each with `item` and `score`."""
    # as many digits as the function `Lists` tells
    score = _typed("N", F.format_string("%.4f", F.col("score")))
    entry = F.struct(
        F.struct(_typed("S", F.col("item")).alias("item"), score.alias("score")).alias("M")
    )
    placed = F.sort_array(F.collect_list(F.struct("place", entry.alias("entry"))))
    users = lists.groupBy("user").agg(placed.alias("placed"))
    item = F.struct(
        F.struct(
            _typed("S", F.col("user")).alias("user"),
            _typed("L", F.col("placed.entry")).alias("items"),
        ).alias("Item")
    )
    users.select(F.to_json(item)).write.text(out.at("table"), compression="gzip")
