import json

import pytest

from local_aws.personalize import importing, schemas

HEAD = {"type": "record", "namespace": "com.amazonaws.personalize.schema", "version": "1.0"}
SCHEMA = schemas.parse(
    json.dumps(
        {
            **HEAD,
            "name": "Interactions",
            "fields": [
                {"name": "USER_ID", "type": "string"},
                {"name": "ITEM_ID", "type": "string"},
                {"name": "EVENT_VALUE", "type": ["float", "null"]},
                {"name": "DEVICE", "type": ["null", "string"], "categorical": True},
                {"name": "YEAR", "type": "int"},
                {"name": "NEW", "type": ["null", "boolean"]},
                {"name": "TIMESTAMP", "type": "long"},
            ],
        }
    )
)
HEADER = "USER_ID,ITEM_ID,EVENT_VALUE,DEVICE,YEAR,NEW,TIMESTAMP"


def read(text: str | bytes) -> list[dict[str, object]]:
    content = text if isinstance(text, bytes) else text.encode()
    return importing.read([("f.csv", content)], SCHEMA)


def test_values_come_in_their_types_whatever_the_order_of_the_columns() -> None:
    text = (
        'TIMESTAMP,YEAR,ITEM_ID,USER_ID,DEVICE,EVENT_VALUE,NEW\r\n9,1990,"a, b",u,x|y,0.5,True\r\n'
    )
    assert read(text) == [
        {
            "TIMESTAMP": 9,
            "YEAR": 1990,
            "ITEM_ID": "a, b",
            "USER_ID": "u",
            "DEVICE": "x|y",
            "EVENT_VALUE": 0.5,
            "NEW": True,
        }
    ]


def test_an_empty_cell_is_null_where_the_schema_allows_it() -> None:
    row = read(f"{HEADER}\nu,i,,,1990,,9\n")[0]
    assert (row["EVENT_VALUE"], row["DEVICE"], row["NEW"]) == (None, None, None)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",i,,,1,,9", "USER_ID: is empty"),
        ("u,i,,,,,9", "YEAR: is empty, and the schema does not allow null"),
        ("u,i,,,2006–2007,,9", "YEAR: '2006–2007' is not an int"),
        ("u,i,,,1.5,,9", "YEAR: '1.5' is not an int"),
        ("u,i,,,3000000000,,9", "YEAR: 3000000000 does not fit into an int"),
        ("u,i,x,,1,,9", "EVENT_VALUE: 'x' is not a float"),
        ("u,i,nan,,1,,9", "EVENT_VALUE: 'nan' is not a float"),
        ("u,i,,,1,maybe,9", "NEW: 'maybe' is not true or false"),
        ("u,i,,,1,,1600000000000", "TIMESTAMP: 1600000000000 looks like milliseconds"),
        ("u,i,,,1,,-1", "TIMESTAMP: -1 is before 1970"),
        ("u,i,,,1,,2020-01-01", "TIMESTAMP: '2020-01-01' is not a long"),
        ("u,i,,,1,", "6 values for 7 columns"),
        (f"{'u' * 257},i,,,1,,9", "USER_ID: has 257 characters, 256 are allowed"),
        (f"u,i,,{'d' * 1001},1,,9", "DEVICE: has 1001 characters, 1000 are allowed"),
    ],
)
def test_a_bad_row_is_reported_with_line_and_field(row: str, words: str) -> None:
    with pytest.raises(importing.BadData) as caught:
        read(f"{HEADER}\nu,i,,,1990,,9\n{row}\n")
    assert str(caught.value).startswith(importing.NONCONFORMING)
    assert "1 bad row" in str(caught.value)
    assert f"f.csv, line 3: {words}" in str(caught.value)


def test_all_bad_rows_are_counted_and_the_first_twenty_shown() -> None:
    bad = "u,i,,,x,,y\n"
    with pytest.raises(importing.BadData) as caught:
        read(f"{HEADER}\n{bad * 30}")
    text = str(caught.value)
    assert "30 bad rows (the first 20 are shown)" in text
    assert "line 2: YEAR: 'x' is not an int, TIMESTAMP: 'y' is not a long;" in text
    assert "line 21:" in text
    assert "line 22:" not in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "f.csv is empty"),
        (HEADER.lower().encode() + b"\n", "'user_id' must be 'USER_ID'"),
        (b"USER_ID,ITEM_ID,TIMESTAMP\n", "missing the following columns: [EVENT_VALUE, DEVICE"),
        (f"{HEADER},YEAR\n".encode(), "columns twice: YEAR"),
        (f"{HEADER},EXTRA\n".encode(), "no fields for the columns EXTRA"),
        (f"\ufeff{HEADER}\n".encode(), "byte order mark"),
        (f"{HEADER}\nu,".encode() + b"caf\xe9,,,1,,9\n", "line 2: byte 0xe9 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(content: bytes, words: str) -> None:
    with pytest.raises(importing.BadData) as caught:
        read(content)
    assert words in str(caught.value)
