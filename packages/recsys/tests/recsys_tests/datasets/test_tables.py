"""Tables as people have them: each form gives the same ratings, or advice that works."""

import bz2
import gzip
import json
import lzma
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.datasets import DataError, DataSet, load, split, tables
from recsys.datasets.export import export
from tests.inputs import attempt
from tests.reliability import Tally

ROWS = [
    ("李 0003", "it-2", 4.5, 1_302_631_528),
    ("007", "Ünder", 1.0, 1_306_237_657),
    ("7", "it-2", 3.0, 1_304_136_805),
]
HEADER = ("user", "item", "rating", "timestamp")


def read(path: Path, **options: Any) -> list[tuple[Any, ...]]:
    """Rows as they were read, with the data's own ids."""
    return values(load(path, **options))


def values(data: DataSet) -> list[tuple[Any, ...]]:
    rows = data.ratings
    return [
        (data.users.label(user), data.items.label(item), rating, stamp)
        for user, item, rating, stamp in zip(
            rows.user.tolist(),
            rows.item.tolist(),
            rows.rating.tolist(),
            rows.timestamp.tolist(),
            strict=True,
        )
    ]


def table(separator: str = ",", header: bool = True, **spelled: Callable[[Any], str]) -> str:
    """ROWS as text, some of their columns spelled otherwise."""
    lines = [separator.join(HEADER)] if header else []
    for row in ROWS:
        cells = [spelled.get(name, str)(cell) for name, cell in zip(HEADER, row, strict=True)]
        lines.append(separator.join(cells))
    return "\n".join(lines) + "\n"


def moment(form: str) -> Callable[[Any], str]:
    return lambda stamp: datetime.fromtimestamp(stamp, UTC).strftime(form)


def comma(rating: Any) -> str:
    return str(rating).replace(".", ",")


