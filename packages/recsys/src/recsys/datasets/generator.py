"""A made-up data set in MovieLens's shape, for when there is no other, and for any size.

Films lie in a space of taste, near others of their genres; so do users. What a user sees depends
on a film's fame and on taste; the rating on the user's and the film's bias, on taste and on chance.
Nothing in it is taken from MovieLens but the genres' names and the overall figures it aims at.
"""

import math
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from tqdm import tqdm

from recsys.datasets.ratings import GENRES, DataSet, MovieTable, Ratings
from recsys.datasets.titles import Titles

Floats = NDArray[np.float32]

SIZES = {
    "small": (240, 400, 16_000),
    "100k": (943, 1_682, 100_000),
    "1m": (6_040, 3_883, 1_000_000),
    "20m": (138_493, 26_744, 20_000_000),
}
"""Users, films and ratings by name; the larger ones are MovieLens's own."""

# Where a genre lies: thrill, darkness, tenderness, wit, depth, wonder; and how common it is.
_SPACE: dict[str, tuple[tuple[float, ...], float]] = {
    "Action": ((1.0, 0.3, -0.4, 0.0, -0.6, 0.0), 15),
    "Adventure": ((0.8, -0.2, 0.0, 0.1, -0.3, 0.6), 8),
    "Animation": ((0.0, -0.5, 0.2, 0.4, -0.1, 1.0), 4),
    "Children's": ((0.0, -0.8, 0.3, 0.3, -0.5, 1.0), 6),
    "Comedy": ((-0.2, -0.5, 0.1, 1.2, -0.5, 0.0), 28),
    "Crime": ((0.4, 0.8, -0.3, 0.2, 0.3, -0.5), 6),
    "Documentary": ((-0.7, 0.0, -0.3, -0.2, 1.3, 0.0), 3),
    "Drama": ((-0.5, 0.1, 0.4, -0.5, 0.8, -0.3), 36),
    "Fantasy": ((0.3, -0.1, 0.2, 0.1, -0.1, 1.0), 3),
    "Film-Noir": ((0.0, 1.0, 0.0, -0.2, 0.9, -0.4), 2),
    "Horror": ((0.5, 1.2, -0.5, 0.0, -0.7, 0.0), 6),
    "Musical": ((-0.4, -0.5, 0.7, 0.4, 0.1, 0.6), 3),
    "Mystery": ((0.1, 0.8, 0.0, -0.2, 0.6, 0.0), 4),
    "Romance": ((-0.4, -0.4, 1.2, 0.2, 0.0, -0.1), 12),
    "Sci-Fi": ((0.8, 0.2, -0.5, -0.1, 0.2, 0.6), 7),
    "Thriller": ((0.7, 0.8, -0.1, -0.4, 0.0, -0.4), 13),
    "War": ((0.6, 0.4, 0.1, -0.7, 0.7, -0.4), 4),
    "Western": ((0.7, 0.1, -0.1, 0.0, 0.2, -0.6), 3),
}
_AXES = 7  # those six, and the film's age
_SPREAD = (1.2, 1.1, 1.1, 1.0, 0.9, 0.9, 0.6)  # of users along them

# Standard deviations, in stars before rounding, of what a rating is made of.
_USER, _FILM, _TASTE, _CHANCE = 0.37, 0.37, 0.98, 0.43
_MIDDLE = 2.92

_AT_LEAST = 20  # ratings a user, as in MovieLens
_NEWEST, _OPENING = 2022, 1_672_531_200  # the last films' year; the first day is 2023-01-01
_DAY = 86_400
_ROWS = 1_000_000  # made at once


@dataclass(frozen=True, eq=False)
class _World:
    """The films, in groups of like ones.

    By film: its `place` in the space of taste, its `bias` and its `group`. By group: its `centre`
    in that space, and how `common` it is. `films` are sorted by group, and `fame` is the running
    sum of their shares in their group's fame, so that those of group k end at k + 1.
    """

    place: Floats
    bias: Floats
    group: NDArray[np.int64]
    films: NDArray[np.int32]
    fame: NDArray[np.float64]
    centre: Floats
    common: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tastes:
    """What the users of a generated data set like: the truth that its ratings are a sample of.

    Attributes:
        user: users in the space of taste, float32[users, axes].
        leniency: how many stars each user gives more than others, float32[users].
        film: films in the same space, float32[films, axes].
        quality: how many stars each film gets more than others, float32[films].
    """

    user: Floats
    leniency: Floats
    film: Floats
    quality: Floats

    def affinity(self, user: int, films: NDArray[np.integer]) -> NDArray[np.float64]:
        """How near a user's taste some films are, float64[films]; ids from 1."""
        return np.asarray(self.film[films - 1] @ self.user[user - 1], np.float64)

    def likes(self, user: int, films: NDArray[np.integer]) -> NDArray[np.float64]:
        """The probabilities that a user gives each of some films 4 stars or more; ids from 1."""
        return np.asarray(ndtr((self._stars(user, films) - 3.5) / _CHANCE), np.float64)

    def rate(
        self, user: int, films: NDArray[np.integer], random: np.random.Generator
    ) -> NDArray[np.float64]:
        """What a user rates some films, by chance; ids from 1."""
        stars = self._stars(user, films) + _CHANCE * random.standard_normal(len(films))
        return np.clip(np.rint(stars), 1, 5)

    def _stars(self, user: int, films: NDArray[np.integer]) -> NDArray[np.float64]:
        """What a user gives some films before chance and rounding."""
        stars = _MIDDLE + self.leniency[user - 1] + self.quality[films - 1]
        return np.asarray(stars + _TASTE * self.affinity(user, films), np.float64)


