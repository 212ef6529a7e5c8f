from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.datasets import DataError, DataSet, MovieTable, Ratings, load
from recsys.datasets.splits import split


def data_set(users: list[int], times: list[int] | None = None) -> DataSet:
    rows = Ratings(
        np.array(users, np.int32),
        np.arange(len(users), dtype=np.int32),
        np.full(len(users), 3, np.float32),
        np.array(times if times is not None else range(len(users)), np.int64),
    )
    return DataSet(ratings=rows, movies=MovieTable.of([]), source="test", format="csv")


def test_the_shipped_split_is_the_default_where_there_is_one(ml_100k: Path) -> None:
    parts = split(load(ml_100k))
    assert len(parts.train) == 20
    assert parts.validation.user.tolist() == [6] * 4
    (ml_100k / "ua.base").unlink()
    parts = split(load(ml_100k))
    assert np.bincount(parts.validation.user)[1:].tolist() == [1] * 6  # one of two to nine


def test_the_shipped_files_are_checked(ml_100k: Path) -> None:
    (ml_100k / "ua.test").write_text("1\t2\t3\n")
    data = load(ml_100k)
    with pytest.raises(DataError, match=r"ua\.test:1: has 3 fields where 4"):
        split(data)
    with pytest.raises(DataError, match=r"u1\.base: is missing(.|\n)*u1\.test: is missing"):
        split(data, "u1")


@settings(deadline=None, max_examples=60)
@given(
    users=st.lists(st.integers(0, 5), min_size=2, max_size=120),
    held_out=st.integers(1, 12),
    seed=st.integers(0, 3),
)
def test_per_user_holds_out_what_it_says(users: list[int], held_out: int, seed: int) -> None:
    data = data_set(users)
    counts = {user: users.count(user) for user in set(users)}
    fifth = {user: count // 5 or int(count > 1) for user, count in counts.items()}
    expected = {user: min(held_out, count) for user, count in fifth.items()}
    if not any(expected.values()):
        with pytest.raises(DataError, match="too few"):
            split(data, "per-user", held_out=held_out, seed=seed)
        return
    parts = split(data, "per-user", held_out=held_out, seed=seed)
    for user, count in expected.items():
        assert (parts.validation.user == user).sum() == count
    both = np.concatenate([parts.train.item, parts.validation.item])
    assert sorted(both.tolist()) == list(range(len(users)))  # each row once
    again = split(data, "per-user", held_out=held_out, seed=seed)
    assert again.validation.item.tolist() == parts.validation.item.tolist()


def test_per_user_chooses_at_random() -> None:
    data = data_set([1] * 1000)
    chosen = split(data, "per-user", held_out=100).validation.item
    assert 350 < chosen.mean() < 650  # eleven standard deviations of a fair choice
    other = split(data, "per-user", held_out=100, seed=1).validation.item
    assert chosen.tolist() != other.tolist()


def test_by_time_holds_out_the_newest() -> None:
    times = [50, 10, 90, 20, 80, 30, 70, 40, 60, 100]
    parts = split(data_set([1] * 10, times), "by-time", fraction=0.3)
    assert sorted(parts.validation.timestamp.tolist()) == [80, 90, 100]
    assert sorted(parts.train.timestamp.tolist()) == [10, 20, 30, 40, 50, 60, 70]
    with pytest.raises(DataError, match="too few"):
        split(data_set([1] * 9), "by-time")


def test_splits_that_do_not_exist(ml_100k: Path) -> None:
    with pytest.raises(ValueError, match="per-user, by-time or one of ua"):
        split(load(ml_100k), "leave-one-out")
    with pytest.raises(ValueError, match="only MovieLens 100k ships"):
        split(data_set([1, 1]), "ua")


def test_newest_of_repeated_ratings() -> None:
    rows = Ratings(
        np.array([1, 1, 2, 1, 2], np.int32),
        np.array([7, 7, 7, 8, 7], np.int32),
        np.array([1, 2, 3, 4, 5], np.float32),
        np.array([20, 10, 30, 5, 30], np.int64),
    )
    assert rows.newest().rating.tolist() == [1, 4, 5]  # the later row where equally new