TEXTS = {
    "commas": table(),
    "byte order mark": "\ufeff" + table(),
    "semicolons": table(";"),
    "tabs": table("\t"),
    "bars": table("|"),
    "decimal commas": table(";", rating=comma),
    "decimal commas between tabs": table("\t", rating=comma),
    "no header": table(header=False),
    "no header, semicolons": table(";", header=False, rating=comma),
    "Excel's first line": "\ufeffsep=,\r\n" + table().replace("\n", "\r\n"),
    "Excel's first line, semicolons": "sep=;\n" + table(";"),
    "old Mac's line ends": table().replace("\n", "\r"),
    "dates and times": table(timestamp=moment("%Y-%m-%d %H:%M:%S")),
    "dates and times of ISO 8601": table(timestamp=moment("%Y-%m-%dT%H:%M:%S.000Z")),
    "times of UTC": table(timestamp=moment("%Y-%m-%d %H:%M:%S UTC")),
    "milliseconds": table(timestamp=lambda stamp: f"{stamp}123"),
    "nanoseconds": table(timestamp=lambda stamp: f"{stamp}000000123"),
    "quoted": "\n".join(",".join(f'"{cell}"' for cell in row) for row in (HEADER, *ROWS)),
    "other names": table().replace(
        "user,item,rating", "User-ID;ISBN;Book-Rating".replace(";", ",")
    ),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_form_of_text_gives_the_same_rows(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(text.encode())
    assert read(path) == ROWS


@pytest.mark.parametrize("name", ["purchased_at", "OrderDate", "Invoice date", "viewed_at"])
def test_times_of_a_shop_are_recognised_by_their_columns_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(table().replace("timestamp", name), "utf-8")
    assert read(path) == ROWS


@pytest.mark.parametrize("zone", ["+02:00", "+0200", "+02"])
def test_times_of_a_zone_are_brought_to_utc(tmp_path: Path, zone: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        f"user,item,rating,timestamp\n1,2,3,2011-04-12 20:05:28{zone}\n1,3,3,2011-04-12\n"
    )
    # 2011-04-12 18:05:28 UTC is 1302631528; the day began 18:05:28 earlier
    assert [row[3] for row in read(path)] == [1_302_631_528, 1_302_631_528 - 65_128]


@pytest.mark.parametrize(
    "packed", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"]
)
@pytest.mark.parametrize("name", ["mine.csv", "mine.csv.gz"])
def test_packed_files_are_told_by_what_they_hold(
    tmp_path: Path, packed: Callable[[bytes], bytes], name: str
) -> None:
    (tmp_path / name).write_bytes(packed(table().encode()))
    assert read(tmp_path / name) == ROWS


def test_a_file_that_is_only_called_packed_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.csv.gz").write_text(table(), "utf-8")
    assert read(tmp_path / "mine.csv.gz") == ROWS


def test_a_damaged_packed_file_is_refused(tmp_path: Path) -> None:
    content = gzip.compress(table().encode() * 100)
    for cut in (20, len(content) - 1):
        (tmp_path / "mine.csv.gz").write_bytes(content[:cut])
        with pytest.raises(DataError, match="damaged"):
            load(tmp_path / "mine.csv.gz")


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.json"])
@pytest.mark.parametrize("form", ["lines", "list", "mixed"])
def test_json(tmp_path: Path, name: str, form: str) -> None:
    objects: list[dict[str, Any]] = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
    if form == "mixed":  # ids that are numbers here and texts there
        objects[2]["user"] = 7
    lines = [json.dumps(one, ensure_ascii=False) for one in objects]
    text = f"[{', '.join(lines)}]" if form == "list" else "\n".join(lines)
    (tmp_path / name).write_text(text, "utf-8")
    assert read(tmp_path / name) == ROWS


def test_json_ids_that_look_like_dates_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"user": "2011-04-09", "item": 1, "rating": 3}\n')
    assert read(tmp_path / "mine.jsonl")[0][0] == "2011-04-09"


@pytest.mark.parametrize(
    ("lines", "line", "field"),
    [
        (['{"user": 1, "item": 2, "rating": 3}', '{"user": 1, "item": '], 2, None),
        (['{"user": 1, "item": 2, "rating": 3}', '{"user": 1, "rating": 3}'], 2, "item"),
        (
            ['{"user": 1, "item": 2, "rating": 3}', '{"user": 1, "item": {}, "rating": 3}'],
            2,
            "item",
        ),
        (['{"user": 1, "item": 2, "rating": "good"}'], 1, "rating"),
        (['{"user": 1, "thing": 2, "rating": 3}'], 1, "item"),
        (['{"user": "\\ud83d\\ude00", "item": 2}', '{"user": "\\ude00", "item": 2}'], 2, None),
        (['{"user": 1, "item": 2}', f'{{"user": {"[" * 200_000}'], 2, None),
    ],
)
def test_a_bad_json_object_is_named_with_its_line(
    tmp_path: Path, lines: list[str], line: int, field: str | None
) -> None:
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError) as caught:
        load(tmp_path / "mine.jsonl")
    assert [(one.line, one.field) for one in caught.value.found] == [(line, field)]


@pytest.mark.parametrize("whole", [True, False])
def test_parquet(tmp_path: Path, whole: bool) -> None:
    users, items, ratings, stamps = zip(*ROWS, strict=True)
    moments = pa.array([stamp * 1000 for stamp in stamps], pa.timestamp("ms"))
    found = pa.table(
        {
            "reviewerID": pa.array(users).dictionary_encode(),
            "asin": items,
            "overall": pa.array(ratings, pa.float64() if whole else pa.float32()),
            "date": moments,
            "text": ["a", "b", None],
        }
    )
    pq.write_table(found, tmp_path / "reviews.parquet")
    assert read(tmp_path / "reviews.parquet") == ROWS


def test_parquet_ids_that_became_floats_are_whole_numbers_again(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"user": [1.0, 2.0], "item": [76561197960000001, 5], "rating": [3, 4]}),
        tmp_path / "mine.parquet",
    )
    assert [row[:3] for row in read(tmp_path / "mine.parquet")] == [
        ("1", "76561197960000001", 3),
        ("2", "5", 4),
    ]


