import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.datasets import DataError, load
from recsys.datasets.problems import MAX_PROBLEMS

HEADER = "user,item,rating,timestamp\n"


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def found(path: Path, **columns: str) -> list[tuple[str, int | None, str | None]]:
    with pytest.raises(DataError) as caught:
        load(path, columns)
    return [(Path(p.file).name, p.line, p.field) for p in caught.value.found]


# What is read


def test_movielens_100k(ml_100k: Path) -> None:
    data = load(ml_100k)
    assert data.format == "ml-100k"
    assert data.ratings.user[:5].tolist() == [1, 1, 1, 1, 2]
    assert data.ratings.item[:5].tolist() == [1, 2, 3, 5, 1]
    assert data.ratings.rating[:5].tolist() == [1, 3, 5, 4, 4]
    assert data.ratings.timestamp[4] == 880_002_001
    assert [str(data.ratings.user.dtype), str(data.ratings.item.dtype)] == ["int32", "int32"]
    assert [str(data.ratings.rating.dtype), str(data.ratings.timestamp.dtype)] == [
        "float32",
        "int64",
    ]
    assert data.movies.title[0] == "Über Falls (1990)"
    assert data.movies.genres == (("Action",), ("Comedy",), ("Drama",), ("unknown",))
    assert data.movies.year.tolist() == [1990, 1992, 0, 2006]  # the release date counts first
    assert np.argwhere(data.movies.flags()).tolist() == [[0, 1], [1, 5], [2, 8], [3, 0]]
    assert load(ml_100k / "u.data").format == "ml-100k"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_movielens_1m(tmp_path: Path, encoding: str) -> None:
    write(tmp_path / "ratings.dat", "1::7::5::978300760\r\n2::8::3.5::978302109\r\n")
    write(tmp_path / "movies.dat", "7::Café (1999)::Children's|Comedy\n8::B::Drama\n", encoding)
    data = load(tmp_path)
    assert data.format == "ml-1m"
    assert data.ratings.rating.tolist() == [5, 3.5]
    assert data.movies.title == ("Café (1999)", "B")
    assert data.movies.genres == (("Children's", "Comedy"), ("Drama",))


def test_movielens_latest(tmp_path: Path) -> None:
    write(tmp_path / "ratings.csv", "userId,movieId,rating,timestamp\n1,7,0.5,1\n9,8,4.5,2\n")
    write(
        tmp_path / "movies.csv",
        'movieId,title,genres\n7,"Lamp, The (2006–2007)",Children|IMAX\n8,X,(no genres listed)\n',
    )
    data = load(tmp_path)
    assert data.format == "ml-csv"
    assert data.ratings.user.tolist() == [1, 9]
    assert data.movies.title == ("Lamp, The (2006–2007)", "X")
    assert data.movies.year.tolist() == [2006, 0]
    # Children counts as Children's (flag 4); what fits nothing is unknown (flag 0)
    assert np.argwhere(data.movies.flags()).tolist() == [[0, 4], [1, 0]]


def test_own_csv_with_everything_that_spreadsheets_do_to_it(tmp_path: Path) -> None:
    text = (
        "\ufeffTimestamp, Rating ,ITEM_ID,note,User\r\n"
        '100,4.5,"b,1",x,zoë\r\n'
        "\r\n"
        "200,3, a ,,adam\r\n"
    )
    write(tmp_path / "items.csv", "Item,Title\nc,Sea (2001)\na,Hill\n")
    data = load(write(tmp_path / "mine.csv", text))
    assert data.format == "csv"
    assert [data.users.label(n) for n in data.ratings.user.tolist()] == ["zoë", "adam"]
    assert [data.items.label(n) for n in data.ratings.item.tolist()] == ["b,1", "a"]
    assert data.ratings.rating.tolist() == [4.5, 3]
    assert data.ratings.timestamp.tolist() == [100, 200]
    assert dict(zip(data.movies.item.tolist(), data.movies.title, strict=True)) == {
        data.items.number("a"): "Hill",
        data.items.number("b,1"): "b,1",
        data.items.number("c"): "Sea (2001)",
    }
    assert any("1 item without a title" in note for note in data.notes)


