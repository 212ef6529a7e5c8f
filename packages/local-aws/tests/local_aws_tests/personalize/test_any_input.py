"""Any file, event or batch line is processed or refused with a message."""

import csv
import io
import json
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local_aws.personalize import batch, catalogue, events, importing, schemas
from local_aws.personalize.data import GroupData
from local_aws.personalize.engine import Codes
from local_aws.personalize.filters import Filter
from local_aws.personalize.resources import Failed
from tests.inputs import attempt, damaged
from tests.reliability import Tally

PYTHONS = ("sys.", "Traceback", "Error")  # words that are no user's


def schema(name: str, *fields: tuple[Any, ...]) -> schemas.Schema:
    described = [{"name": f[0], "type": f[1], **dict.fromkeys(f[2:], True)} for f in fields]
    namespace = "com.amazonaws.personalize.schema"
    document = {"type": "record", "name": name, "namespace": namespace, "version": "1.0"}
    return schemas.parse(json.dumps({**document, "fields": described}))


INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("EVENT_TYPE", "string"),
    ("EVENT_VALUE", ["null", "float"]),
    ("TIMESTAMP", "long"),
    ("AGE", ["null", "int"]),
    ("WEIGHT", ["null", "double"]),
    ("MOOD", ["null", "string"], "categorical"),
    ("NEW", ["null", "boolean"]),
)
COLUMNS = [field.name for field in INTERACTIONS.fields]

# Imports

NUMBERS = ("1", "-7", "+3", "1.5", ".5", "1e3", "nan", "inf", "1e39", "1e400", "1_0", "٣", "²", "")
numbers = st.sampled_from([*NUMBERS, "9" * 5_000, " 4 ", "true"]) | st.integers().map(str)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
cells = st.fixed_dictionaries(
    {
        "USER_ID": ids,
        "ITEM_ID": ids,
        "EVENT_TYPE": st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
        "EVENT_VALUE": numbers | st.floats().map(str),
        "TIMESTAMP": st.integers(0, 9**10).map(str) | numbers,
        "AGE": numbers,
        "WEIGHT": numbers | st.floats().map(str),
        "MOOD": st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
        "NEW": st.sampled_from(["true", "FALSE", "1", "", "yes"]),
    }
)


@given(st.lists(cells, max_size=3), st.permutations(COLUMNS), st.sampled_from(["\n", "\r\n"]))
def test_any_imported_rows_are_stored(
    tally: Tally, rows: list[dict[str, str]], columns: list[str], end: str
) -> None:
    """Every cell is what its text says, in the plain spelling of numbers."""
    tally("inputs tried", "imports of Personalize")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    found, refusal = attempt(
        lambda: importing.read([("f.csv", content)], INTERACTIONS), importing.BadData
    )
    wrong = [
        name for row in rows for name, cell in row.items() if expected(name, cell) is ValueError
    ]
    if refusal:
        assert wrong
        told = str(refusal)
        assert all(f"{name}: " in told for name in wrong)
        assert not any(word in told.partition("schema. ")[2] for word in ("sys.", "Error"))
        return
    assert not wrong
    assert found is not None
    assert found[0] == [{name: expected(name, row[name]) for name in columns} for row in rows]


def expected(name: str, cell: str) -> Any:
    """What a cell stands for, worked out with care; ValueError where it stands for nothing."""
    field = INTERACTIONS.field(name)
    assert field
    if cell == "":
        return None if field.nullable else ValueError
    if field.type == "string":
        return (
            cell if len(cell) <= (256 if name in ("USER_ID", "ITEM_ID") else 1000) else ValueError
        )
    if field.type == "boolean":
        return {"true": True, "false": False}.get(cell.lower(), ValueError)
    plain = cell.strip(" ")
    if not plain.isascii() or "_" in plain or not plain:
        return ValueError
    try:
        number = float(plain)
    except ValueError:
        return ValueError
    if field.type in ("int", "long"):
        digits = plain.lstrip("+-").isdigit() and len(plain) < 4_000
        value = int(plain) if digits else None
        bits = 31 if field.type == "int" else 63
        if value is None or not -(2**bits) <= value < 2**bits:
            return ValueError
        return value if name != "TIMESTAMP" or 0 <= value < 10**11 else ValueError
    largest = float(np.finfo(np.float32).max) if field.type == "float" else math.inf
    return number if math.isfinite(number) and abs(number) <= largest else ValueError


GOOD = ",".join(COLUMNS).encode() + b"\nu,i,Watch,1.5,1600000000,7,2,good,true\n"


@given(damaged(GOOD) | st.binary(max_size=60))
@example(b"a" * 200_000 + GOOD)  # longer than a field may be, in the header
@example(b"USER\rID\n" + GOOD)
@example(b"".join(b"a%d," % number for number in range(9_999)) + GOOD)
def test_any_damaged_import_is_reported(tally: Tally, content: bytes) -> None:
    tally("inputs tried", "imports of Personalize")
    found, refusal = attempt(
        lambda: importing.read([("f.csv", content)], INTERACTIONS), importing.BadData
    )
    if refusal:
        assert "f.csv" in str(refusal)
        assert len(str(refusal)) < 9_000
    for row in found[0] if found else ():
        assert set(row) == set(COLUMNS)
        assert 0 <= row["TIMESTAMP"] < 10**11
        assert row["EVENT_VALUE"] is None or math.isfinite(row["EVENT_VALUE"])


