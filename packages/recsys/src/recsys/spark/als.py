"""Implicit alternating least squares, by Spark's MLlib: fitted, judged, and lists for all users.

Source: Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

CUTOFFS = (5, 10, 25)
_CHECKPOINT = 5  # iterations
_BLOCK = 250_000  # rows that one task solves, at least
_MOST_BLOCKS = 200
_SEEN = 64  # items that most users have seen
_MORE = 8  # times as many in each further group of users


class Settings(NamedTuple):
    """MLlib's settings; the defaults were chosen within the training part of MovieLens 100k.

    Attributes:
        factors: the length of a vector.
        regularization: of a user's or item's vector, times the number of their rows.
        alpha: the confidence of a value v is 1 + alpha · v.
        iterations: of both halves.
        judged: users by whom the model is judged.
        seed: of the first factors.
    """

    factors: int = 32
    regularization: float = 0.2
    alpha: float = 1.0
    iterations: int = 15
    judged: int = 1000
    seed: int = 0


def fit(rows: DataFrame, settings: Settings) -> ALSModel:
    """Fit on `user`, `item` and `confidence`.

    The session needs a checkpoint folder: each iteration depends on the one before it, and without
    one a task of the fifteenth iteration may exceed Java's stack.
    """
    blocks = min(max(math.ceil(rows.count() / _BLOCK), 2), _MOST_BLOCKS)
    return ALS(
        rank=settings.factors,
        maxIter=settings.iterations,
        regParam=settings.regularization,
        alpha=settings.alpha,
        implicitPrefs=True,
        userCol="user",
        itemCol="item",
        ratingCol="confidence",
        seed=settings.seed,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        checkpointInterval=_CHECKPOINT,
    ).fit(rows)


def judge(
    model: ALSModel, train: DataFrame, held_out: DataFrame, settings: Settings
) -> dict[str, float]:
    """Metrics of lists without the training's items, as means over a sample of users.

    Args:
        model: fitted on `train`.
        train: `user` and `item`.
        held_out: the same, of which all rows are relevant; items that `train` does not have cannot
            be found, and count.
        settings: its `judged` and `seed`.

    Returns:
        `ndcg@k`, `recall@k`, `map@k` and `coverage@k` for each of CUTOFFS, as
        `recsys.metrics.ranking_metrics` defines them.
    """
    known = model.userFactors.select(F.col("id").alias("user"))
    users = (
        held_out.select("user")
        .distinct()
        .join(known, "user")
        .orderBy(F.xxhash64(F.col("user"), F.lit(settings.seed)), "user")
        .limit(settings.judged)
        .persist()
    )
    seen = train.join(F.broadcast(users), "user").select("user", "item").persist()
    lists = unseen(model, seen, max(CUTOFFS))
    relevant = held_out.join(F.broadcast(users), "user").select(
        "user", "item", F.lit(1).alias("hit")
    )
    totals = relevant.groupBy("user").agg(F.count("*").alias("relevant"))
    items = train.select("item").union(held_out.select("item")).distinct().count()
    found = lists.join(relevant, ["user", "item"], "left").fillna(0, ["hit"])
    order = Window.partitionBy("user").orderBy("place")
    found = found.withColumn("hits", F.sum("hit").over(order)).persist()
    each = found.groupBy("user").agg(*(sum_ for k in CUTOFFS for sum_ in _sums(k)))
    means = totals.join(each, "user", "left").fillna(0)
    row = means.agg(*(mean for k in CUTOFFS for mean in _means(k))).first()
    shown = found.agg(
        *(
            F.countDistinct(F.when(F.col("place") <= k, F.col("item"))).alias(f"coverage@{k}")
            for k in CUTOFFS
        )
    ).first()
    assert row and shown
    for frame in (users, seen, found):
        frame.unpersist()
    covered = {name: count / items for name, count in shown.asDict().items()}
    return {**row.asDict(), **covered}


def unseen(model: ALSModel, seen: DataFrame, count: int) -> DataFrame:
    """The best items of users without those that they have seen.

    MLlib's lists have the seen items, so a list has to be longer by their number before they are
    left out. Users are grouped by that number, so that the few who have seen most of the catalogue
    do not lengthen the lists of all.

    Args:
        model: of these users and items.
        seen: `user` and `item`, each pair once; its users are those that get lists.
        count: the length of a list.

    Returns:
        `user`, `place` from 1, `item` and `score`.
    """
    lengths = seen.groupBy("user").count().persist()
    longest = lengths.agg(F.max("count")).first()
    assert longest
    most = int(longest[0] or 0)
    lists = None
    least, bound = 0, min(_SEEN, most)
    while least < most:
        some = lengths.where((F.col("count") > least) & (F.col("count") <= bound)).select("user")
        found = model.recommendForUserSubset(some, count + bound)
        lists = lists.union(found) if lists else found
        least, bound = bound, min(bound * _MORE, most)
    assert lists, "no user has seen anything"
    rows = lists.select("user", F.posexplode("recommendations").alias("place", "found"))
    order = Window.partitionBy("user").orderBy("place")
    return (
        rows.select("user", "place", "found.item", F.col("found.rating").alias("score"))
        .join(seen, ["user", "item"], "left_anti")
        .withColumn("place", F.row_number().over(order))
        .where(F.col("place") <= count)
        .select("user", "place", "item", "score")
    )


def _sums(k: int) -> Iterator[Column]:
    """What the metrics of a user's first k items are made from."""
    within = F.when(F.col("place") <= k, F.col("hit")).otherwise(0)
    yield F.sum(within / F.log2(F.col("place") + 1)).alias(f"dcg@{k}")
    yield F.sum(within).alias(f"hits@{k}")
    yield F.sum(within * F.col("hits") / F.col("place")).alias(f"precisions@{k}")


def _means(k: int) -> Iterator[Column]:
    """The metrics at k, as means over users with `relevant` items."""
    best = F.aggregate(
        F.sequence(F.lit(1), F.least(F.col("relevant"), F.lit(k)).cast("int")),
        F.lit(0.0),
        lambda total, place: total + 1 / F.log2(place + F.lit(1)),
    )
    yield F.avg(F.col(f"`dcg@{k}`") / best).alias(f"ndcg@{k}")
    yield F.avg(F.col(f"`hits@{k}`") / F.col("relevant")).alias(f"recall@{k}")
    yield F.avg(F.col(f"`precisions@{k}`") / F.col("relevant")).alias(f"map@{k}")