def test_parquet_without_a_value_is_refused_with_its_row(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"user": [1, None], "item": [1, 2], "rating": [3.0, float("nan")]}),
        tmp_path / "mine.parquet",
    )
    with pytest.raises(DataError) as caught:
        load(tmp_path / "mine.parquet")
    assert [(one.line, one.field) for one in caught.value.found] == [(2, "user"), (2, "rating")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("mine.xlsx", b"PK\x03\x04\x14\x00\x06\x00", "save it as CSV"),
        ("mine.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as CSV"),
        ("mine.zip", b"PK\x03\x04\x14\x00\x00\x00", "unpack it"),
        ("mine.parquet", b"PAR1 and nothing else PAR1", "no whole Parquet file"),
        ("mine.json", b"[1, 2", "is not JSON"),
        ("mine.csv", b"who,what\na,b\n", "--columns user=…"),
        ("mine.csv", b"1,2,3,4,5\n", "--columns user=1,item=2"),
    ],
)
def test_what_is_not_read_is_refused_with_advice(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(tmp_path / name)
    assert words in str(caught.value)


def _many_names(path: Path) -> None:
    rows = [{"user": "a", "item": "b", 'k"rating' if k % 2 else f"k{k}": k} for k in range(600)]
    rows += [{"user": "a", "item": "b", f'k{k}"item': k} for k in range(600)]
    path.write_text("\n".join(map(json.dumps, rows)))


def _same_row(path: Path) -> None:
    texts = pa.array(["x" * 200] * 30_000)
    pq.write_table(pa.table({"user": texts, "item": texts}), path)


def _packed(path: Path) -> None:
    path.write_bytes(lzma.compress(b"user,item\n" + b"1,2\n" * 2_000_000))


@pytest.mark.parametrize(
    ("name", "written", "words"),
    [
        ("mine.jsonl", _many_names, r"different names in its objects"),
        ("mine.parquet", _same_row, "far larger in memory"),
        ("mine.csv.xz", _packed, "unpack it, and give the file"),
    ],
)
def test_a_file_that_grows_beyond_measure_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tally: Tally,
    name: str,
    written: Callable[[Path], None],
    words: str,
) -> None:
    monkeypatch.setattr(tables, "_UNPACKED", 1 << 20)
    monkeypatch.setattr(tables, "_TABLE", 1 << 20)
    written(tmp_path / name)
    with pytest.raises(DataError, match=words):
        load(tmp_path / name)
    tally("inputs tried", "files that unpack to far more")


def test_an_encoding_can_be_named_and_counts_only_where_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,rating\n李,1,3\n", "utf-8")
    (tmp_path / "movies.csv").write_text("item,title\n1,Amélie’s day\n", "cp1252")
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    (problem,) = caught.value.found
    advice = "--encoding cp1252 (with make: ENCODING=cp1252)"
    assert (problem.line, advice in problem.words) == (2, True)
    with pytest.raises(DataError, match=r"movies\.csv:2: .*control character '\\x92'"):
        load(tmp_path, encoding="latin-1")  # which would lose the apostrophe
    data = load(tmp_path, encoding="cp1252")
    assert data.users.labels == ("李",)
    assert data.movies.title == ("Amélie’s day",)
    with pytest.raises(DataError, match="not in ascii"):
        load(tmp_path, encoding="ascii")
    with pytest.raises(DataError, match="unknown encoding"):
        load(tmp_path, encoding="cp9999")


