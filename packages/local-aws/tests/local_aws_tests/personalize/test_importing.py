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
    return told(text)[0]


def told(text: str | bytes) -> tuple[list[dict[str, object]], list[str]]:
    """The rows, and what the job tells of them."""
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
        (HEADER.replace("USER_ID", " user_id").encode() + b"\n", "' user_id' must be 'USER_ID'"),
        (b"USER_ID,ITEM_ID,TIMESTAMP\n", "missing the following columns: [EVENT_VALUE, DEVICE"),
        (f"{HEADER},YEAR\n".encode(), "columns twice: YEAR"),
        (f"{HEADER},year\n".encode(), "columns twice: YEAR"),
        (f"\ufeff{HEADER}\n".encode(), "byte order mark"),
        (f"{HEADER}\nu,".encode() + b"caf\xe9,,,1,,9\n", "line 2: byte 0xe9 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(content: bytes, words: str) -> None:
    with pytest.raises(importing.BadData) as caught:
        read(content)
    assert words in str(caught.value)


def test_few_values_of_metadata_that_do_not_conform_are_missing_and_told_of() -> None:
    """As in imports that AWS is on record with: 1 of 5,001 and 12 of 5,012 values of an int."""
    good = "u,i,,,1990,,9\n" * 5000
    rows, words = told(f"{HEADER}\n{good}u,i,,,2006–2007,,9\n")
    assert len(rows) == 5001
    assert rows[-1]["YEAR"] is None
    assert rows[-1]["TIMESTAMP"] == 9
    assert words == [
        "Values that do not conform to the dataset schema were taken as missing in 1 bad row: "
        "f.csv, line 5002: YEAR: '2006–2007' is not an int."
    ]
    rows, words = told(f"{HEADER}\n{good}" + "u,i,,,,,9\n" * 12)
    assert [row["YEAR"] for row in rows[-12:]] == [None] * 12
    assert "in 12 bad rows: f.csv, line 5002: YEAR: is empty" in words[0]


def test_many_values_that_do_not_conform_fail_the_import() -> None:
    good = "u,i,,,1990,,9\n" * 990
    assert len(read(f"{HEADER}\n{good}" + "u,i,,,x,,9\n" * 10)) == 1000
    with pytest.raises(importing.BadData, match="11 bad rows"):
        read(f"{HEADER}\n{good}" + "u,i,,,x,,9\n" * 11)
    with pytest.raises(importing.BadData, match="TIMESTAMP: 'x' is not a long"):
        read(f"{HEADER}\n{good}u,i,,,1990,,x\n")


def test_columns_that_the_schema_lacks_or_spells_otherwise_are_told_of() -> None:
    rows, words = told(f",{HEADER.replace('YEAR', 'Year')},TITLE\n0,u,i,,,1990,,9,Alien\n")
    assert rows == read(f"{HEADER}\nu,i,,,1990,,9\n")
    assert words == [
        "f.csv: columns that the schema does not have were left out: (no name), TITLE.",
        "f.csv: columns are not spelt as in the schema: Year.",
    ]


def test_items_may_be_older_than_1970() -> None:
    fields = [{"name": "ITEM_ID", "type": "string"}, {"name": "CREATION_TIMESTAMP", "type": "long"}]
    fields.append({"name": "YEAR", "type": "int"})
    schema = schemas.parse(json.dumps({**HEAD, "name": "Items", "fields": fields}))
    text = b"ITEM_ID,CREATION_TIMESTAMP,YEAR\n1,-2145916800,1902\n2,1167609600,2007\n"
    rows, words = importing.read([("f.csv", text)], schema)
    assert [row["CREATION_TIMESTAMP"] for row in rows] == [-2145916800, 1167609600]
    assert words == ["1 row with a CREATION_TIMESTAMP before 1970."]
