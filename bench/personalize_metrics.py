"""The section `personalize`: the local recipes by Amazon Personalize's own metrics.

The separate page docs/personalize-metrics.md compares them with what AWS's workshop published.
"""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.results import Row, Rows, clock
from recsys.datasets.ratings import DataSet
from recsys.datasets.readers import load
from recsys.recipes import Config, Dataset
from recsys.recipes.dataset import Column
from recsys.recipes.evaluation import held_out, judge, without
from recsys.recipes.recipe import Tunable
from recsys.recipes.registry import RECIPES

FOLDS = 10
_STUDENT = 2.262  # 97.5 % point of Student's t with 9 degrees of freedom
_CREATED = 1640995200  # 2022-01-01: the workshop's CREATION_TIMESTAMP of every item
FIGURES = {
    "MRR@25": "mrr@25",
    **{f"NDCG@{k}": f"personalize_ndcg@{k}" for k in (5, 10, 25)},
    **{f"P@{k}": f"precision@{k}" for k in (5, 10, 25)},
    "coverage": "coverage@25",
    "textbook NDCG@10": "ndcg@10",
}


class Entry(NamedTuple):
    """A row of the table: a recipe, its configuration, and other recipes with the same model."""

    recipe: str
    same: tuple[str, ...] = ()
    hpo: bool = False
    exclude: tuple[str, ...] = ()


ENTRIES = (
    Entry(
        "aws-vod-top-picks",
        ("aws-personalized-ranking-v2", "aws-personalized-ranking", "aws-user-personalization-v2"),
        exclude=("Watch",),
    ),
    Entry("aws-vod-top-picks", hpo=True, exclude=("Watch",)),
    Entry(
        "aws-vod-more-like-x",
        ("aws-vod-because-you-watched-x", "aws-similar-items"),
        exclude=("Watch",),
    ),
    Entry("aws-sims"),
    Entry("aws-popularity-count", ("aws-vod-most-popular",)),
)
PUBLISHED = {
    "Top picks for you (Media_03, 2024)": (
        *(0.2284, 0.2420, 0.2680, 0.3460, 0.0868, 0.0566, 0.0415, 0.0768),
    ),
    "Personalized-Ranking (October 2022)": (
        *(0.2777, 0.2446, 0.3065, 0.3723, 0.0643, 0.0589, 0.0364, 0.0782),
    ),
    "Personalized-Ranking (Media_03, 2024)": (
        *(0.2777, 0.2214, 0.3103, 0.3448, 0.0604, 0.0585, 0.0325, 0.0836),
    ),
    "More like X (Media_03, 2024)": (
        *(0.0895, 0.0728, 0.0828, 0.1103, 0.0237, 0.0169, 0.0129, 0.0717),
    ),
}
"""From aws-samples/amazon-personalize-immersion-day, in the order of FIGURES without the last."""


def workshop_data(source: DataSet) -> Dataset:
    """Convert ratings to interactions as the media workshop does.

    A rating above 3 is a Watch and a Click, one above 1 a Click; both have the rating's time. The
    items' metadata are their genres, year and creation time; items with no year have none.
    """
    ratings, movies = source.ratings, source.movies
    watch, click = np.flatnonzero(ratings.rating > 3), np.flatnonzero(ratings.rating > 1)
    row = np.concatenate([watch, click])
    event = np.repeat([0, 1], [len(watch), len(click)])
    with_year = movies.item[movies.year > 0]
    users = np.unique(ratings.user[row])
    items = np.union1d(ratings.item[row], with_year)
    user = np.searchsorted(users, ratings.user[row])
    item = np.searchsorted(items, ratings.item[row])
    order = np.lexsort((ratings.timestamp[row], user))
    genres = [
        movies.genres[movies.row[code]]
        if code in movies.row and movies.year[movies.row[code]]
        else ()
        for code in items.tolist()
    ]
    names = sorted({name for each in genres for name in each})
    columns = {
        "GENRES": Column(
            "category",
            values=names,
            indptr=np.cumsum([0, *map(len, genres)]).astype(np.int32),
            indices=np.array([names.index(n) for each in genres for n in each], np.int32),
        ),
        "CREATION_TIMESTAMP": Column("number", numbers=np.full(len(items), float(_CREATED))),
    }
    return Dataset(
        users=[str(code) for code in users],
        items=[str(code) for code in items],
        event_types=["Watch", "Click"],
        user=user[order].astype(np.int32),
        item=item[order].astype(np.int32),
        timestamp=ratings.timestamp[row][order],
        event_type=event[order].astype(np.int16),
        event_value=np.full(len(row), np.nan, np.float32),
        indptr=np.concatenate([[0], np.cumsum(np.bincount(user, minlength=len(users)))]),
        item_columns=columns,
    )


