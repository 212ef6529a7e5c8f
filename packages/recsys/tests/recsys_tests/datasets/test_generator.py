import re

import numpy as np
import pytest

from recsys.datasets import GENRES, DataSet
from recsys.datasets.baselines import baselines
from recsys.datasets.generator import SIZES, generate
from recsys.datasets.splits import split


@pytest.fixture(scope="module")
def data() -> DataSet:
    return generate("100k", seed=0)


def test_its_shape(data: DataSet) -> None:
    rows = data.ratings
    assert (len(rows), rows.user.min(), rows.user.max()) == (100_000, 1, 943)
    assert data.movies.item.tolist() == list(range(1, 1_683))
    assert rows.item.min() >= 1
    assert rows.item.max() <= 1_682
    assert np.bincount(rows.user)[1:].min() >= 20
    pairs = rows.user.astype(np.int64) * 10_000 + rows.item
    assert len(np.unique(pairs)) == len(rows)
    assert np.unique(rows.rating).tolist() == [1, 2, 3, 4, 5]


def test_ratings_are_spread_as_movielens_are(data: DataSet) -> None:
    for rating in (data.ratings.rating, generate("100k", seed=3).ratings.rating):
        assert rating.mean(dtype=float) == pytest.approx(3.53, abs=0.1)
        assert rating.var(dtype=float) == pytest.approx(1.27, abs=0.1)


def test_few_films_have_most_ratings(data: DataSet) -> None:
    counts = np.sort(np.bincount(data.ratings.item, minlength=1_683)[1:])[::-1]
    assert counts[: len(counts) // 5].sum() > 0.5 * counts.sum()
    assert counts[0] < 0.6 * 943  # and no film is everyone's
    known = np.bincount(data.ratings.item)[[195, 286]]  # the workshop's ids can be learned
    assert known.min() > 20


def test_times_ascend_and_come_in_sessions(data: DataSet) -> None:
    rows = data.ratings
    gaps = np.diff(rows.timestamp)[np.diff(rows.user) == 0]
    assert gaps.min() >= 0
    assert np.median(gaps) < 120
    assert (gaps > 3600).mean() > 0.01
    assert rows.timestamp.min() >= 1_672_531_200  # 2023-01-01, after the last film
    assert data.movies.year.max() <= 2022


def test_the_seed_decides() -> None:
    one, same, other = generate("small", 1), generate("small", 1), generate("small", 2)
    for name in ("user", "item", "rating", "timestamp"):
        assert np.array_equal(getattr(one.ratings, name), getattr(same.ratings, name))
    assert one.movies.title == same.movies.title
    assert one.movies.title != other.movies.title
    assert not np.array_equal(one.ratings.rating, other.ratings.rating)
    assert (len(one.ratings), len(one.movies)) == (SIZES["small"][2], SIZES["small"][1])


def test_titles_are_catalogued_as_movielens_are(data: DataSet) -> None:
    titles = data.movies.title
    assert len(set(titles)) == len(titles)
    assert all(re.fullmatch(r"[A-Z][A-Za-z' ]+(, (The|A|An))? \(\d{4}\)", t) for t in titles)
    assert any(t.split(" (")[0].endswith(", The") for t in titles)
    assert not any(re.match(r"(The|A|An) ", t) for t in titles)
    assert all(f"({year})" in t for t, year in zip(titles, data.movies.year, strict=True))
    assert {genre for genres in data.movies.genres for genre in genres} <= set(GENRES[1:])


def test_tastes_can_be_learned_and_go_with_genres(data: DataSet) -> None:
    """Least squares by turns, on what the biases leave, beats them by far; its films cluster."""
    parts = split(data)
    train, validation = parts.train, parts.validation
    user, item = _factors(train.user, train.item, train.rating)
    error = np.mean((_score(user, item, validation.user, validation.item) - validation.rating) ** 2)
    figures = baselines(parts, data.scale)
    assert error < 0.75 * figures["rating_mse"]["bias"]
    right = (_score(user, item, validation.user, validation.item) > 3.5) == (validation.rating > 3)
    assert right.mean() > figures["recommendation_accuracy"]["bias"] + 0.05

    counts = np.bincount(train.item, minlength=len(item))
    known = np.argsort(-counts)[:200]
    places = item[known, 2:]
    distances = ((places[:, None] - places) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    flags = data.movies.flags()[known - 1]
    shares = (flags @ flags.T) > 0
    assert shares[np.arange(200), distances.argmin(1)].mean() > 0.75
    assert shares.mean() < 0.45


def _factors(
    user: np.ndarray, item: np.ndarray, rating: np.ndarray, rank: int = 6, shrink: float = 5.0
) -> tuple[np.ndarray, np.ndarray]:
    """User and item vectors whose first two parts are the biases; ridge regressions by turns."""
    random = np.random.default_rng(0)
    users = np.hstack([np.zeros((user.max() + 1, 1)), np.ones((user.max() + 1, 1))])
    items = np.hstack([np.ones((1_683, 1)), np.zeros((1_683, 1))])
    users = np.hstack([users, random.normal(0, 0.1, (len(users), rank))])
    items = np.hstack([items, random.normal(0, 0.1, (len(items), rank))])
    target = rating - rating.mean(dtype=float)
    for _ in range(5):
        _solve(items, users, item, user, target, free=[1, *range(2, rank + 2)], shrink=shrink)
        _solve(users, items, user, item, target, free=[0, *range(2, rank + 2)], shrink=shrink)
    users[:, 0] += rating.mean(dtype=float)
    return users, items


def _solve(
    mine: np.ndarray,
    theirs: np.ndarray,
    my: np.ndarray,
    their: np.ndarray,
    target: np.ndarray,
    free: list[int],
    shrink: float,
) -> None:
    fixed = [k for k in range(mine.shape[1]) if k not in free]
    order = np.argsort(my, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(my[order])) + 1):
        me = my[rows[0]]
        x = theirs[their[rows]]
        rest = target[rows] - x[:, fixed] @ mine[me, fixed]
        x = x[:, free]
        mine[me, free] = np.linalg.solve(x.T @ x + shrink * np.eye(len(free)), x.T @ rest)


def _score(users: np.ndarray, items: np.ndarray, user: np.ndarray, item: np.ndarray) -> np.ndarray:
    return np.asarray((users[user] * items[item]).sum(axis=1))
