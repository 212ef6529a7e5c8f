"""A model of lists from the items that `recsys.spark` writes."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from recsys.lists.model import Catalogue, ItemFactors, ListModel


def from_items(lines: Iterable[bytes | str], manifest: Mapping[str, Any]) -> ListModel:
    """Build the model.

    Args:
        lines: JSON Lines, one item each, in any order: what `Catalogue.of` reads, `item`, `users`,
            `trend`, and `vector` if it was learned.
        manifest: the job's: `als` with its settings, `largest` value, `metrics`.

    Raises:
        ValueError: a line is not such an item, or no item has a vector.
        KeyError: something is missing.
    """
    items = sorted((json.loads(line) for line in lines), key=lambda one: int(one["item"]))
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
        catalogue=Catalogue.of(items),
        about={"settings": dict(manifest["als"]), "metrics": dict(manifest["metrics"])},
    )
