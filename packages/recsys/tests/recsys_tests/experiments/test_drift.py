"""Simulated months: what changes does so as it is told to, and a refused model never answers."""

from typing import Any

import numpy as np
import pytest

from recsys.datasets.generator import generate_with_tastes
from recsys.experiments import drift
from recsys.experiments.drift import Course, Drift, simulate
from recsys.lists.gate import Limits
from recsys.lists.retraining import interactions
from recsys.lists.training import Lists, Settings

# what is deployed never covers more than the whole catalogue
NOTHING = Limits(coverage=1.01, volume=0.8, unknown=0.2, drift=10.0)
DAYS = 12


def fixed() -> Lists:
    """The estimator without its search for settings, which takes seconds."""
    return Lists(settings=Settings())


def simulated(**given: Any) -> Course:
    return simulate("small", days=DAYS, new=fixed, drift=Drift(), **given)


@pytest.fixture(scope="module")
def never() -> Course:
    return simulated(every=None)


def test_lists_that_are_never_retrained_show_no_film_that_was_released_later(
    never: Course,
) -> None:
    assert never.fresh.max() == 0 and never.reports == []
    assert (never.satisfaction < never.possible).all()


def test_refused_models_never_answer(never: Course) -> None:
    """The deployment that refuses all is, to the last click, the one that is never retrained."""
    refused = simulated(every=5, limits=NOTHING)
    assert [(one["day"], one["before"]) for one in refused.reports] == [(5, 0), (10, 0)]
    assert all("its lists show" in one["refused"][-1] for one in refused.reports)
    np.testing.assert_array_equal(refused.satisfaction, never.satisfaction)
    np.testing.assert_array_equal(refused.possible, never.possible)


def test_accepted_models_answer_from_the_next_day_on(never: Course) -> None:
    retrained = simulated(every=7)  # when too few users are new to refuse a model
    assert [one["refused"] for one in retrained.reports] == [[]]
    np.testing.assert_array_equal(retrained.satisfaction[:7], never.satisfaction[:7])
    assert (retrained.satisfaction[7:] != never.satisfaction[7:]).all()


@pytest.fixture
def world() -> Any:
    return drift._World("small", 60, 0, Drift(released=0.25, taste_half_life=30.0, elsewhere=3.0))


def test_tastes_wander_at_the_stated_speed_and_keep_their_variance(world: Any) -> None:
    before = world._tastes.user
    for day in range(60):
        world.visitors(day)
    now = world._tastes.user
    found = np.corrcoef(before.ravel(), now.ravel())[0, 1]
    assert abs(found - 0.25) < 4 / np.sqrt(before.size)  # two half-lives
    assert now.std() == pytest.approx(before.std(), rel=0.1)


def test_films_are_taken_from_the_day_of_their_release_on(world: Any) -> None:
    data, _ = generate_with_tastes("small")
    deployed, films = world.events(), len(data.movies.item)
    later = set(range(films)) - set(deployed.item.tolist())
    assert len(later & set((data.ratings.item - 1).tolist())) == pytest.approx(films / 4, abs=5)
    popular = Lists(settings=Settings()).fit(interactions(deployed)).model_
    place = drift._places(popular, films)
    for day in range(20):
        for user in world.visitors(day):
            world.visit(user, day, popular, place)
    events = world.events()
    new = events.timestamp > deployed.timestamp.max()
    begin = int(deployed.timestamp.max()) + 86_400
    first: dict[int, int] = {}
    for film, time in zip(events.item[new].tolist(), events.timestamp[new].tolist(), strict=True):
        if film in later:
            first[film] = min(first.get(film, time), time)
    # a quarter of 400 films in 60 days, evenly: no later than 34 in 20 days
    assert 15 <= len(first) <= 34
    order = sorted(first.values())
    for number, time in enumerate(order):  # the k-th taken is at least the k-th released
        assert (time - begin) // 86_400 >= number * 60 // 100
