"""A model of lists from the items that `recsys.spark` writes."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from recsys.lists.model import Catalogue, ItemFactors, ListModel

_GENRES = 64  # that an item's bits have place for


def from_items(lines: Iterable[bytes | str], manifest: Mapping[str, Any]) -> ListModel:
    """Build the model.

    Args:
        lines: JSON Lines, one item each: `id`, `title`, `year`, `genres`, `attributes`, `users`,
            `trend`, and `vector` if it was learned; in any order.
        manifest: the job's: `als` with its settings, `largest` value, `metrics`.

    Raises:
        ValueError: a line is not such an item, or no item has a vector.
        KeyError: something is missing.
    """
    items = sorted((json.loads(line) for line in lines), key=lambda one: int(one["item"]))
    names = sorted({name for one in items for name in one.get("genres") or ()})[:_GENRES]
    bit = {name: 1 << number for number, name in enumerate(names)}
    factors = int(manifest["als"]["factors"])
    vectors = np.zeros((len(items), factors), np.float32)
    learned = 0
    for place, one in enumerate(items):
        if one.get("vector"):
            vectors[place] = one["vector"]
            learned += 1
    if not learned:
        raise ValueError("no item has a vector")
    return ListModel(
        scorer=ItemFactors(
            vectors, float(manifest["als"]["regularization"]), float(manifest["als"]["alpha"])
        ),
        counts=np.array([one["users"] for one in items], np.float64),
        trending=np.array([one["trend"] for one in items], np.float64),
        largest=float(manifest["largest"]),
        power=1.0,
        catalogue=Catalogue(
            ids=tuple(str(one["id"]) for one in items),
            titles=tuple(one.get("title") or "" for one in items),
            years=np.array([one.get("year") or 0 for one in items], np.int32),
            genres=np.array(
                [sum(bit.get(name, 0) for name in set(one.get("genres") or ())) for one in items],
                np.uint64,
            ),
            genre_names=tuple(names),
            attributes=tuple(one.get("attributes") or {} for one in items),
        ),
        about={"settings": dict(manifest["als"]), "metrics": dict(manifest["metrics"])},
    )
