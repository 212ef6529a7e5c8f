"""catalogue.json and the manifest's keys, by which everything else finds its data."""

import json
from pathlib import Path
from typing import Any

import pytest

from recsys.datasets import load
from recsys.datasets.export import export
from recsys.datasets.splits import split


def exported(data: Path, out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest, and the catalogue that it names."""
    found = load(data)
    manifest = export(found, split(found), out)
    return manifest, json.loads((out / "bucket" / manifest["keys"]["catalogue"]).read_text("utf-8"))


def test_catalogue_of_movielens_100k_tells_what_u_item_tells(ml_100k: Path, tmp_path: Path) -> None:
    manifest, catalogue = exported(ml_100k, tmp_path / "out")
    assert catalogue["version"] == manifest["version"] == 1
    fields = ("item", "id", "title", "year", "genres", "ratings")
    # every user but the sixth, whose ratings are the test part, rated each of them
    assert [tuple(one[field] for field in fields) for one in catalogue["items"]] == [
        (1, "1", "Über Falls (1990)", 1990, ["Action"], 5),
        (2, "2", "Quiet Lamp, The (1991)", 1992, ["Comedy"], 5),
        (3, "3", "NoYear", None, ["Drama"], 5),
        (5, "5", "Span (2006-2007)", 2006, [], 5),  # its genre is called unknown
    ]
    assert all(set(one) == {*fields, "attributes"} for one in catalogue["items"])
    assert all(one["attributes"] == {} for one in catalogue["items"])
    assert manifest["genres"] == ["Action", "Comedy", "Drama"]


def test_catalogue_of_other_data_keeps_their_ids_titles_and_genres(tmp_path: Path) -> None:
    rows = [f"{user},{item},4,100" for user in "ab" for item in ("x-1", "y")]
    (tmp_path / "mine.csv").write_text("\n".join(["user,item,rating,timestamp", *rows]))
    (tmp_path / "items.csv").write_text(
        'item,title,genres\nx-1,"東京 “Ō” (2001)",Noir|Sci|Fi\nz,Unrated,\n', "utf-8"
    )
    out = tmp_path / "out"
    manifest, catalogue = exported(tmp_path / "mine.csv", out)
    # numbered in the order of their ids: x-1, y, z; y has no title
    assert [
        (one["item"], one["id"], one["title"], one["year"], one["genres"])
        for one in catalogue["items"]
    ] == [
        (1, "x-1", "東京 “Ō” (2001)", 2001, ["Noir", "Sci", "Fi"]),
        (2, "y", "y", None, []),
        (3, "z", "Unrated", None, []),
    ]
    assert manifest["genres"] == ["Fi", "Noir", "Sci"]
    training = (out / "bucket" / manifest["keys"]["ratings"]).read_text().splitlines()
    items = [line.split("\t")[1] for line in training]
    counts = [one["ratings"] for one in catalogue["items"]]
    assert counts == [items.count("1"), items.count("2"), 0]
    # one line an item, so that the file can be searched and compared
    text = (out / "bucket" / manifest["keys"]["catalogue"]).read_text("utf-8")
    assert [line.startswith('{"item": ') for line in text.splitlines()] == [
        False,
        *[True] * 3,
        False,
    ]


def test_other_columns_of_the_items_are_attributes_and_long_texts_are_not(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("reader,book,rating\na,x,1\na,y,5\nb,x,4\nb,y,2\n")
    long = "and so on " * 20
    books = [
        {"isbn": "x", "title": "X", "author": "Лев Толстой", "tags": ["a", "b"], "blurb": long},
        {"isbn": "y", "title": "Y", "author": "", "tags": [], "blurb": "short", "pages": 120},
    ]
    (tmp_path / "books.jsonl").write_text("\n".join(map(json.dumps, books)), "utf-8")
    _, catalogue = exported(tmp_path, tmp_path / "out")
    assert [one["attributes"] for one in catalogue["items"]] == [
        {"author": ["Лев Толстой"], "tags": ["a", "b"]},
        {"pages": ["120"]},
    ]
    assert "columns of items with long texts left out: blurb" in load(tmp_path).notes


@pytest.mark.parametrize("numbered", [False, True])
def test_every_key_of_the_manifest_is_there_and_nothing_else_is(
    ml_100k: Path, tmp_path: Path, numbered: bool
) -> None:
    data = ml_100k
    if numbered:
        data = tmp_path / "mine.csv"
        data.write_text("user,item,rating,timestamp\nanna,x,4,1\nben,x,3,2\nanna,y,1,3\n")
    manifest, _ = exported(data, tmp_path / "out")
    keys = manifest["keys"]
    bucket = tmp_path / "out" / "bucket"
    named = {keys[name] for name in ("catalogue", "ratings", "held_out", "items", "interactions")}
    named |= {key for channels in keys["input"].values() for key in channels.values()}
    named |= set(keys["rest"].values())
    named |= {keys["ids"]} if numbered else set()
    written = {path.relative_to(bucket).as_posix() for path in bucket.rglob("*") if path.is_file()}
    prefixes = keys["personalize"], keys["histories"]
    assert {one for one in written if not one.startswith(prefixes)} == named
    # the AWS workshop's keys, to the letter
    assert keys["ratings"] == "object2vec/movielens/ml-100k/ua.base"
    assert keys["items"] == "object2vec/movielens/ml-100k/u.item"
    assert (
        keys["input"]["rating"]["train"] == "object2vec/movielens/input/rating/train/train_r.jsonl"
    )
    assert keys["output"]["object2vec"] == "object2vec/movielens/output/"
