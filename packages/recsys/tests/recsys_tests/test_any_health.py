"""Whatever lies in the files, the health report tells what the service would: it takes them or not.

The service is the local one, whose import reads row by row what the report reads as columns.
"""

import json
from pathlib import Path

import pytest
from hypothesis import example, given

from local_aws.personalize import importing, schemas
from recsys.errors import InputError
from recsys.health import Report, examine
from tests.inputs import attempt, damaged, within
from tests.reliability import Tally

FIELDS = {
    "interactions": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "EVENT_TYPE", "type": "string"},
        {"name": "EVENT_VALUE", "type": ["null", "float"]},
        {"name": "TIMESTAMP", "type": "long"},
    ],
    "items": [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "GENRES", "type": ["null", "string"], "categorical": True},
        {"name": "YEAR", "type": ["null", "int"]},
        {"name": "CREATION_TIMESTAMP", "type": "long"},
    ],
}
SCHEMAS = {
    name: json.dumps(
        {
            "type": "record",
            "name": name.capitalize(),
            "namespace": "com.amazonaws.personalize.schema",
            "fields": fields,
            "version": "1.0",
        }
    ).encode()
    for name, fields in FIELDS.items()
}
FILES = {
    "interactions": (
        b"USER_ID,ITEM_ID,EVENT_TYPE,EVENT_VALUE,TIMESTAMP\n"
        b'ann,"1",Watch,4.5,1000000000\nbob,2,Watch,,1000000060\r\nann,"x ""y"", z",Click,1,0\n'
    ),
    "items": (
        b"ITEM_ID,GENRES,YEAR,CREATION_TIMESTAMP\n"
        b'1,Drama|War,1999,1000000000\n2,,,1000000000\n"x ""y"", z",Caf\xc3\xa9,-7,5\n'
    ),
}
EVENTS, ITEMS = FILES["interactions"], FILES["items"]
# What the report says of an import, and not of what is worth learning from.
FORM = {"encoding", "header", "form", "missing", "malformed", "timestamps", "file"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("health")


def faults(folder: Path, name: str, content: bytes) -> list[str]:
    """What the report finds that keeps a file from being imported."""
    for each, whole in FILES.items():
        (folder / f"{each}.csv").write_bytes(content if each == name else whole)
        (folder / f"{each}.schema.json").write_bytes(SCHEMAS[each])
    report = Report()
    with within(20):
        examine(report, folder, "custom")
    json.dumps(report.as_json(), allow_nan=False)
    return [
        one.words
        for one in report.groups["custom"].findings
        if (one.file, one.status) == (name, "red") and one.check in FORM
    ]


def agree(folder: Path, name: str, content: bytes) -> None:
    schema = schemas.parse(SCHEMAS[name].decode())
    taken, refusal = attempt(
        lambda: importing.read([("f.csv", content)], schema), importing.BadData
    )
    told = taken[1] if taken else refusal  # what the import takes with a warning is red, too
    found = faults(folder, name, content)
    assert bool(found) == bool(told), (found, str(told))


@pytest.mark.parametrize("name", FILES)
def test_any_valid_files_are_accepted(folder: Path, name: str) -> None:
    agree(folder, name, FILES[name])
    assert faults(folder, name, FILES[name]) == []


@given(damaged(EVENTS))
@example(b"")
@example(b"\r" + EVENTS)
@example(b"\xc2\x85" + EVENTS)
@example(EVENTS.partition(b"\n")[0])
@example(EVENTS.replace(b"bob", b"b\xff"))
@example(EVENTS.replace(b"4.5", b" 4.5 "))
@example(EVENTS.replace(b"4.5", b"1e39"))
@example(EVENTS.replace(b",1000000000", b", +0001000000000 "))
def test_any_damaged_interactions_are_reported(tally: Tally, folder: Path, content: bytes) -> None:
    tally("inputs tried", "data for the health report, damaged")
    agree(folder, "interactions", content)


@given(damaged(ITEMS))
@example(ITEMS.replace(b"ITEM_ID", b"ITEM_ID\r", 1))
@example(ITEMS.replace(b"1999", b"3000000000"))
@example(ITEMS.replace(b"1999", b"-2147483648"))
@example(ITEMS.replace(b"1999", b"-2147483649"))
@example(ITEMS.replace(b"1000000000", b"-9223372036854775808"))
@example(ITEMS.replace(b"1000000000", b"9" * 5_000))
def test_any_damaged_items_are_reported(tally: Tally, folder: Path, content: bytes) -> None:
    tally("inputs tried", "data for the health report, damaged")
    agree(folder, "items", content)


@given(damaged(SCHEMAS["items"]))
@example(b"[" * 5_000)
@example(b'{"fields": [{"name": "YEAR", "type": ["null"]}]}')
@example(b'{"fields": [{"name": "YEAR", "type": {"null": 1}}]}')
def test_any_damaged_schema_is_reported(tally: Tally, folder: Path, content: bytes) -> None:
    tally("inputs tried", "schemas for the health report, damaged")
    (folder / "interactions.csv").write_bytes(FILES["interactions"])
    (folder / "items.csv").write_bytes(FILES["items"])
    (folder / "items.schema.json").write_bytes(content)
    _, refusal = attempt(lambda: examine(Report(), folder, "custom"), InputError)
    assert refusal is None or "items.schema.json" in str(refusal)
