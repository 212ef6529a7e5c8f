"""Whatever a file of ratings holds, its values are right or its faults are named."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recsys.datasets import DataError, DataSet, load
from recsys.fields import _SPELLINGS, NO_TIME
from tests.inputs import attempt, damaged
from tests.reliability import Tally

HEADER = ["user", "item", "rating", "timestamp"]
LONGEST = 1_000  # characters of a problem


class Rating(NamedTuple):
    user: str
    item: str
    rating: float
    timestamp: int


def values(data: DataSet) -> list[Rating]:
    """What was read, with people's own ids."""
    rows = data.ratings
    return [
        Rating(data.users.label(user), data.items.label(item), rating, timestamp)
        for user, item, rating, timestamp in zip(
            rows.user.tolist(),
            rows.item.tolist(),
            rows.rating.tolist(),
            rows.timestamp.tolist(),
            strict=True,
        )
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


def read(path: Path) -> list[Rating] | None:
    """What is read; None if it is refused, as it should be."""
    found, refusal = attempt(lambda: values(load(path)), DataError)
    for problem in refusal.found if refusal else ():
        assert Path(problem.file).parent == path.parent
        assert "CSV parse error" not in problem.words, "the library's words, without a line"
        assert "conversion error" not in problem.words
        assert len(str(problem)) < LONGEST
        assert problem.line is None or problem.line >= 1
    return found


FLAGS = b"|0" * 5 + b"|1" + b"|0" * 13
ITEMS = {
    "u.item": b"1|\xdcber (1990)|01-Jan-1990||http" + FLAGS + b"\n2|B|||" + FLAGS + b"\n",
    "movies.dat": b"1::A::Drama|Comedy\n2::Caf\xc3\xa9 (1999)::Children's\n",
    "items.csv": b'item,title,genres\n1,"A, B (2001)",Drama|War\nann,C,\n',
}

# What is well written is read


whole = st.integers(0, 2_999_999).map(str)
OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of text's direction
labels = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters=OVERRIDES),
    min_size=1,
).filter(lambda text: text.strip() and len(text.strip()) <= 256)
stars = st.integers(0, 500).map(lambda n: n / 100)
moments = st.integers(0, 4_102_444_800)
ends = st.sampled_from(["\n", "\r\n"])


def rows(ids: st.SearchStrategy[str]) -> st.SearchStrategy[list[Rating]]:
    return st.lists(st.builds(Rating, ids, ids, stars, moments), min_size=1, max_size=8)


def same(found: list[Rating] | None, wanted: Sequence[Rating]) -> None:
    assert found is not None
    assert found == [
        Rating(user.strip(), item.strip(), float(np.float32(rating)), timestamp)
        for user, item, rating, timestamp in wanted
    ]


@given(
    rows(whole | labels),
    st.permutations([*HEADER, "note"]),
    ends,
    st.booleans(),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["", "\n", "\n\n"]),
)
def test_csv(
    tally: Tally,
    folder: Path,
    rows: list[Rating],
    columns: list[str],
    end: str,
    mark: bool,
    quoting: Any,
    blank: str,
) -> None:
    tally("inputs tried", "files of ratings, well-formed")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator=end, quoting=quoting)
    writer.writeheader()
    text.write(blank)
    writer.writerows({**row._asdict(), "note": 'a, "b"'} for row in rows)
    path = folder / "mine.csv"
    path.write_bytes(text.getvalue().encode("utf-8-sig" if mark else "utf-8"))
    same(read(path), rows)


def beside(path: Path) -> Path:
    """A file of ratings in a folder of its own, with a table of movies."""
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    (folder / "u.item").write_bytes(ITEMS["u.item"])
    (folder / "movies.dat").write_bytes(ITEMS["movies.dat"])
    return folder / path.name


@given(rows(whole), st.sampled_from([("u.data", "\t"), ("ratings.dat", "::")]), ends, st.booleans())
def test_movielens(
    tally: Tally,
    folder: Path,
    rows: list[Rating],
    kind: tuple[str, str],
    end: str,
    ended: bool,
) -> None:
    tally("inputs tried", "files of ratings, well-formed")
    name, separator = kind
    lines = [separator.join(map(str, row)) for row in rows]
    path = beside(folder / name)
    path.write_text(end.join(lines) + end * ended, newline="")
    same(read(path), rows)


# What is damaged is read rightly or refused


CSV = b'user,item,rating,timestamp\n1,"b ""2""",3.5,4\nann,"c, d",4,5\n7,8,0.5,1700000000\n'
TABS = b"1\t2\t3\t4\n5\t6\t3.5\t880000000\n2999999\t0\t1\t0\n"
COLONS = TABS.replace(b"\t", b"::")


