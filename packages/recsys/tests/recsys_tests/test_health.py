"""The data health report, by files whose ailments are known."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.__main__ import main
from recsys.health import Finding, Report, examine

HEADER = "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP"
SCHEMA = {
    "interactions": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "EVENT_TYPE", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
    ],
    "items": [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "GENRES", "type": ["null", "string"], "categorical": True},
        {"name": "YEAR", "type": ["null", "int"]},
    ],
}


def rows(count: int = 1200, users: int = 40, items: int = 60, kind: str = "Watch") -> list[str]:
    """Interactions without an ailment but their small number."""
    random = np.random.default_rng(0)
    item = (items * random.random(count) ** 3).astype(int)
    return [f"{n % users},{item[n]},{kind},{1_000_000_000 + n // users * 60}" for n in range(count)]


def write(folder: Path, name: str, lines: list[str], *, schema: bool = True) -> None:
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    if schema:
        document = json.dumps({"fields": SCHEMA[name]})
        (folder / f"{name}.schema.json").write_text(document, "utf-8")


def findings(folder: Path, name: str = "domain") -> list[Finding]:
    report = Report()
    examine(report, folder, name)
    return report.groups[name].findings


def one(folder: Path, check: str, name: str = "domain") -> Finding:
    (found,) = [each for each in findings(folder, name) if each.check == check]
    return found


def test_valid_data_have_no_red_findings(tmp_path: Path) -> None:
    write(tmp_path, "interactions", [HEADER, *rows()])
    found = findings(tmp_path)
    assert {each.status for each in found} == {"green", "amber"}
    assert [each.check for each in found if each.status == "amber"] == ["amount", "users"]


def test_data_below_the_minima_are_red(tmp_path: Path) -> None:
    for count, users, red in (
        (999, 40, {"amount", "event types"}),
        (1000, 40, set()),
        (1000, 24, {"users"}),
        (1000, 25, set()),
    ):
        write(tmp_path, "interactions", [HEADER, *dict.fromkeys(rows(count, users))])
        assert {each.check for each in findings(tmp_path) if each.status == "red"} == red


def test_users_with_two_interactions_below_one_percent_are_red(tmp_path: Path) -> None:
    few = [f"busy{n % 30},{n},Watch,{n}" for n in range(1000)]
    many = [f"once{n},1,Watch,1" for n in range(2970)]
    write(tmp_path, "interactions", [HEADER, *few, *many])
    assert one(tmp_path, "users").status == "amber", "30 of 3,000 are just one percent"
    write(tmp_path, "interactions", [HEADER, *few, *many, "another,1,Watch,1"])
    assert one(tmp_path, "users").status == "red"


def test_duplicate_interactions_do_not_count(tmp_path: Path) -> None:
    unique = rows(900)
    write(tmp_path, "interactions", [HEADER, *unique, *unique[:300]])
    assert (one(tmp_path, "duplicates").status, one(tmp_path, "duplicates").value) == (
        "amber",
        0.25,
    )
    assert (one(tmp_path, "amount").status, one(tmp_path, "amount").value) == ("red", 900)


@pytest.mark.parametrize(
    ("line", "check", "words"),
    [
        ("1,2,Watch,1000000000000", "timestamps", "look like milliseconds; divide them by 1000"),
        ("1,2,Watch,-5", "timestamps", "are before 1970"),
        ("1,2,Watch,2001-09-09T01:46:40", "malformed", "are not whole numbers"),
        ("1,2,Watch,1e9", "malformed", "are not whole numbers"),
        (",2,Watch,1000000000", "missing", "USER_ID: 1 are empty"),
        ("1,2,,1000000000", "missing", "EVENT_TYPE: 1 are empty"),
        (f"{'x' * 257},2,Watch,1000000000", "malformed", "are longer than 256 characters"),
    ],
)
def test_invalid_cell_is_reported_with_its_line(
    tmp_path: Path, line: str, check: str, words: str
) -> None:
    write(tmp_path, "interactions", [HEADER, *rows(), line])
    found = one(tmp_path, check)
    assert found.status == "red"
    assert words in found.words
    assert "line 1202: " in found.words


def test_row_of_the_wrong_length_is_red(tmp_path: Path) -> None:
    write(tmp_path, "interactions", [HEADER, *rows(), "1,2,Watch", "1,2,Watch,5,6"])
    found = one(tmp_path, "form")
    assert (found.status, found.value) == ("red", 2)


def test_timestamps_in_the_future_are_amber(tmp_path: Path) -> None:
    write(tmp_path, "interactions", [HEADER, *rows(), f"1,2,Watch,{int(time.time()) + 10**6}"])
    assert one(tmp_path, "timestamps").status == "amber"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("USER_ID,ITEM_ID,EVENT_TYPE,WHEN", "the columns TIMESTAMP are missing"),
        ("user_id,ITEM_ID,EVENT_TYPE,TIMESTAMP", "(user_id must be USER_ID)"),
        ("USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP,MOOD", "the schema has no fields for MOOD"),
        ("USER_ID,ITEM_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP", "duplicate columns: ITEM_ID"),
    ],
)
def test_invalid_header_is_red(tmp_path: Path, header: str, words: str) -> None:
    width = header.count(",") + 1
    lines = [",".join([*line.split(","), "x"][:width]) for line in rows()]
    write(tmp_path, "interactions", [header, *lines])
    assert any(each.status == "red" and words in each.words for each in findings(tmp_path))


def test_byte_order_mark_and_other_encodings_are_red(tmp_path: Path) -> None:
    text = "\n".join([HEADER, *rows()])
    (tmp_path / "interactions.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert one(tmp_path, "encoding").status == "red"
    (tmp_path / "interactions.csv").write_bytes((text + "\né,1,Watch,5").encode("latin-1"))
    assert "(line 1202)" in one(tmp_path, "encoding").words


def test_endless_row_is_red(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text(f"{HEADER}\n" + "1,2,Watch,4;" * 300_000)
    assert one(tmp_path, "form").words.startswith("a row is longer than 1,048,576 bytes")


def test_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_bytes("\r\n".join([HEADER, *rows()]).encode())
    assert "red" not in {each.status for each in findings(tmp_path)}


def test_watches_are_required_only_in_the_domain_group(tmp_path: Path) -> None:
    write(tmp_path, "interactions", [HEADER, *rows(kind="watch")])
    assert one(tmp_path, "event types").status == "red"
    assert not [each for each in findings(tmp_path, "custom") if each.check == "event types"]


def test_similar_event_types_are_reported(tmp_path: Path) -> None:
    write(tmp_path, "interactions", [HEADER, *rows(), "1,2,watch,1000000000"])
    amber = [each for each in findings(tmp_path) if each.check == "event types"][1]
    assert (amber.status, amber.words) == (
        "amber",
        "Watch, watch are different types; is one meant?",
    )


def test_years_that_are_spans_or_missing_are_reported(tmp_path: Path) -> None:
    write(tmp_path, "interactions", [HEADER, *rows()])
    items = [f"{n},Drama,1999" for n in range(58)]
    write(tmp_path, "items", ["ITEM_ID,GENRES,YEAR", *items, "58,Drama,2006–2007", "59,,"])
    found = [each for each in findings(tmp_path) if each.file == "items"]
    told = {(each.check, each.status): each.words for each in found}
    assert (
        told["malformed", "red"]
        == "YEAR: 1 are not whole numbers of 32 bits (line 60: '2006–2007')"
    )
    assert any(each.words == "YEAR: 1 are empty (line 61: '')" for each in found)


def test_items_without_metadata_are_reported(tmp_path: Path) -> None:
    write(tmp_path, "interactions", [HEADER, *rows(items=60)])
    write(
        tmp_path, "items", ["ITEM_ID,GENRES,YEAR", *(f"{n},Drama,1999" for n in range(48)), "3,,"]
    )
    assert (one(tmp_path, "coverage").status, one(tmp_path, "coverage").value) == ("amber", 0.2)
    twice = [e for e in findings(tmp_path) if e.file == "items" and e.check == "duplicates"]
    assert twice[0].value == 1


@pytest.mark.parametrize(
    ("counts", "status", "slope"),
    [
        ([100] * 20, "amber", 0.0),
        ([round(4000 / rank) for rank in range(1, 21)], "green", -1.0),
        ([round(400_000 / rank**3) for rank in range(1, 21)], "amber", -3.0),
    ],
)
def test_popularity_slope_is_measured(
    tmp_path: Path, counts: list[int], status: str, slope: float
) -> None:
    items = [rank for rank, count in enumerate(counts) for _ in range(count)]
    lines = [f"{n % 50},{item},Watch,{n}" for n, item in enumerate(items)]
    write(tmp_path, "interactions", [HEADER, *lines])
    found = one(tmp_path, "popularity")
    assert found.status == status
    assert found.value == pytest.approx(slope, abs=0.02)


def test_new_items_and_drift_are_reported(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    item = random.integers(0, 10, 5000)
    item[4500:] += 10  # the newest tenth is about other items altogether
    lines = [f"{n % 50},{item[n]},Watch,{n}" for n in range(5000)]
    write(tmp_path, "interactions", [HEADER, *lines])
    assert (one(tmp_path, "cold items").status, one(tmp_path, "cold items").value) == ("amber", 1.0)
    drift = one(tmp_path, "time drift")
    assert drift.status == "amber"
    assert "total variation 1.00" in drift.words
    random.shuffle(item)
    lines = [f"{n % 50},{item[n]},Watch,{n}" for n in range(5000)]
    write(tmp_path, "interactions", [HEADER, *lines])
    assert one(tmp_path, "time drift").status == one(tmp_path, "cold items").status == "green"


def test_command_with_red_findings_fails(tmp_path: Path, capsys: Any) -> None:
    write(tmp_path, "interactions", [HEADER, *rows()])
    out = tmp_path / "report.json"
    assert main(["health", "--data", str(tmp_path), "--json", str(out)]) == 0
    assert "data: amber" in capsys.readouterr().out
    assert json.loads(out.read_text())["groups"]["data"]["status"] == "amber"
    write(tmp_path, "interactions", [HEADER, *rows(100)])
    assert main(["health", "--data", str(tmp_path)]) == 1
    assert "red   interactions" in capsys.readouterr().out


def test_command_with_unreadable_data_fails(tmp_path: Path, capsys: Any) -> None:
    assert main(["health", "--data", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
