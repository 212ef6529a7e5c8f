"""An audience and a catalogue that change: what retraining the lists is worth, with a known truth.

The users are those of a generated data set, whose ratings are what is deployed. From then on, day
by day, tastes wander, the fame of films moves, and films are released that nobody has rated. Users
come, take films that they found elsewhere, look at a list and click on it by the model of
`recsys.experiments.audience`. All of it becomes events, from which the lists may learn again:
lists are made and retrained, behind the gate, by the classes that the functions use.

* `Drift`: what changes, and how fast.
* `simulate`: the satisfaction of one deployment, day by day.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from recsys.datasets.generator import generate_with_tastes
from recsys.experiments.audience import seen
from recsys.experiments.sequences import Floats
from recsys.lists.gate import Events, Limits
from recsys.lists.model import Catalogue, ListModel
from recsys.lists.retraining import Rivals, interactions, retrain
from recsys.lists.training import Lists

LENGTH: Final = 10  # of lists
_DAY: Final = 86_400
_LIMITS: Final = Limits(coverage=0.05, volume=0.8, unknown=0.2, drift=0.25)  # the settings' own
_AFFINITY: Final = 0.7  # how much taste counts in what users take elsewhere, as in the generator


@dataclass(frozen=True)
class Drift:
    """What changes.

    Attributes:
        released: the share of the films that are released after the deployment, evenly over the
            days.
        new: by how much the logarithm of a film's fame is higher on the day of its release; this
            halves every `new_half_life` days.
        fame_half_life: days after which the correlation of the logarithm of a film's fame with what
            it was is a half.
        taste_half_life: the same of users' tastes.
        visits: the chance that a user comes on a day.
        elsewhere: films that a visitor takes elsewhere, on average.
    """

    released: float = 0.33
    new: float = 3.0
    new_half_life: float = 30.0
    fame_half_life: float = 90.0
    taste_half_life: float = 120.0
    visits: float = 0.1
    elsewhere: float = 2.0


@dataclass(frozen=True)
class Course:
    """What happened to one deployment.

    Attributes:
        satisfaction: the expected number of clicks on a list, the mean of a day's lists.
        possible: the same for the lists of who knows the tastes.
        fresh: the share of released films in the lists.
        reports: of each retraining, in the form of `recsys.lists.report.document`, with its `day`.
    """

    satisfaction: Floats
    possible: Floats
    fresh: Floats
    reports: list[dict[str, Any]] = field(default_factory=list)


def simulate(
    size: str = "100k",
    *,
    every: int | None,
    days: int = 120,
    seed: int = 0,
    drift: Drift | None = None,
    limits: Limits = _LIMITS,
    new: Callable[[], Lists] = Lists,
) -> Course:
    """The course of a deployment.

    With the same seed, users, films, what becomes of them, and who comes when are the same, however
    often the lists are retrained.

    Args:
        size: as for `recsys.datasets.generator.generate`.
        every: days between retrainings; None for none.
        days: how long.
        seed: of all chance.
        drift: what changes.
        limits: of the gate.
        new: makes the estimator.
    """
    world = _World(size, days, seed, drift or Drift())
    last = world.events()
    model, generation = new().fit(interactions(last)).model_, 0
    course = Course(np.zeros(days), np.zeros(days), np.zeros(days))
    for day in range(days):
        place = _places(model, world.films)
        found = [world.visit(user, day, model, place) for user in world.visitors(day)]
        for row, values in zip(
            (course.satisfaction, course.possible, course.fresh),
            zip(*found, strict=True),
            strict=True,
        ):
            row[day] = np.mean(values)
        if every and (day + 1) % every == 0 and day + 1 < days:
            now = world.events()
            number = 1 + len(course.reports)
            rivals = Rivals(number, generation, last, now, model, limits)
            lists, report = retrain(rivals, new)
            course.reports.append({**report, "day": day + 1})
            if lists is not None:
                last, model, generation = now, lists.model_, number
    return course


class _World:
    """Users, films, and what users took.

    Args:
        size, days, seed, drift: as for `simulate`.

    Attributes:
        films: how many there are.
    """

    def __init__(self, size: str, days: int, seed: int, drift: Drift) -> None:
        data, self._tastes = generate_with_tastes(size, seed)
        self._drift, self._seed = drift, seed
        self.films = len(self._tastes.film)
        self._ids = np.arange(1, self.films + 1)
        random = np.random.default_rng((seed, 1))
        later = random.permutation(self.films)[: round(drift.released * self.films)]
        self._released = np.full(self.films, -1)
        self._released[later] = np.arange(len(later)) * days // max(1, len(later))

        rows, film = data.ratings, data.ratings.item - 1
        counts = np.bincount(film, minlength=self.films)
        level = np.log1p(counts)
        self._middle, self._spread = float(level.mean()), float(level.std())
        self._fame = (level - self._middle) / self._spread
        self._scale = self._tastes.user.std(axis=0)
        self._changes = random  # of fame and tastes, day by day
        self._day = -1

        old = self._released[film] < 0
        self._begin = int(rows.timestamp.max()) + _DAY
        users = len(self._tastes.user)
        self._taken = np.zeros((users, self.films), bool)
        self._taken[rows.user[old] - 1, film[old]] = True
        self._history: list[list[tuple[int, float | None, int]]] = [[] for _ in range(users)]
        columns = (rows.user - 1, film, rows.rating, rows.timestamp)
        order = np.lexsort((film, rows.timestamp))
        for row in zip(*(each[order][old[order]].tolist() for each in columns), strict=True):
            self._history[row[0]].append(row[1:])
        self._catalogue = Catalogue.of(
            [
                {"id": str(number + 1), "title": "", "year": None, "genres": []}
                for number in range(self.films)
            ]
        )

    def visitors(self, day: int) -> list[int]:
        """Who comes on a day, when everything has changed by another day."""
        assert day == self._day + 1, "days follow each other"
        self._day = day
        self._fame = self._wandered(self._fame, self._drift.fame_half_life, 1.0)
        taste = self._wandered(self._tastes.user, self._drift.taste_half_life, self._scale)
        self._tastes = replace(self._tastes, user=taste)
        random = np.random.default_rng((self._seed, 2, day))
        return np.flatnonzero(random.random(len(taste)) < self._drift.visits).tolist()

    def _wandered(self, values: Any, half_life: float, scale: Any) -> Any:
        """A day's step of a process that keeps its variance (Ornstein and Uhlenbeck's)."""
        keep = 0.5 ** (1 / half_life)
        steps = scale * self._changes.normal(size=values.shape)
        return keep * values + math.sqrt(1 - keep**2) * steps

    def visit(
        self, user: int, day: int, model: ListModel, place: Sequence[int | None]
    ) -> tuple[float, float, float]:
        """A user takes films elsewhere, looks at a list and clicks.

        Args:
            user, day: who and when.
            model: makes the list.
            place: of each film in the model.

        Returns:
            The expected clicks on the list, and on the best one, and the share of new films.
        """
        random = np.random.default_rng((self._seed, 3, day, user))
        time = self._begin + day * _DAY + int(random.integers(0, _DAY - 3600))
        self._elsewhere(user, day, time, random)

        pairs = ((place[film], value) for film, value, _ in self._history[user])
        history = model.history([(at, value) for at, value in pairs if at is not None])
        best = model.best(model.scores(history), LENGTH, without=history.items)
        films = np.array([int(model.catalogue.ids[one]) - 1 for one in best.tolist()], np.int64)
        likes = self._tastes.likes(user + 1, self._ids)
        chance = likes[films] * seen(len(films))
        there = np.where((self._released <= day) & ~self._taken[user], likes, 0.0)
        ideal = np.sort(there)[: -LENGTH - 1 : -1]
        for film in films[random.random(len(films)) < chance].tolist():
            self._take(user, film, None, time + 60)
        fresh = float(np.mean(self._released[films] >= 0))
        return float(chance.sum()), float(ideal @ seen(LENGTH)), fresh

    def _elsewhere(self, user: int, day: int, time: int, random: np.random.Generator) -> None:
        """What a user finds without a list, by fame and taste, and rates."""
        age = day - self._released
        new = self._drift.new * 0.5 ** (np.maximum(age, 0) / self._drift.new_half_life)
        level = self._middle + self._spread * self._fame + np.where(self._released >= 0, new, 0.0)
        weight = level + _AFFINITY * self._tastes.affinity(user + 1, self._ids)
        weight += random.gumbel(size=self.films)  # so that the largest are drawn by exp(weight)
        weight[(age < 0) | self._taken[user]] = -np.inf
        films = np.argsort(-weight)[: random.poisson(self._drift.elsewhere)]
        ratings = self._tastes.rate(user + 1, films + 1, random)
        for film, value in zip(films.tolist(), ratings.tolist(), strict=True):
            self._take(user, film, value, time)

    def _take(self, user: int, film: int, value: float | None, time: int) -> None:
        self._taken[user, film] = True
        self._history[user].append((film, value, time))

    def events(self) -> Events:
        """All that users did, as a retraining gathers it."""
        user = np.repeat(np.arange(len(self._history)), [len(own) for own in self._history])
        rows = np.array([row for own in self._history for row in own], np.float64)  # None is NaN
        return Events(
            user=user,
            item=rows[:, 0].astype(np.int64),
            value=rows[:, 1].astype(np.float32),
            timestamp=rows[:, 2].astype(np.int64),
            catalogue=self._catalogue,
            unknown=np.empty(0, np.int64),
        )


def _places(model: ListModel, films: int) -> list[int | None]:
    return [model.place(str(number + 1)) for number in range(films)]
