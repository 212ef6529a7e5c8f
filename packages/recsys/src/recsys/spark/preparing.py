"""Newest ratings, numbers for ids, and a split: what `recsys.datasets` does, for any size."""

from __future__ import annotations

from typing import NamedTuple

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812

from recsys import fields, hashing

_PLAIN = r"\A(0|[1-9][0-9]*)\z"  # a whole number in its usual spelling
_ROW_BITS = 33  # of monotonically_increasing_id


class Facts(NamedTuple):
    """One row for each user and item.

    Attributes:
        rows: `user` and `item` (the engines' integers), `user_id` and `item_id` (the data's own),
            `value`, `timestamp`, and `held_out`.
        users, items: `id` and `number`.
        numbered: whether ids had to be numbered.
    """

    rows: DataFrame
    users: DataFrame
    items: DataFrame
    numbered: bool


def facts(
    spark: SparkSession, good: DataFrame, known: DataFrame | None, events: bool, seed: int
) -> Facts:
    """Reduce rows to one for each pair, number the ids, and hold some rows out.

    Args:
        spark: the session.
        good: `user`, `item`, `value`, `timestamp` and `place`.
        known: `id` of items that are known besides.
        events: whether values are no ratings: then the sum of a pair's counts, else the newest.
        seed: of what is held out.
    """
    pairs = good.groupBy("user", "item")
    if events:
        whole = pairs.agg(
            F.sum(F.col("value").cast("double")).cast("float").alias("value"),
            F.max("timestamp").alias("timestamp"),
        )
    else:
        newest = F.max_by(F.struct("value", "timestamp"), F.struct("timestamp", "place"))
        whole = pairs.agg(newest.alias("newest")).select("user", "item", "newest.*")
    whole = whole.withColumnsRenamed({"user": "user_id", "item": "item_id"}).persist(
        StorageLevel.DISK_ONLY
    )
    items = whole.select(F.col("item_id").alias("id"))
    users, users_numbered = _numbered(spark, whole.select(F.col("user_id").alias("id")))
    items, items_numbered = _numbered(spark, items.union(known.select("id")) if known else items)
    if not users_numbered:
        whole = whole.withColumn("user", F.col("user_id").cast("int"))
    else:
        whole = whole.join(users.withColumnsRenamed({"id": "user_id", "number": "user"}), "user_id")
    if not items_numbered:
        whole = whole.withColumn("item", F.col("item_id").cast("int"))
    else:
        whole = whole.join(items.withColumnsRenamed({"id": "item_id", "number": "item"}), "item_id")
    rows = _held_out(whole, seed).select(
        "user", "item", "user_id", "item_id", "value", "timestamp", "held_out"
    )
    return Facts(rows, users, items, users_numbered or items_numbered)


def scattered(user: Column, item: Column, seed: int) -> Column:
    """`recsys.datasets.splits.scattered`, in Java's 64-bit numbers, which wrap around."""
    z = F.shiftleft(user.cast("long"), 32).bitwiseOR(item.cast("long"))
    z = z + F.lit(_signed(hashing.start(seed)))
    for shift, factor in hashing.MIXING:
        z = z.bitwiseXOR(F.shiftrightunsigned(z, shift)) * F.lit(_signed(factor))
    return F.shiftrightunsigned(z.bitwiseXOR(F.shiftrightunsigned(z, hashing.LAST)), 1)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _held_out(rows: DataFrame, seed: int, most: int = fields.HELD_OUT) -> DataFrame:
    """Mark `most` rows of each user, but at most a fifth of them, or one of two to nine."""
    user = Window.partitionBy("user")
    rank = F.row_number().over(user.orderBy(scattered(F.col("user"), F.col("item"), seed), "item"))
    count = F.count("*").over(user)
    least = F.least(F.floor(count / 2), F.lit(1))
    allowed = F.least(F.greatest(F.floor(count / 5), least), F.lit(most))
    return rows.withColumn("held_out", rank <= allowed)


def _numbered(spark: SparkSession, labels: DataFrame) -> tuple[DataFrame, bool]:
    """`id` and `number` of distinct labels, and whether they had to be numbered from 1.

    Whole numbers below `fields.MAX_ID` stay as they are; others are numbered in the order of their
    value, and texts in that of their characters.
    """
    distinct = labels.distinct().persist(StorageLevel.DISK_ONLY)
    plain = F.col("id").rlike(_PLAIN)
    small = plain & (F.length("id") <= 7) & (F.col("id").cast("int") < fields.MAX_ID)
    kinds = distinct.agg(F.every(plain), F.every(small)).first()
    assert kinds
    if kinds[1]:
        return distinct.withColumn("number", F.col("id").cast("int")), False
    order = [F.length("id"), F.col("id")] if kinds[0] else [F.col("id")]
    row = F.monotonically_increasing_id()
    ordered = distinct.orderBy(*order).withColumn("row", row).persist(StorageLevel.DISK_ONLY)
    part = F.shiftright("row", _ROW_BITS)
    counts = sorted(ordered.groupBy(part.alias("part")).count().collect())
    starts, total = [], 1
    for one in counts:
        starts.append((one["part"], total))
        total += one["count"]
    known = F.broadcast(spark.createDataFrame(starts, "part long, start long"))
    within = F.col("row").bitwiseAND((1 << _ROW_BITS) - 1)
    numbers = ordered.withColumn("part", part).join(known, "part")
    return numbers.select("id", (within + F.col("start")).cast("int").alias("number")), True
