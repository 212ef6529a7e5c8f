"""Semantic-Similarity on texts whose likeness can be worked out by hand."""

from dataclasses import replace
from math import log, nan, sqrt

import numpy as np
import pytest

from recsys.errors import InputError
from recsys.recipes import Config, Dataset
from recsys.recipes.dataset import Column
from recsys.recipes.evaluation import evaluate
from recsys.recipes.semantic import Semantic, SemanticModel
from recsys_tests.recipes.worlds import ask, category, small

RECIPE = "aws-semantic-similarity"


def told(names: list[str], texts: list[str], pairs: list[tuple[int, int]] | None = None) -> Dataset:
    """Items with these names and descriptions, and interactions (user, item)."""
    made = small(pairs or [(0, 0)], 9, len(names))
    columns = {"TITLE": Column("name", values=names), "PLOT": Column("text", values=texts)}
    data = replace(made, item_columns=columns)
    return data if pairs else data.rows(np.zeros(1, bool))


def fit(data: Dataset, **weights: float) -> SemanticModel:
    return Semantic().fit(data, Config(RECIPE, event_weights=weights))


def test_nearest_items_have_the_same_subject_without_any_interaction() -> None:
    """Pairs of a train thriller, a garden, and a cookbook; filters' columns count for nothing."""
    data = told(
        ["Night train", "The Last Station", "Roses", "A quiet garden", "Pasta", "From the oven"],
        [
            "A detective hunts a murderer through the snow.",
            "In the snow, a MURDERER waits for the detective!",
            "Old roses bloom in the village garden.",
            "A gardener in a village grows roses and lavender.",
            "Recipes for sauces and noodles of the Italian kitchen.",
            "Bread: recipes of an Italian kitchen.",
        ],
    )
    genre, shop = category(*["x", "y"] * 3), Column("string", values=["north", "south"] * 3)
    more = {"GENRES": genre, "SHOP": shop}
    model, without = fit(replace(data, item_columns={**data.item_columns, **more})), fit(data)
    for item in range(6):
        scores = model.score(ask(item=item))
        np.testing.assert_array_equal(scores, without.score(ask(item=item)))
        assert scores[item] == -np.inf
        assert scores.argmax() == item ^ 1
    assert evaluate(Semantic(), data, Config(RECIPE)) == {}


# items 1 and 2 share one of two words with item 0 each, item 3 nothing; item 4 has no text
NAMES, TEXTS = ["ALPHA", "alpha", "beta", "omega", ""], ["beta", "gamma", "delta", "", ""]
LIKE = (1 + log(5 / 2)) / sqrt(2 * ((1 + log(5 / 2)) ** 2 + (1 + log(5)) ** 2))


def test_score_is_the_cosine_of_tf_idf() -> None:
    scores = fit(told(NAMES, TEXTS)).score(ask(item=0))
    assert scores == pytest.approx([-np.inf, LIKE, LIKE, 0, -np.inf], rel=1e-6)


def test_influences_raise_popular_and_new_items_among_similar_ones() -> None:
    """Item 2 has 4 interactions, item 1 one, item 3 all others; item 1 is newest."""
    pairs = [(user, 2) for user in range(4)] + [(0, 1)] + [(user, 3) for user in range(8)]
    data = told(NAMES, TEXTS, pairs)
    created = Column("number", numbers=np.array([100, 300, 150, 200, nan]))
    data = replace(data, item_columns={**data.item_columns, "CREATION_TIMESTAMP": created})
    model = fit(data)
    plain = replace(ask(item=0), influence={})
    np.testing.assert_array_equal(model.score(plain)[1], model.score(plain)[2])
    for weights, one, two in (
        ({"POPULARITY": 1.0}, 1 + 1 / 8, 1 + 4 / 8),
        ({"FRESHNESS": 0.5}, 1 + 0.5, 1 + 0.5 * 0.25),
        ({"POPULARITY": 0.5, "FRESHNESS": 1.0}, 1 + 0.5 / 8 + 1, 1 + 0.5 * 4 / 8 + 0.25),
    ):
        scores = model.score(replace(plain, influence=weights))
        assert scores[1:4] == pytest.approx([LIKE * one, LIKE * two, 0], rel=1e-6)
    # of what is unknown or has no text, nothing is similar: the popular items
    for item in (-1, 4):
        assert model.score(ask(item=item)).argmax() == 3
        assert not np.isfinite(fit(told(NAMES, TEXTS)).score(ask(item=item))).any()


def test_popularity_counts_events_by_their_weight() -> None:
    data = small([(u, i) for u in range(4) for i in (0, 1)], 4, 2, [0, 1] * 4)
    data = replace(data, item_columns={"TITLE": Column("name", values=["a one", "a two"])})
    np.testing.assert_allclose(fit(data, Click=0.5).factors[0], [1, 0.5])


def test_items_without_any_word_and_hyperparameters_are_refused() -> None:
    with pytest.raises(InputError, match="no item has a name or a description"):
        fit(told(["", "!"], ["", "…"]))
    with pytest.raises(InputError, match="min_cointeraction_count is not one of this recipe's"):
        Semantic().fit(told(NAMES, TEXTS), Config(RECIPE, {"min_cointeraction_count": "1"}))
