"""What the report says of the models."""

import math
from typing import Any

import pytest

from rehearsal.__main__ import _engines, _left_out
from rehearsal.report import _models, _surveys
from rehearsal.run import Rehearsal
from rehearsal.suggestions import Survey
from rehearsal.verdicts import verdicts

BASELINES = {
    "rating_mse": {"bias": 0.9, "user_mean": 1.1, "global_mean": 1.2},
    "recommendation_accuracy": {"bias": 0.7, "majority": 0.6},
}
NOUNS = {"item": "book", "items": "books", "user": "reader", "users": "readers", "event": "read"}


def rehearsed(mse: float, accuracy: float, judged: int = 10_000) -> Rehearsal:
    data = {"baselines": BASELINES, "validation": judged, "nouns": NOUNS}
    run = Rehearsal(data=data, preset="default")
    run.training = {
        "rating": {"metrics": {"validation:mean_squared_error": mse}},
        "recommendation": {"metrics": {"validation:accuracy": accuracy}},
    }
    return run


@pytest.mark.parametrize(
    ("mse", "accuracy", "named"),
    [
        (0.8, 0.75, []),
        (0.9, 0.75, ["Object2Vec: no better"]),
        (0.8, 0.70, ["Object2Vec, recommendation: no better"]),
        (1.3, 0.60, ["Object2Vec: no better", "Object2Vec, recommendation: no better"]),
    ],
)
def test_a_model_that_does_not_beat_its_baselines_is_named(
    mse: float, accuracy: float, named: list[str]
) -> None:
    said = "\n".join(_models(rehearsed(mse, accuracy)))
    assert said.count("no better") == len(named)
    assert all(words in said for words in named)


def test_intervals_are_those_of_the_held_out_part() -> None:
    rating, recommendation = verdicts(rehearsed(0.8, 0.75))
    # the variance of a squared normal error is twice the squared variance of the error
    assert rating.margin == pytest.approx(1.96 * 0.8 * math.sqrt(2) / 100)
    assert recommendation.margin == pytest.approx(1.96 * math.sqrt(0.75 * 0.25) / 100, rel=1e-3)
    assert (rating.best, recommendation.best) == (0.9, 0.7)


def test_a_gain_within_the_interval_is_uncertain() -> None:
    states = [one.state for one in verdicts(rehearsed(0.89, 0.71, judged=100))]
    assert states == ["uncertain", "uncertain"]
    said = "\n".join(_models(rehearsed(0.89, 0.71, judged=100)))
    assert said.count("too small to tell") == 2


def test_every_trained_engine_has_a_verdict() -> None:
    run = rehearsed(0.8, 0.75)
    run.training |= {
        "deepmf": {"metrics": {"validation:mean_squared_error": 0.85}},
        "factorizationmachines": {"metrics": {"test:mse": 0.82}},
    }
    run.lists.metrics = {
        "validation_ndcg@10": 0.3,
        "validation_ndcg@10_popular": 0.2,
        "validation_users": 900,
    }
    assert [one.model for one in verdicts(run)] == [
        "Object2Vec",
        "Deep matrix factorization",
        "Factorization machines",
        "Object2Vec, recommendation",
        "Lists",
    ]


def test_lists_without_what_users_like_are_named() -> None:
    run = rehearsed(0.8, 0.75)
    figures = {"users": 60, "places": 600, "different": 139, "had": 0}
    for name, favourite in (("Lists", 0.61), ("Object2Vec, recommendation", 0.02)):
        run.surveys.append(Survey(engine=name, favourite=favourite, chance=0.05, **figures))
    good, bad = (one for one in verdicts(run) if one.metric == "favourite genre in lists")
    assert (good.state, bad.state) == ("better", "no better")
    # as if 38.52 of 63.84 were of the genre
    assert good.margin == pytest.approx(1.96 * math.sqrt(0.6034 * 0.3966 / 63.84), abs=1e-4)
    (warning,) = (line for line in _models(run) if "no better" in line)
    assert "do not follow what each reader likes" in warning


@pytest.mark.parametrize("genres", [True, False])
def test_report_describes_the_lists_and_leaves_out_genres_that_are_not_there(genres: bool) -> None:
    run = rehearsed(0.8, 0.75)
    share = (0.81, 0.125) if genres else (None, None)
    for name, favourite in (("Lists", share[0]), ("Deep matrix factorization", None)):
        figures = {"users": 60, "places": 600, "different": 139, "had": 2}
        run.surveys.append(Survey(engine=name, favourite=favourite, chance=share[1], **figures))
    heading, first, second, _ = _surveys(run)
    tail = ["favourite", "genre", "by", "chance"] if genres else []
    assert heading.split() == ["LISTS", "OF", "60", "readers", "different", "read", *tail]
    assert first.split() == ["Lists", "139", "2", *(["81%", "12%"] if genres else [])]
    assert second.split()[3:] == ["139", "2", *(["–", "12%"] if genres else [])]
    assert max(map(len, (heading, first, second))) <= 100


@pytest.mark.parametrize(("chance", "judged"), [(1.0, False), (0.97, False), (0.9, True)])
def test_lists_are_not_blamed_where_nearly_all_items_have_one_genre(
    chance: float, judged: bool
) -> None:
    """With a margin of 0.042, a share of 1 could not be told from one of 0.97."""
    run = rehearsed(0.8, 0.75)
    figures: Any = {"users": 60, "places": 600, "different": 200, "had": 0, "favourite": 1.0}
    run.surveys.append(Survey(engine="Lists", chance=chance, **figures))
    assert ("favourite genre in lists" in [one.metric for one in verdicts(run)]) is judged


def test_interval_of_a_share_has_no_values_above_1_and_is_not_empty() -> None:
    """Of 60 lists that are all right, 1.96 squared more are counted as tried, half of them right.

    So 61.92 of 63.84 are right, with a standard error of 0.0214.
    """
    run = rehearsed(0.8, 0.7)
    figures: Any = {"users": 60, "places": 600, "different": 200, "had": 0, "chance": 0.1}
    run.surveys.append(Survey(engine="Lists", favourite=1.0, **figures))
    *_, found = verdicts(run)
    assert found.metric == "favourite genre in lists"
    assert found.margin == pytest.approx(1.96 * 0.0214, abs=1e-4)
    assert found.interval == pytest.approx((1 - 1.96 * 0.0214, 1.0), abs=1e-4)
    assert found.interval[1] == 1.0


@pytest.mark.parametrize(
    ("events", "chosen", "groups", "left"),
    [
        (False, "fit", "both", []),
        (False, "fit", "off", ["the data do not meet its requirements"]),
        (False, "off", "off", ["the setting leaves it out"]),
        (True, "fit", "custom", ["they learn ratings, which the data do not have"]),
    ],
)
def test_engines_that_are_not_deployed_are_named_with_the_reason(
    events: bool, chosen: str, groups: str, left: list[str]
) -> None:
    found = _left_out({"scale": {"events": events}}, chosen, groups)
    assert [why.partition(":")[0] for why in found.values()] == left


@pytest.mark.parametrize(
    ("chosen", "events", "deployed"),
    [
        ("lists,deep_mf,factorization_machines", True, "lists"),
        ("lists,deep_mf,factorization_machines", False, "lists,deep_mf,factorization_machines"),
        ("deep_mf", True, "none"),
        ("none", True, "none"),
        ("nonsense", True, "nonsense"),  # the deployment says which there are
    ],
)
def test_engines_that_learn_ratings_are_left_out_without_any(
    chosen: str, events: bool, deployed: str
) -> None:
    assert _engines(chosen, {"scale": {"events": events}}) == deployed