def generate(size: str = "100k", seed: int = 0) -> DataSet:
    """Make a data set of one of SIZES; the same seed makes the same one.

    Ratings are whole, from 1 to 5, with a mean of about 3.5 and a variance of about 1.27; every
    user has at least 20; ids count from 1, and the lower a film's id, the better known it is,
    roughly.
    """
    return generate_with_tastes(size, seed)[0]


def generate_with_tastes(size: str = "100k", seed: int = 0) -> tuple[DataSet, Tastes]:
    """Make the same data set as `generate`, and tell what its users like."""
    users, films, ratings = SIZES[size]
    random = np.random.default_rng(seed)
    movies, world = _films(films, random)
    counts = _activity(users, films, ratings, random)
    rows, taste, leniency = _rate(world, counts, random)
    words = f"generated, in the shape of MovieLens: {ratings:,} invented ratings (seed {seed})"
    data = DataSet(ratings=rows, movies=movies, source=words, format="generated")
    return data, Tastes(user=taste, leniency=leniency, film=world.place, quality=world.bias)


def _films(number: int, random: np.random.Generator) -> tuple[MovieTable, _World]:
    """The table of films, and where they lie."""
    names = GENRES[1:]
    space = np.array([_SPACE[name][0] for name in names])
    space /= np.linalg.norm(space, axis=1, keepdims=True)
    common = np.array([_SPACE[name][1] for name in names], float)

    groups = round(math.sqrt(number))
    near = np.exp(2.5 * space @ space.T) * common
    np.fill_diagonal(near, 0)
    genres: list[tuple[int, ...]] = []
    for first in random.choice(len(names), groups, p=common / common.sum()):
        more = random.choice(3, p=(0.3, 0.45, 0.25))
        others = random.choice(len(names), more, replace=False, p=near[first] / near[first].sum())
        genres.append((int(first), *others.tolist()))
    centre = np.array([space[list(g)].mean(axis=0) for g in genres])
    centre += random.normal(0, 0.15, centre.shape)
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)

    size = random.dirichlet(np.full(groups, 3.0))
    group = np.sort(
        np.concatenate([np.arange(groups), random.choice(groups, number - groups, p=size)])
    )
    quality = random.normal(size=number)
    fame = 0.9 * random.normal(size=number) + 0.45 * quality
    fame = np.minimum(1.5 * fame, 0.9 + 0.75 * fame)  # a long tail, but no film that is all
    order = np.argsort(-fame + random.normal(0, 0.4, number))  # roughly, the well known come first
    group, quality, fame = group[order], quality[order], fame[order]
    year = _NEWEST - np.minimum(random.exponential(13, number), 90).astype(np.int32)
    age = np.clip((_NEWEST - 13 - year) / 20, -0.7, 2.0)[:, None] * 0.35
    place = centre[group] + random.normal(0, 0.12, (number, space.shape[1]))
    place = np.hstack([place, age])

    titles = Titles(random)
    kinds = [tuple(names[g] for g in genres[k]) for k in group]
    rows = [
        (film, titles.make(kind, int(when)), kind, int(when))
        for film, (kind, when) in enumerate(zip(kinds, year, strict=True), start=1)
    ]
    films = np.argsort(group, kind="stable")
    weight = np.exp(fame)
    total = np.bincount(group, weight, groups)
    share = np.cumsum((weight / total[group])[films])
    world = _World(
        place=place.astype(np.float32),
        bias=(_FILM * quality).astype(np.float32),
        group=group,
        films=films.astype(np.int32),
        fame=share,
        centre=centre.astype(np.float32),
        common=total / total.sum(),
    )
    return MovieTable.of(rows), world