def by_csv(content: bytes) -> list[Rating] | None:
    """What Python's csv makes of it."""
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    header, *rows = [row for row in reader if row]
    assert all(len(row) == len(header) for row in rows)
    names = [re.sub(r"[\W_]", "", name.lower()) for name in header]
    at = [
        next((k for k, name in enumerate(names) if name in _SPELLINGS[wanted].split()), None)
        for wanted in HEADER
    ]
    if at == [None] * 4:  # there is no header
        rows = [header, *rows]
        timely = len(header[2:]) == 1 and re.fullmatch(r"\s*[1-9]\d{8,}\s*", header[2])
        at = [0, 1, None, 2] if timely else [*range(len(header)), None, None][:4]
    return [_rating(*("" if place is None else row[place] for place in at)) for row in rows]


def by_lines(content: bytes, separator: str) -> list[Rating]:
    """What splitting makes of it."""
    text = content.decode("utf-8-sig")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    rows = [_rating(*line.split(separator)) for line in lines if line]
    if separator == "::":  # whose ids may be texts
        return rows
    return [row._replace(user=str(int(row.user)), item=str(int(row.item))) for row in rows]


def _rating(user: str, item: str, rating: str, timestamp: str) -> Rating:
    return Rating(
        user.strip(),
        item.strip(),
        float(np.float32(float(rating or 1))),
        int(timestamp.strip() or NO_TIME),
    )


@given(damaged(CSV))
@example(CSV.replace(b",5\n", b"," + b"9" * 5_000 + b"\n"))  # no int() of so many digits
@example(CSV + b'""\n')
@example(CSV.replace(b"timestamp", b"times amp"))
@example(CSV.replace(b"rating", b"rat ing, "))
@example(b"7,8,0.5,1700000000\n")
@example(b"7,8,1700000000\n")
def test_damaged_csv(tally: Tally, folder: Path, content: bytes) -> None:
    tally("inputs tried", "files of ratings, damaged")
    path = folder / "mine.csv"
    path.write_bytes(content)
    found = read(path)
    if found is not None:
        assert found == by_csv(content)


@given(
    st.sampled_from([("u.data", TABS, "\t"), ("ratings.dat", COLONS, "::")]).flatmap(
        lambda kind: st.tuples(st.just(kind[0]), damaged(kind[1]), st.just(kind[2]))
    )
)
@example(("u.data", b"9" * 5_000 + b"\t2\t3\t4\n", "\t"))
@example(("u.data", b"\x0b1\t2\t3\t4\n", "\t"))  # white space for some, for others not
@example(("ratings.dat", b"\t1::2::3::4\n1\t2::3::4\n", "::"))
@example(("ratings.dat", b"1\x1f2::3::4\n", "::"))
@example(("ratings.dat", b"1\r" + COLONS[1:], "::"))
@example(("ratings.dat", b"\x80" + COLONS, "::"))
@example(("u.data", b"0x101" + TABS, "\t"))
@example(("u.data", TABS.rstrip(b"\n") + b"\n1\t2\t3\t0X10\n", "\t"))
@example(("ratings.dat", b"0x1" + COLONS, "::"))
def test_damaged_movielens(tally: Tally, folder: Path, file: tuple[str, bytes, str]) -> None:
    tally("inputs tried", "files of ratings, damaged")
    name, content, separator = file
    path = beside(folder / name)
    path.write_bytes(content)
    found = read(path)
    if found is not None:
        assert found == by_lines(content, separator)


@given(damaged(ITEMS["u.item"]) | damaged(ITEMS["movies.dat"]))
@example(ITEMS["u.item"].replace(b"1|", b" 1|", 1))
@example(ITEMS["u.item"].replace(b"1|", b"9" * 5_000 + b"|", 1))
def test_damaged_movies(tally: Tally, folder: Path, content: bytes) -> None:
    tally("inputs tried", "tables of movies, damaged")
    for name in ("u.data", "ratings.dat"):
        path = beside(folder / name)
        path.write_bytes(TABS if name == "u.data" else COLONS)
        for table in ("u.item", "movies.dat"):
            (path.parent / table).write_bytes(content)
        read(path)


@given(damaged(ITEMS["items.csv"]))
@example(b"9" * 5_000 + ITEMS["items.csv"])
def test_damaged_items(tally: Tally, folder: Path, content: bytes) -> None:
    tally("inputs tried", "tables of movies, damaged")
    path = folder / "items" / "mine.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CSV)
    path.with_name("items.csv").write_bytes(content)
    read(path)