def test_columns_are_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", "who,what,stars,at,user\n1,2,3,4,no\n")
    data = load(path, {"user": "Who", "item": "what", "rating": "stars", "timestamp": "at"})
    assert data.ratings.user.tolist() == [1]
    assert data.ratings.item.tolist() == [2]


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        (["5", "2999999", "0"], [5, 2_999_999, 0]),  # small whole numbers keep themselves
        (["5", "3000000"], [1, 2]),
        (["30000000", "5"], [2, 1]),  # numbered by size
        (["7", "007"], [2, 1]),  # two ids, not one
        (["x", "10", "9"], [3, 1, 2]),
    ],
)
def test_which_ids_are_numbered(tmp_path: Path, labels: list[str], numbers: list[int]) -> None:
    lines = "".join(f"{label},1,3,4\n" for label in labels)
    data = load(write(tmp_path / "mine.csv", HEADER + lines))
    assert data.ratings.user.tolist() == numbers
    assert [data.users.label(n) for n in numbers] == labels
    assert [data.users.number(label) for label in labels] == numbers


OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of text's direction
ids = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters=OVERRIDES),
    min_size=1,
    max_size=9,
)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=20))
def test_every_id_comes_back(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    with (tmp_path / "mine.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["user", "item", "rating", "timestamp"])
        writer.writerows((user, item, 3, 4) for user, item in pairs)
    data = load(tmp_path / "mine.csv")
    users = [data.users.label(n) for n in data.ratings.user.tolist()]
    items = [data.items.label(n) for n in data.ratings.item.tolist()]
    assert list(zip(users, items, strict=True)) == pairs
    assert data.ratings.user.min() >= 0
    assert data.ratings.user.max() < 3_000_000


# What is refused


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ("1,2,good,4", "rating", '"good" is not a number'),
        ("1,2,,4", "rating", '"" is not a number'),
        ("1,2,nan,4", "rating", '"nan" is not a number'),
        ("1,2,inf,4", "rating", '"inf" is not a number'),
        ("1,2,-2e9,4", "rating", "-2e9 is larger than 1,000,000,000"),
        ("1,2,1e10,4", "rating", "1e10 is larger than 1,000,000,000"),
        ("1,2,3,noon", "timestamp", '"noon" is not a whole number'),
        ("1,2,3,2026-11-22", "timestamp", "write seconds since 1970-01-01 UTC"),
        ("1,2,3,4.5", "timestamp", "not a whole number"),
        ("1,2,3,-4", "timestamp", "before 1970"),
        ("1,2,3,1700000000000", "timestamp", "milliseconds"),
        (",2,3,4", "user", "is empty"),
        ("1,  ,3,4", "item", "is empty"),
        ("1," + "x" * 257 + ",3,4", "item", "has 257 characters; ids have 1 to 256"),
        ('1,"a\nb",3,4', "item", "line break"),
        ('1,"a\rb",3,4', "item", "line break"),
        ("1,2,3", None, "has 3 fields where 4 are expected"),
        ("1,2,3,4,5", None, "has 5 fields where 4 are expected"),
    ],
)
def test_a_bad_row(tmp_path: Path, row: str, field: str | None, words: str) -> None:
    path = write(tmp_path / "mine.csv", f"{HEADER}1,2,3,4\n{row}\n5,6,3,4\n")
    with pytest.raises(DataError) as caught:
        load(path)
    (problem,) = caught.value.found
    assert problem.file == str(path)
    assert problem.line == (4 if "\n" in row else 3)
    assert problem.field == field
    assert words in problem.words
    assert str(problem) in str(caught.value)


def test_an_id_of_256_characters_is_no_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", f"{HEADER}{'x' * 256},2,3,4\n")
    assert load(path).users.label(1) == "x" * 256


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_line_without_end_is_told_of_and_not_taken_apart(tmp_path: Path, end: str) -> None:
    long = "1,2,3,4;" * 400_000
    path = write(tmp_path / "mine.csv", f"{HEADER}1,2,3,4\n{long}{end}" + "1,2,x,4\n" * bool(end))
    with pytest.raises(DataError) as caught:
        load(path)
    problem, *others = caught.value.found
    assert (problem.line, problem.field) == (3, None)
    assert problem.words == "is longer than 1,000,000 bytes; put each row on its own"
    assert [(one.line, one.field) for one in others] == ([(4, "rating")] if end else [])


def test_all_problems_at_once_in_both_files(tmp_path: Path) -> None:
    write(tmp_path / "ratings.dat", "1::2::3::4\n1::x::y::4\n\n1::2::3\n1::2::3::-1\n")
    write(tmp_path / "movies.dat", "2::A::Drama\n2::B::Drama\nC::D\n")
    assert found(tmp_path) == [
        ("ratings.dat", 2, "rating"),
        ("ratings.dat", 4, None),
        ("ratings.dat", 5, "timestamp"),
        ("movies.dat", 2, "item"),
        ("movies.dat", 3, None),
    ]