def _activity(
    users: int, films: int, ratings: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """How many ratings each user gives: long-tailed, never above two fifths of the films."""
    most = films * 2 // 5
    eager = random.lognormal(0, 1.1, users)
    low, high = 0.0, float(ratings)
    for _ in range(60):  # the scale that gives the total
        scale = (low + high) / 2
        counts = np.minimum(_AT_LEAST + (eager * scale).astype(np.int64), most)
        low, high = (scale, high) if counts.sum() <= ratings else (low, scale)
    counts = np.minimum(_AT_LEAST + (eager * low).astype(np.int64), most)
    free = np.flatnonzero(counts < most)
    rest = ratings - int(counts.sum())
    counts[random.choice(free, rest, replace=rest > len(free))] += 1
    return counts


def _rate(
    world: _World, counts: NDArray[np.int64], random: np.random.Generator
) -> tuple[Ratings, Floats, Floats]:
    """All ratings, sorted by user and time, made for some users at a time to save memory.

    Also each user's taste and leniency.
    """
    rows = Ratings(
        *(np.empty(counts.sum(), kind) for kind in (np.int32, np.int32, np.float32, np.int64))
    )
    ends = np.cumsum(counts)
    tastes: list[tuple[Floats, Floats]] = []
    first = done = 0
    with tqdm(
        desc="generating", total=len(rows), unit=" ratings", unit_scale=True, disable=None
    ) as bar:
        while first < len(counts):
            last = max(first + 1, int(np.searchsorted(ends, done + _ROWS, side="right")))
            chosen = slice(done, int(ends[last - 1]))
            tastes.append(_rate_some(world, counts[first:last], first, rows, chosen, random))
            bar.update(chosen.stop - chosen.start)
            first, done = last, chosen.stop
    taste, leniency = map(np.concatenate, zip(*tastes, strict=True))
    return rows, taste, leniency


def _rate_some(
    world: _World,
    counts: NDArray[np.int64],
    first: int,
    rows: Ratings,
    chosen: slice,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:
    """The ratings of the users from `first` on, written to the chosen rows; their tastes."""
    users = len(counts)
    taste = (random.normal(size=(users, _AXES)) * _SPREAD).astype(np.float32)
    bias = random.normal(0, _USER, users).astype(np.float32)
    user, film = _watch(world, taste, counts, random)
    affinity = np.einsum("rk,rk->r", taste[user], world.place[film])
    score = _MIDDLE + bias[user] + world.bias[film] + _TASTE * affinity
    score += _CHANCE * random.standard_normal(len(user), np.float32)
    rows.user[chosen] = user + first + 1
    rows.item[chosen] = film + 1
    rows.rating[chosen] = np.clip(np.rint(score), 1, 5)
    rows.timestamp[chosen] = _sessions(counts, random)
    return taste, bias


def _watch(
    world: _World, taste: Floats, counts: NDArray[np.int64], random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Who saw what: different films for each user, sorted by user, in the order of watching.

    A film is drawn by way of its group: the group by its fame and the user's taste, then the film
    by its fame. Films that a user has seen already are drawn again, ever less by fame.
    """
    users, films = len(counts), len(world.films)
    liking = np.exp(0.7 * taste[:, : world.centre.shape[1]] @ world.centre.T) * world.common
    groups = liking.shape[1]
    share = np.cumsum(liking, axis=1)
    share /= share[:, -1:]
    share += np.arange(users)[:, None]
    share_of_all = share.ravel()

    seen = np.empty(0, np.int64)
    missing = counts
    for attempt in count():
        user = np.repeat(np.arange(users), missing)
        group = np.searchsorted(share_of_all, user + random.random(len(user)), side="right")
        group = np.minimum(group - user * groups, groups - 1)
        place = np.searchsorted(world.fame, group + random.random(len(user)), side="right")
        if attempt >= 5:  # what is well known is seen by now
            anything = random.random(len(user)) < 0.1 * (attempt - 4)
            place = np.where(anything, random.integers(0, films, len(user)), place)
        film = world.films[np.minimum(place, films - 1)]
        seen = np.sort(np.concatenate([seen, user * films + film]))
        seen = seen[np.append(True, np.diff(seen) != 0)]
        missing = counts - np.bincount(seen // films, minlength=users)
        if not missing.any():
            break
    user, film = np.divmod(seen, films)
    # Films of a kind are watched together: the order is mostly the user's mood for their group.
    mood = random.random((users, groups), np.float32)
    when = 0.6 * mood[user, world.group[film]] + 0.4 * random.random(len(user), np.float32)
    order = np.argsort(user + when * 0.999, kind="stable")
    return user[order], film[order].astype(np.int32)


def _sessions(counts: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Times of each user's ratings, ascending: evenings some days apart, a film every moment."""
    users, total = len(counts), int(counts.sum())
    starts = np.cumsum(counts) - counts
    length = np.repeat(np.maximum(25, counts / 100), counts)
    fresh = random.random(total) < 1 / length
    fresh[starts] = True
    session = np.cumsum(fresh) - 1
    opening = np.flatnonzero(fresh)

    gap = 1 + random.exponential(3, len(opening)).astype(np.int64)
    day = np.cumsum(gap)
    first = session[starts]
    joined = random.integers(0, 360, users)
    day += np.repeat(joined - day[first], np.diff(np.append(first, len(opening))))
    hour = np.clip(random.normal(20, 2.5, len(opening)), 7, 23)
    start = _OPENING + day * _DAY + (hour * 3600).astype(np.int64)

    pause = np.minimum(2 + random.exponential(25, total), 600).astype(np.int64)
    pause[opening] = 0
    elapsed = np.cumsum(pause)
    times: NDArray[np.int64] = start[session] + elapsed - elapsed[opening][session]
    return times
