"""JSON from outside is read strictly, and to a depth that every reader can follow."""

import json
from typing import Any

import pytest

from local_aws.documents import DEPTH, read_json
from tests.reliability import Tally


@pytest.mark.parametrize("value", [None, 1.5, "a", [1, {"b": [None]}], [[]] * 1000, "[" * 1000])
def test_read_json_of_a_document_holds_what_was_written(value: Any) -> None:
    assert read_json(json.dumps(value)) == value
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_read_json_nested_to_the_limit_is_read_and_further_refused(
    opening: str, closing: str
) -> None:
    read_json(opening * DEPTH + "1" + closing * DEPTH)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(opening * (DEPTH + 1) + "1" + closing * (DEPTH + 1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("NaN", "NaN is no JSON number"),
        ("[-Infinity]", "-Infinity is no JSON number"),
        ("9" * 10_000, "too many digits"),
        ("", "Expecting value at line 1, column 1"),
        ("[1,]", "at line 1, column"),
        (b"\xff\xfe1\x00", "not UTF-8 text"),
        (b'"\xff"', "not UTF-8 text"),
    ],
)
def test_read_json_of_no_document_is_refused(tally: Tally, text: str | bytes, told: str) -> None:
    tally("inputs tried", "JSON that is none, or too deep")
    with pytest.raises(ValueError, match=told):
        read_json(text)
