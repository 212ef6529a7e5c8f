"""Amazon Personalize's files, line by line."""

import json
from pathlib import Path

import numpy as np
import pytest

from recsys.datasets import DataError, DataSet, Ids, MovieTable, Ratings, personalize
from recsys.datasets.personalize import notes


def data_set(**more: object) -> DataSet:
    ratings = Ratings(
        user=np.array([1, 2, 1, 2], np.int32),
        item=np.array([1, 1, 2, 3], np.int32),
        rating=np.array([5, 1, 1.5, 3.5], np.float32),
        timestamp=np.array([40, 10, 30, 20], np.int64),
    )
    movies = MovieTable.of(
        [
            (1, "One (1999)", ["Drama", "War"], 0),
            (2, "Two (2006–2007)", ["unknown"], 0),
            (3, "Three", ["A|B", "C\r\nD"], 0),
            (4, "Four (2001)", [], 0),
        ]
    )
    return DataSet(ratings=ratings, movies=movies, source="made up", format="csv", **more)  # type: ignore[arg-type]


def written(folder: Path, group: str, name: str) -> list[str]:
    text = (folder / "personalize" / group / f"{name}.csv").read_text("utf-8")
    return text.removesuffix("\n").split("\n")


def test_ratings_are_interactions_in_the_order_of_time(tmp_path: Path) -> None:
    personalize.export(data_set(), tmp_path)
    assert written(tmp_path, "custom", "interactions") == [
        "USER_ID,ITEM_ID,EVENT_TYPE,EVENT_VALUE,TIMESTAMP",
        "2,1,Rating,1,10",
        "2,3,Rating,3.5,20",
        "1,2,Rating,1.5,30",
        "1,1,Rating,5,40",
    ]


def test_a_watch_is_a_click_too_and_a_1_is_neither(tmp_path: Path) -> None:
    personalize.export(data_set(), tmp_path)
    assert written(tmp_path, "domain", "interactions") == [
        "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP",
        "2,3,Click,20",
        "2,3,Watch,20",
        "1,2,Click,30",
        "1,1,Click,40",
        "1,1,Watch,40",
    ]


def test_items_exist_since_their_first_rating(tmp_path: Path) -> None:
    personalize.export(data_set(), tmp_path)
    for group, none in (("custom", ""), ("domain", "unknown")):
        assert written(tmp_path, group, "items") == [
            "ITEM_ID,GENRES,YEAR,CREATION_TIMESTAMP",
            "1,Drama|War,1999,10",
            f"2,{none},2006,30",
            "3,A/B|C D,,20",
            f"4,{none},2001,10",
        ]
        schema = json.loads((tmp_path / "personalize" / group / "items.schema.json").read_text())
        genres = {"name": "GENRES", "type": ["null", "string"], "categorical": True}
        assert schema["fields"][1] == (genres if none == "" else {**genres, "type": "string"})
        assert not (tmp_path / "personalize" / group / "users.csv").exists()


def test_what_is_odd_about_the_items_is_told() -> None:
    assert notes(data_set()) == [
        "titles with a span of years, of which the first counts: 1",
        "items without a year, which no filter by year finds: 1",
        "items without a genre, which no filter by genre finds: 2",
    ]


def test_ids_are_peoples_own(tmp_path: Path) -> None:
    ids = Ids(('a "b"', "c,d"))
    personalize.export(data_set(users=ids), tmp_path)
    assert written(tmp_path, "custom", "interactions")[1] == '"c,d",1,Rating,1,10'
    assert written(tmp_path, "domain", "interactions")[5] == '"a ""b""",1,Watch,40'


def test_columns_stand_in_their_schemas_order(tmp_path: Path) -> None:
    personalize.export(data_set(), tmp_path)
    schemas = list((tmp_path / "personalize").rglob("*.schema.json"))
    assert len(schemas) == 4
    for path in schemas:
        schema = json.loads(path.read_text("utf-8"))
        name = path.name.removesuffix(".schema.json")
        assert schema["name"] == name.capitalize()
        header = written(tmp_path, path.parent.name, name)[0]
        assert header == ",".join(field["name"] for field in schema["fields"])


def test_movielens_100k_says_something_about_users(tmp_path: Path) -> None:
    (tmp_path / "u.user").write_text("1|24|M|art\x85ist|85711\n2|53|F|other|94043\n", "latin-1")
    out = tmp_path / "out"
    data = data_set()
    data = DataSet(**{**vars(data), "format": "ml-100k", "folder": tmp_path})
    personalize.export(data, out)
    assert written(out, "domain", "users") == [
        "USER_ID,AGE,GENDER,OCCUPATION",
        "1,24,M,art\x85ist",
        "2,53,F,other",
    ]
    (tmp_path / "u.user").write_text("1|24|M|technician|85711\n2|old|F|other|94043\n3\n")
    with pytest.raises(DataError) as caught:
        personalize.export(data, tmp_path / "again")
    assert [problem.line for problem in caught.value.found] == [2, 3]
