"""The words for items, users and events, found in a table's header or given."""

import json
from pathlib import Path

import pytest

from recsys.__main__ import main
from recsys.datasets.nouns import Nouns, counted, parse


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("reader,book,rating", ("book", "books", "reader", "readers", "read")),
        ("Customer_ID,ASIN,overall", ("product", "products", "customer", "customers", "bought")),
        ("userId,movieId,rating", ("movie", "movies", "user", "users", "watched")),
        ("uid,item,rating", ("item", "items", "user", "users", "liked")),
    ],
)
def test_words_come_from_the_header_and_stand_in_manifest_and_catalogue(
    tmp_path: Path, header: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "mine.csv").write_text(f"{header}\na,x,1\nb,x,5\na,y,4\nb,y,2\n")
    arguments = ["prepare", "--data", str(tmp_path / "mine.csv"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    path = tmp_path / "out" / "bucket" / manifest["keys"]["catalogue"]
    catalogue = json.loads(path.read_text("utf-8"))
    found = manifest["nouns"]
    assert tuple(found[name] for name in ("item", "items", "user", "users", "event")) == words
    assert catalogue["nouns"] == found


def test_given_words_count_more_than_the_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.csv").write_text("reader,book,rating\na,x,1\na,y,5\n")
    arguments = ["prepare", "--data", str(tmp_path / "mine.csv"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--nouns", "item=Gedicht/Gedichte,user=person/people"]) == 0
    told = capsys.readouterr().out
    assert "2 ratings by 1 person of 2 Gedichte" in told
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["nouns"]["event"] == "read"


@pytest.mark.parametrize("text", ["book", "item=", "item=/", "items=books", "item=a,,", "a=b"])
def test_words_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="item=book"):
        parse(text)


@pytest.mark.parametrize(
    ("number", "noun", "expected"),
    [
        (1, "user", "1 user"),
        (0, "user", "0 users"),
        (1200, "story", "1,200 stories"),
        (2, "toy", "2 toys"),
        (2, "dish", "2 dishes"),
    ],
)
def test_nouns_follow_their_number(number: int, noun: str, expected: str) -> None:
    assert counted(number, noun) == expected


def test_movielens_is_of_movies_that_users_watched(ml_100k: Path, tmp_path: Path) -> None:
    assert main(["prepare", "--data", str(ml_100k), "--out", str(tmp_path / "out")]) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert (
        manifest["nouns"]
        == Nouns().as_json()
        == {
            "item": "movie",
            "items": "movies",
            "user": "user",
            "users": "users",
            "event": "watched",
        }
    )
