"""Every recipe on worlds whose answers are known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import InputError
from recsys.recipes import Config, Dataset
from recsys.recipes.dataset import Column
from recsys.recipes.interest import Interest, returning
from recsys.recipes.personal import Personal, PersonalModel
from recsys.recipes.popular import Popular, Trending
from recsys.recipes.recipe import Tunable, UserModel
from recsys.recipes.registry import RECIPES
from recsys.recipes.related import Related
from recsys.recipes.segments import Segments
from recsys_tests.recipes.worlds import SIZE, ask, category, checkerboard, events, small

pytestmark = pytest.mark.slow

BOARD = checkerboard()
PERSONAL = [
    "aws-user-personalization",
    "aws-user-personalization-v2",
    "aws-personalized-ranking",
    "aws-personalized-ranking-v2",
    "aws-vod-top-picks",
    "aws-item-affinity",
]
RELATED = [
    "aws-similar-items",
    "aws-sims",
    "aws-vod-more-like-x",
    "aws-vod-because-you-watched-x",
]


@pytest.mark.parametrize("name", PERSONAL)
def test_history_of_a_colour_recommends_that_colour(name: str) -> None:
    model = RECIPES[name].fit(BOARD, Config(name))
    for colour in (0, 1):
        taken = [item for item in range(colour, SIZE, 2) if item != colour + 6]
        scores = model.score(ask(*taken))
        assert scores.argmax() == colour + 6
        assert scores[taken].max() < np.delete(scores, taken).min()  # the history comes last


@pytest.mark.parametrize("name", RELATED)
def test_similar_items_have_the_same_colour(name: str) -> None:
    model = RECIPES[name].fit(BOARD, Config(name))
    for item in range(SIZE):
        scores = model.score(ask(item=item))
        assert scores[item] == -np.inf
        assert set(np.argsort(-scores)[:3] % 2) == {item % 2}


@pytest.mark.parametrize("name", RECIPES)
def test_saved_and_retrained_models_are_identical(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    columns = {"GENRES": category(*["Black", "White"] * 6)}
    columns["TITLE"] = Column("name", values=[f"Title {n // 3}" for n in range(SIZE)])
    data = replace(BOARD, item_columns=columns)
    model = recipe.fit(data, Config(name))
    again = recipe.fit(data, Config(name))
    model.save(tmp_path)
    loaded = recipe.model.load(tmp_path)
    for query in (ask(), ask(0, 2, item=4), ask(3, item=1)):
        scores = model.score(query)
        assert scores.shape == (SIZE,)
        assert scores.dtype == np.float32
        np.testing.assert_array_equal(loaded.score(query), scores)
        np.testing.assert_array_equal(again.score(query), scores)


def personal(data: Dataset = BOARD, **settings: str) -> PersonalModel:
    return Personal().fit(data, Config("aws-user-personalization-v2", settings))


def test_event_changes_the_answer() -> None:
    model = personal()
    before = model.score(ask(0, 2, 4))
    after = model.score(ask(0, 2, 4, 1, 3, 5, 7))
    assert np.argmax(before) % 2 == 0
    assert np.argmax(after) % 2 == 1


def test_order_of_events_counts_unless_recency_is_off() -> None:
    model = personal(history_half_life="1")
    assert np.argmax(model.score(ask(0, 2, 4, 7, 9))) % 2 == 1
    assert np.argmax(model.score(ask(7, 9, 0, 2, 4))) % 2 == 0
    flat = personal(apply_recency_bias="false", next_item_weight="0")
    np.testing.assert_allclose(
        flat.score(ask(0, 2, 4, 7, 9)), flat.score(ask(7, 9, 0, 2, 4)), atol=1e-5
    )


def test_empty_history_recommends_popular_items() -> None:
    data = small([(u, i) for i in range(4) for u in range(8) if u >= 2 * i], 8, 4)
    assert np.argsort(-personal(data).score(ask())).tolist() == [0, 1, 2, 3]


def test_new_user_gets_items_of_similar_users() -> None:
    women = [(u, i) for u in range(30) for i in (0, 1, 2, 4) if (u + i) % 4]
    men = [(u, i) for u in range(30, 70) for i in (0, 1, 3, 5) if (u + i) % 4]
    data = small(women + men, 70, 6)
    gender = category(*["F"] * 30, *["M"] * 40)
    model = personal(replace(data, user_columns={"GENDER": gender}))
    she, he = (model.score(ask(user_attributes={"GENDER": g})) for g in "FM")
    assert she[2] > she[3]
    assert he[3] > he[2]
    nobody = model.score(ask(user_attributes={"GENDER": "unheard of"}))
    np.testing.assert_array_equal(nobody, model.score(ask()))


def test_context_changes_the_answer() -> None:
    """Whatever the user, item 0 is taken on the phone and item 1 on television."""
    pairs = [(u, i) for u in range(100) for i in range(4)]
    data = small(pairs, 100, 4)
    device = category(*(["phone", "tv", "phone|tv", "phone|tv"][i] for i in data.item))
    model = personal(replace(data, context_columns={"DEVICE": device}))
    for device_name, first, second in (("phone", 0, 1), ("tv", 1, 0)):
        scores = model.score(ask(2, 3, context={"device": device_name}))
        assert scores[first] > scores[second]


def with_genres(*new: str) -> Dataset:
    """The checkerboard, with colours for genres and `new` items without events."""
    genres = category(*["Black", "White"] * 6, *new)
    names = [f"i{n}" for n in range(SIZE + len(new))]
    return replace(BOARD, items=names, item_columns={"GENRES": genres})


def test_new_item_is_scored_by_its_attributes() -> None:
    model = personal(with_genres("Black", "White", ""))
    black = model.score(ask(0, 2, 4))[SIZE:]
    white = model.score(ask(1, 3, 5))[SIZE:]
    assert black[0] > black[2] > black[1]
    assert white[1] > white[2] > white[0]
    alike = Related().fit(with_genres("Black", "White"), Config("aws-similar-items"))
    scores = alike.score(ask(item=0))
    assert scores[SIZE] > scores[SIZE + 1]
    for_new = alike.score(ask(item=SIZE))  # a new item has relatives too
    assert set(np.argsort(-for_new)[:6] % 2) == {0}


@pytest.mark.parametrize("kind", ["text", "string"])
def test_new_item_is_like_those_with_its_words(kind: str) -> None:
    """The story is in every text and tells nothing; strings are for filters alone."""
    told = [f"The story of a {'night' if n % 2 == 0 else 'summer day'}, {n}" for n in range(SIZE)]
    told += ["A NIGHT'S story!", "story of the summer"]
    names = [f"i{n}" for n in range(SIZE + 2)]
    data = replace(BOARD, items=names, item_columns={"PLOT": Column(kind, values=told)})
    model = Related().fit(data, Config("aws-similar-items"))
    for new, colour in ((SIZE, 0), (SIZE + 1, 1)):
        scores = model.score(ask(item=new))
        if kind == "text":
            assert set(np.argsort(-scores)[:6] % 2) == {colour}
        else:
            assert np.ptp(np.delete(scores, [SIZE, SIZE + 1])) == 0  # all are as popular


def test_history_of_new_items_uses_attributes() -> None:
    scores = personal(with_genres("Black", "White")).score(ask(SIZE + 1))
    assert np.argmax(scores) % 2 == 1


def test_exploration_raises_new_items() -> None:
    def place(weight: str, created: float) -> int:
        data = with_genres("Black")
        times = np.append(np.full(SIZE, 0.0), created)
        columns = {**data.item_columns, "CREATION_TIMESTAMP": Column("number", numbers=times)}
        late = replace(data, timestamp=data.timestamp + 100 * 86400, item_columns=columns)
        config = Config("aws-user-personalization", {"exploration_weight": weight})
        scores = Personal().fit(late, config).score(ask(0, 2, 4))
        return int((scores > scores[SIZE]).sum())

    yesterday, long_ago = 99.0 * 86400, 1.0 * 86400
    assert place("1", yesterday) == 0 < place("0", yesterday)
    assert place("1", long_ago) == place("0", yesterday)
    assert place("0.9", yesterday) < place("0", yesterday)


def test_event_weights_change_the_answer() -> None:
    """All watch item 0 and click item 1; only who weighs the clicks calls item 1 popular."""
    pairs = [(u, i) for u in range(6) for i in (0, 1, 1)]
    data = small(pairs, 6, 2, [0, 1, 1] * 6)
    plain = Popular().fit(data, Config("aws-popularity-count")).score(ask())
    np.testing.assert_allclose(np.exp(plain), [6, 12], rtol=1e-6)
    weights = {"watch": 1.0, "Click": 0.25}
    weighed = (
        Popular().fit(data, Config("aws-popularity-count", event_weights=weights)).score(ask())
    )
    np.testing.assert_allclose(np.exp(weighed), [6, 3], rtol=1e-6)
    ignored = {"Watch": 0.0, "Click": 0.0}
    for recipe in (Popular(), Trending(), Personal(), Related()):
        with pytest.raises(InputError, match="no interaction of any weight"):
            recipe.fit(data, Config("any", event_weights=ignored))


def test_interest_is_the_root_of_the_summed_weights() -> None:
    """User 0 clicks 1, watches 0, clicks 0 again; values 1 of 4 on the watch."""
    data = events([(0, 1, 1, 1), (0, 2, 0, 0), (0, 3, 0, 1)], 1, 2)
    value = np.array([np.nan, 1, 4], np.float32)
    interest = Interest.of(
        replace(data, event_value=value), Config("any", event_weights={"Watch": 3.0})
    )
    taken = interest.in_data(replace(data, event_value=value))
    assert taken.item.tolist() == [1, 0]
    assert taken.timestamp.tolist() == [1, 3]
    assert taken.interest == pytest.approx([1, (3 * 0.25**0.2 + 1) ** 0.5])


def test_returning_counts_only_later_events() -> None:
    twins = events([(0, 1, 0, 0), (0, 1, 0, 1), (0, 2, 1, 0), (0, 2, 1, 1)], 1, 2)
    assert returning(twins) == 0
    again = events([(0, 1, 0, 0), (0, 2, 0, 1), (0, 3, 1, 0), (0, 4, 2, 1)], 1, 3)
    assert returning(again) == 0.25


def test_history_may_rank_first_if_users_return() -> None:
    pairs = [(u, i) for _ in range(3) for u in range(10) for i in (u % 2, u % 2 + 2)]
    scores = personal(small(pairs, 10, 4)).score(ask(0, 2, 0))
    assert set(np.argsort(-scores)[:2]) == {0, 2}


def test_trending_ranks_growing_items_above_popular_ones() -> None:
    """Item 0 is taken every hour for 60 days, item 1 only in the last five hours."""
    hour = 3600
    rows = [(n % 7, n * hour, 0, 0) for n in range(60 * 24)]
    rows += [(n % 7, (60 * 24 - 1 - n % 5) * hour, 1, 0) for n in range(20)]
    rows += [(n % 7, n * hour, 2, 0) for n in range(100)]
    data = events(rows, 7, 4)
    trending = Trending().fit(data, Config("aws-trending-now")).score(ask())
    assert trending.argmax() == 1
    assert trending[0] < trending[1]
    popular = Popular().fit(data, Config("aws-popularity-count")).score(ask())
    assert popular.argmax() == 0
    assert popular[3] == -np.inf
    with pytest.raises(InputError, match="must be one of 30 minutes"):
        Trending().fit(
            data,
            Config("any", feature_transformation={"trend_discovery_frequency": "5 years"}),
        )


def test_segments_contain_users_of_similar_items() -> None:
    data = with_genres("Black")
    model = Segments().fit(data, Config("aws-item-affinity"))
    assert isinstance(model, UserModel)
    for items, colour in (([0], 0), ([1, 3], 1), ([SIZE], 0)):
        users = model.score_users(np.array(items, np.int32))
        assert set(np.argsort(-users)[:SIZE] % 2) == {colour}
    took = data.user[data.item == 4]
    assert set(np.argsort(-model.score_users(np.array([4], np.int32)))[: len(took)]) == set(took)


def test_hyperparameter_problems_are_all_reported(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {"depth": "3", "apply_recency_bias": "maybe", "exploration_weight": "7"}
    with pytest.raises(InputError) as caught:
        Personal().fit(BOARD, Config("aws-user-personalization", wrong))
    text = str(caught.value)
    assert "depth is not one of this recipe's" in text
    assert "apply_recency_bias is 'maybe'; it must be true or false" in text
    assert "exploration_weight is '7'; it must be a number from 0 to 1" in text
    Personal().fit(BOARD, Config("aws-user-personalization", {"hidden_dimension": "149"}))
    assert "hidden_dimension=149 has no counterpart" in capsys.readouterr().out


def test_tuning_detects_that_order_matters() -> None:
    """All users go round a ring from different places: only the order is informative."""
    ring = 30
    pairs = [(u, (7 * u + step) % ring) for step in range(10) for u in range(60)]
    data = small(pairs, 60, ring)
    recipe = RECIPES["aws-user-personalization-v2"]
    assert isinstance(recipe, Tunable)
    tuned = recipe.tune(data, Config("aws-user-personalization-v2", hpo={}))
    assert tuned.hyperparameters["history_half_life"] == "5"
    one = {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "1"}}
    first = recipe.tune(data, Config("aws-user-personalization-v2", hpo=one))
    assert first.hyperparameters == {"history_half_life": "5", "next_item_weight": "0.25"}


def test_tuning_stays_within_the_ranges() -> None:
    ranges = {
        "continuousHyperParameterRanges": [
            {"name": "popularity_discount_factor", "minValue": 0.6, "maxValue": 0.8}
        ],
        "integerHyperParameterRanges": [
            {"name": "min_cointeraction_count", "minValue": 2, "maxValue": 3}
        ],
    }
    hpo = {"algorithmHyperParameterRanges": ranges}
    tuned = Related().tune(BOARD, Config("aws-sims", hpo=hpo)).hyperparameters
    assert 0.6 <= float(tuned["popularity_discount_factor"]) <= 0.8
    assert tuned["min_cointeraction_count"] in ("2", "3")


def test_update_keeps_the_tuned_hyperparameters(tmp_path: Path) -> None:
    result = {"hyperparameters": {"history_half_life": "3", "next_item_weight": "1"}}
    (tmp_path / "result.json").write_text(json.dumps(result))
    config = Config(
        "aws-user-personalization", {"next_item_weight": "0.25"}, previous=str(tmp_path)
    )
    mix = Personal().fit(BOARD, config).mix
    assert (mix.half_life, mix.next_item) == (3.0, 0.25)


@pytest.mark.parametrize("name", ["aws-user-personalization", "aws-user-personalization-v2"])
def test_objective_raises_items_by_its_sensitivity(name: str) -> None:
    prices = np.arange(SIZE, dtype=float)
    prices[3] = np.nan  # of which nothing is known
    data = replace(BOARD, item_columns={"PRICE": Column("number", numbers=prices)})

    def reward(sensitivity: str | None) -> float:
        """The mean price of the five best items for somebody who took the cheapest ones."""
        objective = {"itemAttribute": "price", "objectiveSensitivity": sensitivity}
        config = Config(name, objective=objective if sensitivity else None)
        scores = RECIPES[name].fit(data, config).score(ask(0, 1))
        return float(np.nan_to_num(prices)[np.argsort(-scores)[:5]].mean())

    levels = [reward(sensitivity) for sensitivity in ("OFF", "LOW", "MEDIUM", "HIGH")]
    assert levels[0] == reward(None)
    assert levels == sorted(levels)
    assert levels[0] < levels[-1]


def test_objective_without_a_numeric_column_is_refused() -> None:
    data = replace(BOARD, item_columns={"GENRES": category(*["Black", "White"] * 6)})
    for name in ("GENRES", "PRICE"):
        config = Config("aws-user-personalization-v2", objective={"itemAttribute": name})
        with pytest.raises(InputError, match=f"'{name}' is no number of the items"):
            Personal().fit(data, config)