def fold(data: Dataset, number: int) -> list[dict[str, float]]:
    """Metrics of every entry on one tenth of the users, trained (and tuned) on the others."""
    users = held_out(data, FOLDS, seed=0)[number]
    train = without(data, users)
    found = []
    for entry in ENTRIES:
        recipe = RECIPES[entry.recipe]
        config = Config(entry.recipe, exclude_event_types=entry.exclude, hpo={})
        if entry.hpo:
            assert isinstance(recipe, Tunable)
            config = recipe.tune(train, config)
        model = recipe.fit(train, config)
        judged = judge(model, data, users, config, recipe.related)
        found.append({**judged.metrics(), "users": float(len(judged.hidden))})
    return found


def run(data_folder: Path, rows: Rows) -> None:
    """Add a row for each entry: mean and half-width of the 95 % interval of every figure.

    Args:
        data_folder: ratings in any form that `recsys prepare` reads; AWS's are ml-latest-small.
        rows: the rows to fill; if not empty, nothing is measured.
    """
    if rows.rows:
        return
    if not data_folder.is_dir():
        print(f"personalize: skipped: there is no {data_folder}", file=sys.stderr)
        return
    data = workshop_data(load(data_folder))
    with clock() as timed, ProcessPoolExecutor(2) as pool:
        folds = list(pool.map(partial(fold, data), range(FOLDS)))
    for position, entry in enumerate(ENTRIES):
        rows.add(
            engine=entry.recipe + (", HPO" if entry.hpo else ""),
            **{"same model": list(entry.same), "events": len(data.user)},
            **spread([each[position] for each in folds]),
            **timed.row(),
        )


def spread(folds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The number of users, and the mean and the half-width of the 95 % interval of every figure."""
    found: dict[str, Any] = {"users": int(sum(each["users"] for each in folds))}
    for name, key in FIGURES.items():
        values = np.array([each[key] for each in folds])
        width = _STUDENT * values.std(ddof=1) / np.sqrt(len(folds))
        found[name] = [round(float(values.mean()), 4), round(float(width), 4)]
    return found


def page(rows: list[Row]) -> str:
    """The page for the docs."""
    head = ["model", *FIGURES]
    table = ["| " + " | ".join(head) + " |", "|---" + "|--:" * len(FIGURES) + "|"]
    for row in rows:
        cells = [f"{row[name][0]:.4f} ± {row[name][1]:.4f}" for name in FIGURES]
        names = "<br>".join(f"`{each}`" for each in (row["engine"], *row["same model"]))
        table.append(f"| {names} | " + " | ".join(cells) + " |")
    for name, figures in PUBLISHED.items():
        cells = [f"{figure:.4f}" for figure in figures] + ["–"]
        table.append(f"| AWS: {name} | " + " | ".join(cells) + " |")
    return _PAGE.format(
        events=rows[0]["events"],
        users=rows[0]["users"],
        folds=FOLDS,
        table="\n".join(table),
        day=rows[0]["day"],
    )


_PAGE = """<!-- Written by `python -m bench personalize`; changes here are lost. -->
# The local recipes by Amazon Personalize's metrics

Mean over {folds} folds of users ± half of the 95 % interval (Student's t over the folds), on
MovieLens latest-small as the media workshop prepares it: Watch = rating > 3, Click = rating > 1,
{events:,} events, {users} evaluated users. The last rows are the results that AWS's workshop
(aws-samples/amazon-personalize-immersion-day) publishes for the same ratings. Measured by
`python -m bench personalize` on {day}.

{table}

Recipes in one row share one model. `aws-user-personalization`, not shown, uses the model of
`aws-vod-top-picks` with exploration of new items.

AWS's figures come from one sample of about 61 users, the size of one fold here; the standard error
of such an MRR is about 0.045, so its 95 % interval is about ± 0.09. Where a published figure lies
within our interval plus its own, neither model is shown to be better.

## How it is measured
As the developer guide documents: a model is trained on 90 % of the users; for each other user, the
oldest 90 % of the events are the input and the newest 10 % are the targets. NDCG is normalised by
the best order of the hits in the list, as the guide defines it; the last column has the usual NDCG,
normalised by the best possible list. Coverage is the share of all items in Interactions and Items
that are recommended to any evaluated user of a fold.

The recipes' settings were chosen on other data, MovieLens 100k with the same protocol. Among
equally good settings, the one with the wider coverage was chosen, after coverage had been seen once
on this data. It was known beforehand that models of this kind do well on latest-small. In the row
"HPO", each fold chose its own half-life and weight of the next item on a fifth of its training
users (nested: never on the users that it is evaluated on).

## What differs from AWS's
- AWS evaluates one sample of a tenth of the users; here every user is evaluated once.
- AWS does not document what happens to a Click whose Watch is a target. Here it is removed from the
  input, so that it does not reveal the target. AWS also does not document whether a user's previous
  items are excluded from the lists; here they are, in every row (no user rates a movie twice).
- AWS does not document which item More like X is queried with; here it is the last one of the
  input. This may be an easier task than AWS's, so twice AWS's figure does not prove a better model.
- The order of ratings in one session is partly that of MovieLens's own pages. The sequence of items
  is therefore more predictive here than it would be for people who watch movies.
- The workshop of 2024 keeps movies that IMDb lists (157,395 events; its licence forbids copying).
- The models are not AWS's networks, but the closed-form models of `recsys.recipes`.
"""
