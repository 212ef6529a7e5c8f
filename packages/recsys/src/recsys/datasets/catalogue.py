"""catalogue.json: what is known of each item, for whatever shows, ranks or filters items."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recsys.datasets import layout
from recsys.datasets.ratings import DataSet, MovieTable, Ratings


def write(path: Path, data: DataSet, train: Ratings) -> None:
    """Write `{"version": 1, "scale": {…}, "nouns": {…}, "items": […]}` in UTF-8, an item a line.

    `scale` is that of the ratings: `least`, `most`, `step` and `liked`; `nouns` are the words for
    items, users and events. Items are ordered by the engines' integers; of each there are
    `item`, the engines' integer; `id`, the data's own; `title` as in the data; `year`, null where
    it is not known; `genres`; `attributes`, what else the data tell: lists of texts by name; and
    `ratings`, how many of `train` it has.

    Args:
        path: the file.
        data: whose items these are; every rated item is in its table.
        train: the ratings that the engines learn from.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        scale = json.dumps(data.scale.as_json())
        nouns = json.dumps(data.nouns.as_json(), ensure_ascii=False)
        head = f'{{"version": {layout.VERSION}, "scale": {scale}, "nouns": {nouns}, "items": [\n'
        file.write(head)
        for number, entry in enumerate(_entries(data, train)):
            file.write(",\n" if number else "")
            file.write(json.dumps(entry, ensure_ascii=False))
        file.write("\n]}\n")


def genres(movies: MovieTable) -> list[str]:
    """The genres that there are, sorted."""
    return sorted({genre for row in movies.genres for genre in named(row)})


def named(names: Iterable[str]) -> list[str]:
    """The genres that say something, each on one line; Amazon Personalize separates them by `|`."""
    plain = (" ".join(name.replace("|", "/").split()) for name in names)
    return [name for name in plain if name.lower() not in ("", "unknown")]


def _entries(data: DataSet, train: Ratings) -> Iterator[dict[str, Any]]:
    movies = data.movies
    counts = np.bincount(train.item, minlength=int(movies.item.max(initial=0)) + 1)
    for item, title, year, row in zip(
        movies.item.tolist(), movies.title, movies.year.tolist(), movies.genres, strict=True
    ):
        yield {
            "item": item,
            "id": data.items.label(item),
            "title": title,
            "year": year or None,
            "genres": named(row),
            "attributes": dict(movies.attributes.get(item, {})),
            "ratings": int(counts[item]),
        }