# Events

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
properties = st.dictionaries(
    st.sampled_from(["itemId", "age", "weight", "mood", "new", "eventValue"]), anything | numbers
)
PROPERTIES = b'{"itemId": "i1", "age": 7, "weight": 1.5, "mood": "good", "new": true}'


@given(
    (properties | anything).map(json.dumps)
    | damaged(PROPERTIES).map(lambda text: text.decode("latin-1"))
    | st.text(),
    st.none() | st.floats(),
)
@example('{"itemId": "a", "weight": 1' + "0" * 400 + "}", None)
@example('{"itemId": "a", "weight": 1' + "0" * 5_000 + "}", None)
@example('{"itemId": {"a": 1}}', None)
@example('{"itemId": "a", "mood": ["b"], "age": true}', None)
@example('{"itemId": "a", "mood": NaN}', None)
@example("[" * 100_000, None)
@example('{"itemId": "a"}', 1e300)
def test_any_event_is_stored_or_refused(tally: Tally, text: str, value: float | None) -> None:
    tally("inputs tried", "events of Personalize")
    given = {"eventType": "Watch", "sentAt": 1_600_000_000, "properties": text}
    if value is not None:
        given["eventValue"] = value
    wrong: list[str] = []
    event = events._event(1, given, "s", INTERACTIONS, wrong)
    for problem in wrong:
        assert problem.startswith("event 1: ")
        assert not any(word in problem for word in PYTHONS)
    if wrong:
        return
    assert isinstance(event["item_id"], str) and 0 < len(event["item_id"]) <= 256
    assert event["value"] is None or math.isfinite(np.float32(event["value"]))
    context = event["context"]
    assert type(context["AGE"]) in (int, type(None))
    assert type(context["WEIGHT"]) in (float, type(None))
    assert type(context["MOOD"]) in (str, type(None))
    assert type(context["NEW"]) in (bool, type(None))


# Batches


class Echo:
    """A model that recommends its first items, and keeps what it was asked."""

    codes = Codes(np.arange(2), np.arange(3), np.arange(1))

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        json.dumps(request).encode()
        best = request.get("among", [0, 1])
        return {"items": best, "users": [0], "scores": [0.5] * len(best)}


def group() -> GroupData:
    data = GroupData()
    data.open(INTERACTIONS)
    names = ["USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP"]
    rows = [("u1", "i1"), ("u2", "i2"), ("u1", "i\u2028\x85")]
    data.load(
        "INTERACTIONS",
        [dict(zip(names, (*row, "Watch", 1), strict=True)) for row in rows],
        full=True,
    )
    return data


FILTER = Filter(
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($kind)", {"INTERACTIONS": INTERACTIONS}.get
)
ANSWERS = [
    *(
        batch._recommend(catalogue.find(f"arn:aws:personalize:::recipe/{name}"), 2, filtered, {})
        for name in ("aws-user-personalization-v2", "aws-sims", "aws-personalized-ranking")
        for filtered in (None, FILTER)
    ),
    *(
        batch._segment(catalogue.find(f"arn:aws:personalize:::recipe/{name}"), 2, None)
        for name in ("aws-item-affinity",)
    ),
]
members = st.sampled_from(["userId", "itemId", "itemList", "filterValues", "context"])
strings = st.sampled_from(["u1", "i1", "nobody", "i\u2028\x85", "\ud800"])
batch_lines = st.lists(
    st.dictionaries(
        members,
        strings
        | st.lists(strings | anything, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "other"]), strings | anything)
        | anything,
    )
    | anything,
    max_size=3,
).map(lambda lines: "\n".join(json.dumps(line) for line in lines).encode())
BATCH = '{"userId": "u1", "itemId": "i1", "itemList": ["i2", "i\u2028\x85"]}\n'.encode()


def test_batch_is_answered_line_by_line() -> None:
    """So that the answers, up to 500 items to a line of few bytes, are never all in memory."""
    asked: list[Any] = []

    def answer(line: Any) -> dict[str, Any]:
        asked.append(line)
        return {}

    answers = batch._lines(b'{"userId": "1"}\n' * 3, answer)
    assert json.loads(next(answers))["output"] == {}
    assert len(asked) == 1
    assert len(list(answers)) == 2


@given(batch_lines | damaged(BATCH * 2) | st.binary(max_size=60))
@example(BATCH)  # a line ends at a line's end only
@example(b'{"userId": "u1", "itemId": ["i1"]}')
@example(b'{"userId": "u1", "filterValues": ["kind"]}')
@example(b'{"userId": "u1", "itemList": [{}]}')
@example(b'{"userId": "u1", "x": NaN}')
@example(b'{"userId": "u1", "x": ' + b"9" * 5_000 + b"}")
def test_any_batch_line_is_answered_or_reported(tally: Tally, content: bytes) -> None:
    tally("inputs tried", "batches of Personalize", len(ANSWERS))
    data: Any = group()
    served: Any = Echo()
    for answer in ANSWERS:
        each = partial(answer, data, served)
        found, refusal = attempt(lambda: b"".join(batch._lines(content, each)), Failed)  # noqa: B023
        if refusal:
            assert not any(word in str(refusal) for word in PYTHONS)
        if found is None:
            continue
        lines = [line for line in content.decode().split("\n") if line.strip()]
        results = [json.loads(line, parse_constant=pytest.fail) for line in found.splitlines()]
        assert [result["input"] for result in results] == [json.loads(line) for line in lines]
        for result in results:
            assert (result["output"] is None) == isinstance(result["error"], str)
