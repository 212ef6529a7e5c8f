"""The teacher's lines: which pairs they are about, what they say, where they are written."""

import json
from pathlib import Path

import numpy as np
import pytest

from recsys.datasets import Ratings, load, prepare
from recsys.datasets.export import export
from recsys.datasets.scale import Scale
from recsys.datasets.splits import split
from recsys.datasets.teacher import Opinions, _drawn, opinions


def planted() -> Ratings:
    """Users 10, 20, … like odd or even items; half of all pairs are rated."""
    random = np.random.default_rng(0)
    user, item = (rows.ravel() for rows in np.indices((30, 24)))
    rating = np.where((user + item) % 2, 5.0, 1.0)
    rows = Ratings(
        (10 * user + 10).astype(np.int32),
        (item + 3).astype(np.int32),
        rating.astype(np.float32),
        np.arange(len(user)),
    )
    return rows.take(random.random(len(user)) < 0.5)


@pytest.mark.parametrize(("pairs", "most"), [(7, 7), (7, 9), (7, 3)])
def test_as_many_pairs_as_there_is_room_for(pairs: int, most: int) -> None:
    found = _drawn(pairs, most, np.random.default_rng(0)).tolist()
    assert found == sorted(set(found)) and len(found) == min(pairs, most)
    assert set(found) <= set(range(pairs))


def test_opinions_are_of_all_pairs_and_true() -> None:
    train = planted()
    found = opinions(train, Scale.of(train.rating))
    asked = list(zip(found.rows.user.tolist(), found.rows.item.tolist(), strict=True))
    every = {(u, i) for u in set(train.user.tolist()) for i in set(train.item.tolist())}
    assert set(asked) == every and len(set(asked)) == len(asked)
    truth = np.array([5.0 if ((u - 10) // 10 + i - 3) % 2 else 1.0 for u, i in asked])
    assert np.mean(np.abs(found.rows.rating - truth)) < 0.5
    assert np.mean(found.liked == (truth > 3)) > 0.95
    assert found.words["lines"] == len(asked)


def test_the_lines_replace_those_of_the_training_channels_only(
    ml_100k: Path, tmp_path: Path
) -> None:
    data = load(ml_100k)
    parts = split(data)
    soft = Ratings(
        np.array([6, 6], np.int32),
        np.array([1, 2], np.int32),
        np.array([2.51, 4.0], np.float32),
        np.zeros(2, np.int64),
    )
    taught = Opinions(soft, np.array([0, 1], np.int8), {"lines": 2})
    plain = export(data, parts, tmp_path / "plain")
    mixed = export(data, parts, tmp_path / "mixed", taught=taught)
    assert mixed["teacher"] == {"lines": 2} and "teacher" not in plain
    assert mixed["train"] == plain["train"] == 20

    def lines(which: str, name: str) -> list[str]:
        file = tmp_path / which / "bucket/object2vec/movielens/input" / name
        return sorted(file.read_text().splitlines())

    for name, added in (
        ("rating/train/train_r.jsonl", ["2.51", "4.0"]),
        ("recommendation/train/train_c.jsonl", ["0", "1"]),
    ):
        expected = [
            f'{{"in0": [6], "in1": [{item}], "label": {label}}}'
            for item, label in zip((1, 2), added, strict=True)
        ]
        assert lines("mixed", name) == expected
    for name in ("rating/validation/validation_r.jsonl", "../ml-100k/ua.base"):
        assert lines("mixed", name) == lines("plain", name)


def test_the_command_asks_only_about_the_training_part(
    ml_100k: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Ratings] = []

    def ask(train: Ratings, scale: Scale, seed: int, **_: object) -> Opinions:
        seen.append(train)
        return Opinions(train.take(np.zeros(0, int)), np.zeros(0, np.int8), {"lines": 0})

    monkeypatch.setattr(prepare, "opinions", ask)
    from recsys.__main__ import main

    assert main(["prepare", "--data", str(ml_100k), "--out", str(tmp_path / "o"), "--teacher"]) == 0
    assert sorted(set(seen[0].user.tolist())) == [1, 2, 3, 4, 5]  # user 6 is ua.test's
    assert "that nobody gave" in capsys.readouterr().out
    assert json.loads((tmp_path / "o/manifest.json").read_text())["teacher"] == {"lines": 0}
