"""The gate's statistics: by hand where they are simple, by simulation where chance decides."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsys.lists import gate, report
from recsys.lists.blend import Blend
from recsys.lists.gate import Comparison, Distribution, Events, Limits
from recsys.lists.model import Catalogue, ItemWeights, ListModel, Pruned
from recsys.metrics import ndcg
from tests.reliability import Tally

LIMITS = Limits.of_percent({"coverage": 5, "volume": 80, "unknown": 20, "drift": 25})
ITEMS = 40


def catalogue(items: int = ITEMS) -> Catalogue:
    return Catalogue.of(
        [{"id": f"i{n}", "title": "", "year": None, "genres": []} for n in range(items)]
    )


def events(user: Any, item: Any, value: Any = None, unknown: Any = (), time: Any = None) -> Events:
    count = len(user)
    return Events(
        np.asarray(user, np.int64),
        np.asarray(item, np.int64),
        np.full(count, np.nan, np.float32) if value is None else np.asarray(value, np.float32),
        np.arange(count) if time is None else np.asarray(time, np.int64),
        catalogue(),
        np.asarray(unknown, np.int64),
    )


def follower(step: int) -> ListModel:
    """Who took an item gets the one that is `step` further, in a circle."""
    following = Pruned(
        np.arange(ITEMS + 1),
        ((np.arange(ITEMS) + step) % ITEMS).astype(np.uint16),
        np.full(ITEMS, 127, np.int8),
        np.full(ITEMS, 1 / 127, np.float32),
    )
    nothing = Pruned(
        np.zeros(ITEMS + 1, np.int64),
        np.empty(0, np.uint16),
        np.empty(0, np.int8),
        np.ones(ITEMS, np.float32),
    )
    counts = np.ones(ITEMS)
    weights = ItemWeights(following, nothing, Blend(half_life=1e9, next_item=0.0))
    return ListModel(weights, counts, counts, 0.0, 1.0, catalogue())


def walks(users: int, step: int, known: int = 3) -> Events:
    """Users take an item and each time the one that is `step` further; the last one is judged."""
    first = np.arange(users)[:, None]
    items = (first + step * np.arange(known + 1)) % ITEMS
    user = np.repeat(np.arange(users), known + 1)
    time = np.tile(np.arange(known + 1) * 1000, users)
    return events(user, items.ravel(), time=time)


def test_ndcg_of_each_user_is_the_discounted_gain_over_that_of_the_best_list() -> None:
    hit = np.array([[True, False, True], [False, True, False]])
    found = ndcg(hit, np.array([2, 5]))
    second, third = 1 / np.log2(3), 1 / 2
    np.testing.assert_allclose(found, [(1 + third) / (1 + second), second / (1 + second + third)])


def test_drift_is_the_population_stability_index() -> None:
    halves = Distribution(("a", "b"), np.array([0.5, 0.5]), np.array([0.9, 0.1]))
    assert halves.drift == pytest.approx(0.4 * np.log(1.8) - 0.4 * np.log(0.2))
    assert replace(halves, now=halves.last).drift == 0


def test_events_are_judged_from_the_middle_of_the_new_ones_on() -> None:
    data = events([0] * 6, range(6), time=[1, 2, 10, 20, 30, 40])
    assert gate.cut(data, since=2) == 25
    assert gate.cut(events([0] * 3, range(3), time=[1, 7, 7]), since=2) == 7  # all of a moment
    assert gate.cut(data, since=40) == 41


def test_half_of_the_users_judge_and_the_new_model_learns_from_the_others() -> None:
    # users 0 to 9 take something new from 100 on; 10 takes an old item again, 11 nothing
    user = [*range(12), *range(12), *range(10), 10]
    item = [*[0] * 12, *[1] * 12, *[2] * 10, 0]
    time = [*[1] * 12, *[50] * 12, *[100] * 11]
    data = events(user, item, time=time)
    users = gate.judges(data, begin=100)
    assert len(users) == 5 and set(users.tolist()) < set(range(10))
    taken = gate.learned(data, since=1, begin=100, users=users)
    found = set(zip(data.user[taken].tolist(), data.timestamp[taken].tolist(), strict=True))
    others = set(range(12)) - set(users.tolist())
    assert found == {(u, 1) for u in range(12)} | {(u, 50) for u in others}
    assert gate.judges(data, begin=101).tolist() == []


def test_model_that_knows_what_comes_next_wins_beyond_the_interval() -> None:
    data = walks(50, step=3)
    won = gate.compare(follower(3), follower(7), data, begin=3000, users=np.arange(50))
    assert won.users == 50
    # one relevant item, which is first among the three successors that were not taken yet
    assert won.candidate == pytest.approx(1.0) and won.low > 0
    lost = gate.compare(follower(7), follower(3), data, begin=3000, users=np.arange(50))
    assert (lost.candidate, lost.current) == (won.current, won.candidate)
    assert lost.high < 0
    refused = [one.name for one in gate.of_models(lost, 1.0, LIMITS) if one.refused]
    assert refused == ["nDCG@10"]
    assert not any(one.refused for one in gate.of_models(won, 1.0, LIMITS))


def test_few_users_refuse_no_model() -> None:
    """Two that happen to lose would make an interval below 0."""
    lost = gate.compare(
        follower(7), follower(3), walks(49, step=3), begin=3000, users=np.arange(49)
    )
    assert (lost.users, lost.high < 0) == (49, True)
    finding = gate.of_models(lost, 1.0, LIMITS)[0]
    assert not finding.refused and "fewer than 50 users" in finding.words


def test_same_model_is_not_refused() -> None:
    same = gate.compare(
        follower(3), follower(3), walks(30, step=3), begin=3000, users=np.arange(30)
    )
    assert (same.low, same.high) == (0.0, 0.0)
    assert not gate.of_models(same, 1.0, LIMITS)[0].refused


def test_no_new_events_judge_no_model() -> None:
    data = walks(30, step=3)
    users = gate.judges(data, begin=10_000)
    none = gate.compare(follower(3), follower(7), data, begin=10_000, users=users)
    assert none.users == 0
    assert not gate.of_models(none, 1.0, LIMITS)[0].refused


def test_equal_models_are_seldom_refused_by_chance(tally: Tally) -> None:
    """400 comparisons of differences without a mean; of a 95 % interval 2.5 % lie below."""
    random = np.random.default_rng(3)
    refused = sum(gate._interval(random.normal(0, 0.3, 60))[1] < 0 for _ in range(400))
    tally("inputs tried", "Gate: comparisons of equal models", 400)
    assert refused <= 22  # of a binomial with p = 2.5 %, less than 0.1 % are more


def test_coverage_is_the_share_of_what_lists_could_show() -> None:
    users = events([0, 1], [0, 0])
    found = gate.coverage(follower(3), users)
    # both get the same list, of the 20 different items that two lists could show
    assert found == pytest.approx(10 / 20)


def test_popularity_that_moves_to_one_item_is_drift() -> None:
    random = np.random.default_rng(0)
    spread = random.integers(0, ITEMS, 2000)
    last = events(np.arange(2000), spread)
    more = events(np.arange(2200), [*spread, *random.integers(0, ITEMS, 200)])
    assert gate.popularity(last, more).drift < 0.01
    flooded = events(np.arange(3000), [*spread, *[39] * 1000])
    found = gate.popularity(last, flooded)
    assert found.drift > 0.25
    assert found.last.sum() == pytest.approx(1) and found.now.sum() == pytest.approx(1)


def test_ratings_that_become_ones_are_drift_and_few_are_not_judged() -> None:
    last = events(range(1000), [0] * 1000, value=np.tile([1, 2, 3, 4, 5], 200))
    same = events(range(1200), [0] * 1200, value=np.tile([1, 2, 3, 4, 5], 240))
    found = gate.ratings(last, same)
    assert found is not None and found.drift == pytest.approx(0)
    ones = events(range(2000), [0] * 2000, value=[*np.tile([1, 2, 3, 4, 5], 200), *[1] * 1000])
    found = gate.ratings(last, ones)
    assert found is not None and found.drift > 0.25
    assert gate.ratings(last, events(range(99), [0] * 99, value=[1] * 99)) is None


@pytest.mark.parametrize(
    ("now", "refused"),
    [
        (events(range(100), [0] * 100), []),
        (events(range(79), [0] * 79), ["volume"]),
        # 1 of 3 new events is no evidence for more than a fifth
        (events(range(102), [0] * 102, unknown=[200]), []),
        (events(range(120), [0] * 120, unknown=range(200, 220)), ["unknown items"]),
        (events(range(100), [0] * 100, unknown=range(50)), []),  # these are old
    ],
)
def test_suspicious_data_are_refused(now: Events, refused: list[str]) -> None:
    last = events(range(100), [0] * 100)
    found = gate.of_data(last, now, LIMITS, {})
    assert [one.name for one in found if one.refused] == refused


def test_report_tells_every_finding_and_escapes_what_it_shows() -> None:
    last = events(range(200), [0] * 200, value=np.tile([1, 5], 100))
    distributions = {"<ratings>": gate.ratings(last, last), "popularity": None}
    comparison = Comparison(0.1, 0.2, -0.15, -0.05, 60)
    findings = [
        *gate.of_data(last, last, LIMITS, distributions),
        *gate.of_models(comparison, 0.01, LIMITS),
    ]
    told = report.document(3, 2, findings, distributions, comparison)
    assert json.loads(json.dumps(told)) == told
    assert len(told["refused"]) == 2 and len(told["lines"]) == 5
    page = report.page(told)
    assert "Refused: the model of generation 2 goes on answering" in page
    assert "&lt;ratings&gt;" in page and "<ratings>" not in page
    assert page.count("<svg") == 2 and "http" not in page
