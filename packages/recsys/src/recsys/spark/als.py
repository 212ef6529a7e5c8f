"""Implicit alternating least squares, by Spark's MLlib, judged by the project's metrics.

Source: Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

CUTOFFS = (5, 10, 25)
_CHECKPOINT = 5  # iterations
_BLOCK = 250_000  # rows that one task solves, at least
_MOST_BLOCKS = 200


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
    most = seen.groupBy("user").count().agg(F.max("count")).first()
    assert most
    count = max(CUTOFFS) + int(most[0] or 0)
    lists = model.recommendForUserSubset(users, count).select(
        "user", F.posexplode("recommendations").alias("place", "found")
    )
    lists = lists.select("user", "place", F.col("found.item").alias("item"))
    order = Window.partitionBy("user").orderBy("place")
    lists = (
        lists.join(seen, ["user", "item"], "left_anti")
        .withColumn("place", F.row_number().over(order))
        .where(F.col("place") <= max(CUTOFFS))
    )
    relevant = held_out.join(F.broadcast(users), "user").select(
        "user", "item", F.lit(1).alias("hit")
    )
    totals = relevant.groupBy("user").agg(F.count("*").alias("relevant"))
    items = train.select("item").union(held_out.select("item")).distinct().count()
    hits = lists.join(relevant, ["user", "item"], "left").fillna(0, ["hit"])
    hits = hits.withColumn("found", F.sum("hit").over(order)).persist()
    metrics: dict[str, float] = {}
    for k in CUTOFFS:
        best = F.aggregate(
            F.sequence(F.lit(1), F.least(F.col("relevant"), F.lit(k)).cast("int")),
            F.lit(0.0),
            lambda total, place: total + 1 / F.log2(place + F.lit(1)),
        )
        top = hits.where(F.col("place") <= k)
        gain = F.col("hit") / F.log2(F.col("place") + 1)
        each = top.groupBy("user").agg(
            F.sum(gain).alias("dcg"),
            F.sum("hit").alias("hits"),
            F.sum(F.col("hit") * F.col("found") / F.col("place")).alias("precisions"),
        )
        means = (
            totals.join(each, "user", "left")
            .fillna(0)
            .agg(
                F.avg(F.col("dcg") / best).alias("ndcg"),
                F.avg(F.col("hits") / F.col("relevant")).alias("recall"),
                F.avg(F.col("precisions") / F.col("relevant")).alias("map"),
            )
            .first()
        )
        assert means
        for name, mean in means.asDict().items():
            metrics[f"{name}@{k}"] = float(mean)
        metrics[f"coverage@{k}"] = top.select("item").distinct().count() / items
    for frame in (users, seen, hits):
        frame.unpersist()
    return metrics