def test_columns_of_a_table_without_a_header_are_named_by_number(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("x,4,9,1302631528,7\n")
    data = load(path, {"user": "5", "item": "3", "rating": "2", "timestamp": "4"})
    assert values(data) == [("7", "9", 4, 1_302_631_528)]
    for wrong in ({"user": "5", "item": "6"}, {"user": "1", "item": "1"}, {"user": "1"}):
        with pytest.raises(DataError, match="--columns user=1"):
            load(path, wrong)


def test_several_files_are_read_as_one(tmp_path: Path) -> None:
    for number, row in enumerate(ROWS):
        text = "user,item,rating,timestamp\n" + ",".join(map(str, row)) + "\n"
        (tmp_path / f"ratings-{number}.csv").write_text(text, "utf-8")
    (tmp_path / "books.csv").write_text(
        "isbn,title,category\nit-2,Träume,Poetry|Kochbuch\n", "utf-8"
    )
    for path in (tmp_path, tmp_path / "ratings-*.csv"):
        data = load(path)
        assert values(data) == ROWS
        assert data.movies.title[data.movies.row[data.items.number("it-2")]] == "Träume"
        assert ("Poetry", "Kochbuch") in data.movies.genres
    (tmp_path / "ratings-1.csv").write_text("user,item,rating,timestamp\n1,2,x,4\n")
    with pytest.raises(DataError, match=r"ratings-1\.csv:2: rating"):
        load(tmp_path)


def test_two_whole_tables_of_ratings_in_a_folder_are_not_guessed_among(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(table(), "utf-8")
    (tmp_path / "ratings.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"ratings\.csv, ratings\.parquet; give the one"):
        load(tmp_path)


def test_items_in_json_have_lists_of_genres(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,rating\n1,a,3\n1,b,4\n")
    lines = [
        {"item": "a", "title": "Красная", "genres": ["Poetry", "Физика"], "year": 1999},
        {"item": "b", "title": "日本文学", "genres": [], "year": None},
    ]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (tmp_path / "about.jsonl").write_text(text, "utf-8")
    movies = load(tmp_path / "ratings.csv", items=tmp_path / "about.jsonl").movies
    assert movies.title == ("Красная", "日本文学")
    assert movies.genres == (("Poetry", "Физика"), ())
    assert movies.year.tolist() == [1999, 0]


def test_ids_of_ratings_dat_may_be_texts_with_zeros(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::0119940::2::1302631528\n1::7008973::10::4\n")
    (tmp_path / "movies.dat").write_text("0119940::Film 1 (2011)::Drama|Short\n")
    data = load(tmp_path)
    assert values(data) == [("1", "0119940", 2, 1_302_631_528), ("1", "7008973", 10, 4)]
    assert data.movies.title == ("Film 1 (2011)", "7008973")


@pytest.mark.parametrize("given", ["", "combined_data_*.txt"])
def test_netflix_files_are_read_after_following_the_advice(tmp_path: Path, given: str) -> None:
    path = tmp_path / "combined_data_1.txt"
    path.write_bytes(b"1:\r\n10,3,2011-04-09\r\n20,5,2011-04-17\r\n2:\n10,1,2011-05-01\n")
    (tmp_path / "combined_data_2.txt").write_bytes(b"3:\n10,4,2011-04-09\n")
    (tmp_path / "movie_titles.csv").write_text("1,2003,Dinosaur Planet\n")
    with pytest.raises(DataError) as caught:
        load(tmp_path / given)
    advice = str(caught.value).partition("each: ")[2]
    subprocess.run(["/bin/sh", "-c", advice], cwd=tmp_path, check=True)
    assert [row[:3] for row in read(tmp_path / "ratings.csv")] == [
        ("10", "1", 3),
        ("20", "1", 5),
        ("10", "2", 1),
        ("10", "3", 4),
    ]


def test_parts_of_a_table_are_read_as_one_whatever_their_name(tmp_path: Path) -> None:
    for number, row in enumerate(ROWS, 1):
        text = "user,item,rating,timestamp\n" + ",".join(map(str, row)) + "\n"
        (tmp_path / f"export_{number}.csv").write_text(text, "utf-8")
    assert values(load(tmp_path)) == ROWS


def test_ratings_without_times_are_of_one_moment_and_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("user_id,book_id,rating\n1,20,1\n1,9,4\n")
    data = load(tmp_path / "mine.csv")
    assert len(set(data.ratings.timestamp.tolist())) == 1
    assert any("no times" in note for note in data.notes)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_u_item_is_read_in_its_encoding(ml_100k: Path, encoding: str) -> None:
    text = (ml_100k / "u.item").read_text("latin-1")
    (ml_100k / "u.item").write_text(text, encoding)
    data = load(ml_100k)
    assert data.movies.title[0] == "Über Falls (1990)"
    manifest = export(data, split(data), ml_100k.parent / "out")
    bucket = ml_100k.parent / "out" / "bucket"
    assert (bucket / manifest["keys"]["items"]).read_bytes().startswith(b"1|\xdcber Falls")
    catalogue = json.loads((bucket / manifest["keys"]["catalogue"]).read_text("utf-8"))
    assert catalogue["items"][0]["title"] == "Über Falls (1990)"


def test_movies_of_windows_keep_its_quotation_marks(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::7::2::1302631528\n1::8::4::4\n")
    (tmp_path / "movies.dat").write_text("7::Amélie’s day::Drama\n8::B – C::Drama\n", "cp1252")
    assert load(tmp_path).movies.title == ("Amélie’s day", "B – C")


def test_an_empty_sheet_is_refused(tmp_path: Path) -> None:
    for content in ("sep=,\n", "sep=,\nuser,item,rating\n", "\n\n"):
        (tmp_path / "mine.csv").write_text(content)
        _, refusal = attempt(lambda: load(tmp_path / "mine.csv"), DataError)
        assert refusal is not None
