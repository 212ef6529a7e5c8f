"""Events without ratings: views, likes, purchases, with counts or without."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.__main__ import main
from recsys.datasets import load

ROWS = [(user, item) for user in range(1, 9) for item in range(1, 7) if (user + item) % 3]


def prepared(folder: Path, text: str, *options: str) -> dict[str, Any]:
    (folder / "events.csv").write_text(text, "utf-8")
    arguments = ["prepare", "--data", str(folder / "events.csv"), "--out", str(folder / "out")]
    assert main([*arguments, *options]) == 0
    manifest: dict[str, Any] = json.loads((folder / "out" / "manifest.json").read_text("utf-8"))
    return manifest


def lines(folder: Path, key: str) -> list[str]:
    return (folder / "out" / "bucket" / key).read_text("utf-8").splitlines()


def test_likes_train_only_what_needs_no_ratings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "user,item\n" + "".join(f"{user},{item}\n" for user, item in ROWS)
    manifest = prepared(tmp_path, text)
    said = capsys.readouterr().out
    assert "deep_mf and factorization_machines need ratings and are left out" in said
    assert "rating MSE" not in said
    assert "10 random items of each user held out" in said
    assert "no times, so all rows count as of one moment" in said
    assert manifest["scale"] == {"least": 1, "most": 1, "step": None, "liked": 1, "events": True}
    assert manifest["baselines"] == {}
    assert list(manifest["keys"]["input"]) == ["retrieval"]
    written = lines(tmp_path, manifest["keys"]["input"]["retrieval"]["train"])
    assert len(written) == manifest["train"]
    assert {json.loads(line)["label"] for line in written} == {1}
    assert len(written) + manifest["validation"] == len(ROWS)
    paths = {path.name for path in (tmp_path / "out" / "bucket").rglob("*") if path.is_file()}
    assert not {"train_r.jsonl", "train_c.jsonl", "train.recordio"} & paths


def test_ratings_that_are_all_the_same_count_as_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "user,item,rating\n" + "".join(f"{user},{item},5\n" for user, item in ROWS)
    assert prepared(tmp_path, text)["scale"]["events"] is True
    assert "all ratings are 5, so they count as events" in capsys.readouterr().out


def test_repeated_events_add_up_and_count_more_often(tmp_path: Path) -> None:
    """User 1 bought item 1 three times, 8 pieces in all; all others are one piece each."""
    rows = [(1, 1, 2, 50), (1, 1, 5, 70), (1, 1, 1, 60)]
    rows += [(user, item, 1, 10) for user, item in ROWS if (user, item) != (1, 1)]
    text = "user,item,quantity,time\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    (tmp_path / "events.csv").write_text(text)
    totals = load(tmp_path / "events.csv").ratings.totals()
    assert len(totals) == len(rows) - 2
    (row,) = np.flatnonzero((totals.user == 1) & (totals.item == 1))
    assert (totals.rating[row], totals.timestamp[row]) == (8, 70)
    assert sorted(totals.rating)[-2] == 1

    manifest = prepared(tmp_path, text)
    path = tmp_path / "out" / "bucket" / "personalize"
    with (path / "custom" / "interactions.csv").open() as file:
        amounts = {
            (one["USER_ID"], one["ITEM_ID"]): float(one["EVENT_VALUE"])
            for one in csv.DictReader(file)
        }
    assert amounts["1", "1"] == 8
    trained = [
        json.loads(line)
        for line in lines(tmp_path, manifest["keys"]["input"]["retrieval"]["train"])
    ]
    # eight times as much as the least: four times as often, if it is not held out
    ones = [one for one in trained if one["in0"] == [1] and one["in1"] == [1]]
    assert len(ones) in (0, 4)


def test_every_event_is_a_watch(tmp_path: Path) -> None:
    text = "user,item\n" + "".join(f"{user},{item}\n" for user, item in ROWS)
    prepared(tmp_path, text)
    path = tmp_path / "out" / "bucket" / "personalize" / "domain" / "interactions.csv"
    with path.open() as file:
        kinds = [one["EVENT_TYPE"] for one in csv.DictReader(file)]
    assert (kinds.count("Watch"), kinds.count("Click")) == (len(ROWS), len(ROWS))


def test_a_teacher_is_refused_without_ratings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.csv").write_text("user,item\n1,2\n1,3\n")
    arguments = ["prepare", "--data", str(tmp_path / "events.csv"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--teacher"]) == 1
    assert "the data have none" in capsys.readouterr().err