def test_problems_are_listed_up_to_a_stated_number(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", HEADER + "1,2,x,4\n" * 500)
    with pytest.raises(DataError) as caught:
        load(path)
    *listed, last = caught.value.found
    assert [p.line for p in listed] == list(range(2, 2 + MAX_PROBLEMS))
    assert f"after {MAX_PROBLEMS} problems" in last.words


@pytest.mark.parametrize(
    ("header", "fields", "words"),
    [
        ("user,thing", ["item"], "--columns item=…"),
        (
            "user,item,rating,timestamp,Rating",
            [
                None,
            ],
            'has "rating" twice',
        ),
        ("user,userId,item,rating,timestamp", ["user"], "could be user or userId"),
        ("1,2,3,4", [None], "has no header"),
    ],
)
def test_a_bad_header(tmp_path: Path, header: str, fields: list[str | None], words: str) -> None:
    path = write(tmp_path / "mine.csv", header + "\n1,2,3,4\n")
    with pytest.raises(DataError) as caught:
        load(path)
    assert [(p.line, p.field) for p in caught.value.found] == [(1, field) for field in fields]
    assert words in str(caught.value)


def test_a_mapped_column_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", HEADER + "1,2,3,4\n")
    assert found(path, user="who") == [("mine.csv", 1, "user")]
    assert found(path, user="item") == [("mine.csv", 1, None)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (HEADER.encode(), "holds no ratings"),
        ((HEADER + "1,2,3,4\n").encode("utf-16"), "UTF-16"),
        (HEADER.encode() + b"1,caf\xe9,3,4\n", "mine.csv:2: is not in UTF-8"),
    ],
)
def test_a_bad_file(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        load(path)


def test_bad_items(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", HEADER + "1,2,3,4\n")
    write(tmp_path / "items.csv", 'item,title,genres\n1,A,B\n1,C,D\n,E,F\n2,,G\n3,H\n"4\r5",I,J\n')
    assert found(path) == [
        ("items.csv", 3, "item"),
        ("items.csv", 4, "item"),
        ("items.csv", 5, "title"),
        ("items.csv", 6, None),
        ("items.csv", 7, "item"),
    ]


def test_bad_u_item(ml_100k: Path) -> None:
    lines = (ml_100k / "u.item").read_bytes().decode("latin-1").splitlines()
    lines[1] = lines[1][:-1] + "2"
    lines[2] = "x" + lines[2][1:]
    lines[3] = lines[3][:-2]
    write(ml_100k / "u.item", "\n".join(lines), "latin-1")
    assert found(ml_100k) == [
        ("u.item", 2, "Western"),
        ("u.item", 3, "item"),
        ("u.item", 4, None),
    ]
    (ml_100k / "u.item").unlink()
    with pytest.raises(DataError, match=r"u\.item: is missing"):
        load(ml_100k)


def test_folders_that_hold_nothing_known(tmp_path: Path, ml_100k: Path) -> None:
    with pytest.raises(DataError, match=f"give {ml_100k}"):
        load(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="unpack it"):
        load(write(tmp_path / "ml-100k.zip", "PK"))
    other = tmp_path / "other"
    other.mkdir()
    write(other / "clicks.csv", HEADER)
    write(other / "colours.csv", HEADER)
    with pytest.raises(DataError, match=r"clicks\.csv, colours\.csv: give the file .* a pattern"):
        load(other)


CELLS = st.one_of(
    st.sampled_from(["1", "3.5", " 4", "7 ", "", "nan", "inf", "-1", "+3", "1e1", ".5", "5."]),
    st.sampled_from(["1_0", "1,5", "NA", "null", "٣", "1e400", "99999999999999999999", "-0"]),
    st.integers(-5, 5_000_000_000).map(str),
    st.floats(width=32).map(str),
)


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rating=CELLS, timestamp=CELLS)
def test_a_cell_is_read_exactly_or_named(tmp_path: Path, rating: str, timestamp: str) -> None:
    """The quick reading and the exact one agree on every spelling of a number."""
    path = write(tmp_path / "mine.csv", f'{HEADER}1,2,3,4\n1,2,"{rating}","{timestamp}"\n')
    wrong: set[str | None] = set()
    try:
        data = load(path)
        read = data.ratings.rating[1], data.ratings.timestamp[1]
    except DataError as error:
        problems = error.found
        wrong = {problem.field for problem in problems}
    if wrong:
        assert [problem.line for problem in problems] == [3] * len(wrong)
        assert wrong <= {"rating", "timestamp"}
        return
    assert math.isclose(read[0], float(rating), rel_tol=1e-6, abs_tol=1e-37)
    assert read[1] == int(timestamp)
