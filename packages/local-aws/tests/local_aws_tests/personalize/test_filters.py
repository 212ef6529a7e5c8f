import json

import numpy as np
import pytest

from local_aws.personalize import schemas
from local_aws.personalize.data import GroupData
from local_aws.personalize.errors import InvalidInput
from local_aws.personalize.filters import Filter

NAMESPACE = {"type": "record", "namespace": "com.amazonaws.personalize.schema", "version": "1.0"}


def schema(name: str, *fields: tuple[str, object, str | None]) -> schemas.Schema:
    described = [{"name": n, "type": t, **({a: True} if a else {})} for n, t, a in fields]
    return schemas.parse(json.dumps({**NAMESPACE, "name": name, "fields": described}))


@pytest.fixture
def data() -> GroupData:
    """Five items, two users; u has watched a twice and clicked b, v has no events."""
    group = GroupData()
    group.open(
        schema(
            "Interactions",
            ("USER_ID", "string", None),
            ("ITEM_ID", "string", None),
            ("EVENT_TYPE", "string", None),
            ("DEVICE", "string", "categorical"),
            ("TIMESTAMP", "long", None),
        )
    )
    group.open(
        schema(
            "Items",
            ("ITEM_ID", "string", None),
            ("GENRES", ["null", "string"], "categorical"),
            ("TITLE", ["null", "string"], None),
            ("YEAR", ["null", "int"], None),
            ("ADULT", ["null", "boolean"], None),
            ("PLOT", ["null", "string"], "textual"),
        )
    )
    group.open(
        schema(
            "Users", ("USER_ID", "string", None), ("AGE", "int", None), ("LEVEL", "string", None)
        )
    )
    rows = [
        ("a", "Comedy|War", "A", 1980),
        ("b", "Drama", "B", 1990),
        ("c", "Comedy", "C|D", 2000),
        ("d", None, None, None),
        ("e", "War", "E", 1990),
    ]
    group.load(
        "ITEMS",
        [{"ITEM_ID": i, "GENRES": g, "TITLE": t, "YEAR": y} for i, g, t, y in rows],
        full=True,
    )
    group.load("USERS", [{"USER_ID": "u", "AGE": 30, "LEVEL": "gold"}], full=True)
    events = [("u", "a", "Watch", 1), ("u", "a", "Watch", 2), ("u", "b", "Click", 3)]
    group.load(
        "INTERACTIONS",
        [{"USER_ID": u, "ITEM_ID": i, "EVENT_TYPE": e, "TIMESTAMP": t} for u, i, e, t in events],
        full=True,
    )
    return group


def passing(data: GroupData, text: str, user: str = "u", item: str = "a", **given: str) -> str:
    compiled = Filter(text, data.schema)
    mask = compiled.allow(data, compiled.bind(given), data.users.find(user), data.items.find(item))
    return "".join(np.array(data.items.names)[mask])


@pytest.mark.parametrize(
    ("condition", "included"),
    [
        ('Items.GENRES IN ("Comedy")', "ac"),
        ('Items.GENRES IN ("Comedy", "Drama")', "abc"),
        ("Items.GENRES IN ('War')", "ae"),
        ('items.genres in ("War")', "ae"),
        ('Items.GENRES IN ("comedy")', ""),
        ('Items.GENRES NOT IN ("Comedy")', "bde"),
        ('Items.GENRES = "Drama"', "b"),
        ('Items.GENRES != "Drama"', "acde"),
        ('Items.TITLE IN ("C")', ""),
        ('Items.TITLE IN ("C|D")', "c"),
        ("Items.YEAR = 1990", "be"),
        ("Items.YEAR != 1990", "ac"),
        ("Items.YEAR < 1990", "a"),
        ("Items.YEAR <= 1990", "abe"),
        ("Items.YEAR > 1.99e3", "c"),
        ("Items.YEAR >= (1990)", "bce"),
        ("Items.YEAR IN (1980, 2000)", "ac"),
        ("Items.YEAR NOT IN (1990)", "ac"),
        ('Items.GENRES IN ("Comedy") AND Items.YEAR > 1985', "c"),
        ('Items.GENRES IN ("Drama") OR Items.GENRES IN ("War") AND Items.YEAR < 1985', "ab"),
        ('Items.ITEM_ID IN ("d")', "d"),
        ('Items.GENRES IN ("a\\"b")', ""),
        ('Interactions.EVENT_TYPE IN ("Watch")', "a"),
        ('Interactions.event_type IN ("WATCH")', "a"),
        ('Interactions.EVENT_TYPE IN ("*")', "ab"),
        ('Interactions.EVENT_TYPE NOT IN ("Watch")', "b"),
        ('Interactions.EVENT_TYPE IN ("never")', ""),
        ("Items.GENRES IN CurrentItem.GENRES", "ace"),
        ("Items.YEAR > CurrentItem.YEAR", "bce"),
        ('Items.YEAR > 1995 IF CurrentUser.AGE > 18 AND CurrentUser.LEVEL = "gold"', "c"),
        ("Items.YEAR > 1995 IF CurrentUser.AGE < 18", "abcde"),
        ('Items.YEAR > 1995 IF CurrentUser.LEVEL IN ("silver")', "abcde"),
    ],
)
def test_an_include_lets_pass_what_meets_the_condition(
    data: GroupData, condition: str, included: str
) -> None:
    assert passing(data, f"INCLUDE ItemID WHERE {condition}") == included


@pytest.mark.parametrize(
    ("text", "included"),
    [
        ('EXCLUDE ItemID WHERE Items.GENRES IN ("Comedy")', "bde"),
        (
            'INCLUDE ItemID WHERE Items.GENRES IN ("Comedy") '
            '| INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Click")',
            "abc",
        ),
        (
            'INCLUDE ItemID WHERE Items.GENRES IN ("Comedy") '
            '| EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Watch")',
            "c",
        ),
        (
            'EXCLUDE ItemID WHERE Items.GENRES IN ("War") '
            '| EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Click")',
            "cd",
        ),
        (
            "INCLUDE ItemID WHERE Items.YEAR = 2000 IF CurrentUser.AGE > 99 "
            '| EXCLUDE ItemID WHERE Items.GENRES IN ("War")',
            "bcd",
        ),
    ],
)
def test_expressions_are_united_and_exclusions_taken_off(
    data: GroupData, text: str, included: str
) -> None:
    assert passing(data, text) == included


def test_parameters_take_the_requests_values(data: GroupData) -> None:
    text = "INCLUDE ItemID WHERE Items.GENRES IN ($G) AND Items.YEAR >= $FROM"
    assert passing(data, text, G='"Comedy","War"', FROM="1985") == "ce"
    assert passing(data, text, G='"War"', FROM="0") == "ae"


def test_an_unknown_user_has_no_interactions_and_meets_no_if(data: GroupData) -> None:
    watched = 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'
    assert passing(data, watched, user="nobody") == ""
    grown = "EXCLUDE ItemID WHERE Items.YEAR > 0 IF CurrentUser.AGE > 0"
    assert passing(data, grown, user="nobody") == "abcde"


def test_a_filter_sees_the_last_hundred_interactions_of_each_event_type(data: GroupData) -> None:
    rows = [{"USER_ID": "u", "ITEM_ID": "a", "EVENT_TYPE": "Watch", "TIMESTAMP": 1}]
    rows += [
        {"USER_ID": "u", "ITEM_ID": "b", "EVENT_TYPE": "Watch", "TIMESTAMP": 2 + n}
        for n in range(100)
    ]
    rows += [{"USER_ID": "u", "ITEM_ID": "c", "EVENT_TYPE": "Click", "TIMESTAMP": 0}]
    data.load("INTERACTIONS", rows, full=True)
    assert passing(data, 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")') == "bc"


def test_users_are_filtered_by_their_own_fields_and_interactions(data: GroupData) -> None:
    data.users.add("v")
    for text, names in (
        ("INCLUDE UserID WHERE Users.AGE > 20", ["u"]),
        ('EXCLUDE UserID WHERE Interactions.EVENT_TYPE IN ("watch")', ["v"]),
    ):
        compiled = Filter(text, data.schema)
        mask = compiled.allow(data, {})
        assert list(np.array(data.users.names)[mask]) == names


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 1, "expected INCLUDE or EXCLUDE, found the end"),
        ("SELECT ItemID", 1, "expected INCLUDE or EXCLUDE, found 'SELECT'"),
        ("INCLUDE Item WHERE Items.YEAR = 1", 9, "expected ItemID or UserID, found 'Item'"),
        ("INCLUDE ItemID Items.YEAR = 1", 16, "expected WHERE, found 'Items'"),
        ("INCLUDE ItemID WHERE YEAR = 1", 27, "expected '.', found '='"),
        ("INCLUDE ItemID WHERE Items.YEAR", 32, "found the end"),
        ("INCLUDE ItemID WHERE Items.YEAR == 1", 34, "found '='"),
        ("INCLUDE ItemID WHERE Items.YEAR @ 1", 33, "found '@'"),
        (
            'INCLUDE ItemID WHERE Items.GENRES IN ("a" "b")',
            43,
            "expected ')' or ',', found '\"b\"'",
        ),
        ('INCLUDE ItemID WHERE Items.GENRES IN ("a)', 39, "never closed"),
        ("INCLUDE ItemID WHERE Items.GENRES IN ()", 39, "found ')'"),
        ("INCLUDE ItemID WHERE (Items.YEAR = 1)", 22, "found '('"),
        ("INCLUDE ItemID WHERE Items.YEAR = 1 |", 38, "expected INCLUDE or EXCLUDE"),
        ("INCLUDE ItemID WHERE Items.NOPE = 1", 22, "has no field 'NOPE'; it has ITEM_ID, GENRES"),
        ("INCLUDE ItemID WHERE Films.YEAR = 1", 22, "dataset 'films'"),
        ("INCLUDE ItemID WHERE Users.AGE = 1", 22, "dataset 'users' cannot filter items"),
        ("INCLUDE ItemID WHERE Items.ADULT = 1", 22, "boolean"),
        ('INCLUDE ItemID WHERE Items.PLOT IN ("x")', 22, "textual"),
        ('INCLUDE ItemID WHERE Items.GENRES > "x"', 22, "cannot be compared with >"),
        ('INCLUDE ItemID WHERE Items.YEAR = "1990"', 35, "without quotes"),
        ("INCLUDE ItemID WHERE Items.GENRES IN (7)", 39, "must be in quotes"),
        ("INCLUDE ItemID WHERE Items.GENRES NOT IN ($X)", 43, "cannot stand after NOT IN"),
        ("INCLUDE ItemID WHERE Items.YEAR > CurrentItem.GENRES", 35, "different types"),
        ("INCLUDE ItemID WHERE Items.YEAR > Items.YEAR", 35, "only a field of CurrentItem"),
        ('INCLUDE ItemID WHERE Interactions.DEVICE IN ("x")', 22, "only EVENT_TYPE"),
        ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE = "x"', 22, "with IN or NOT IN"),
        (
            'INCLUDE ItemID WHERE Items.YEAR = 1 AND Interactions.EVENT_TYPE IN ("x")',
            41,
            "chain two with '|'",
        ),
        ("INCLUDE ItemID WHERE CurrentUser.AGE > 1", 22, "after IF only"),
        ("INCLUDE ItemID WHERE Items.YEAR = 1 IF Items.YEAR = 1", 40, "only CurrentUser"),
        ("INCLUDE ActionID WHERE Items.YEAR = 1", 1, "actions"),
        (
            "INCLUDE ItemID WHERE Items.YEAR = 1 | INCLUDE UserID WHERE Users.AGE = 1",
            1,
            "same target",
        ),
    ],
)
def test_an_error_names_the_character_where_it_is(
    data: GroupData, text: str, position: int, words: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        Filter(text, data.schema)
    assert f"character {position}: " in caught.value.message
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "needs a value for $G, $Y"),
        ({"G": '"a"'}, "needs a value for $Y"),
        ({"G": '"a"', "Y": "1", "Z": "1"}, "no parameter $Z"),
        (
            {"G": "Comedy", "Y": "1"},
            "value of $G, character 1: expected a quoted value or a number",
        ),
        ({"G": '"a", ', "Y": "1"}, "value of $G, character 6"),
        ({"G": "7", "Y": "1"}, "$G must be in quotes"),
        ({"G": '"a"', "Y": '"1"'}, "$Y must be a number without quotes"),
    ],
)
def test_filter_values_are_checked_against_the_fields(
    data: GroupData, given: dict[str, str], words: str
) -> None:
    compiled = Filter("INCLUDE ItemID WHERE Items.GENRES IN ($G) AND Items.YEAR > $Y", data.schema)
    with pytest.raises(InvalidInput) as caught:
        compiled.bind(given)
    assert words in caught.value.message


def test_a_filter_has_at_most_ten_fields() -> None:
    many = schema(
        "Items", ("ITEM_ID", "string", None), *((f"F{n}", "int", None) for n in range(11))
    )
    clauses = [f"Items.F{n} = 1" for n in range(11)]
    ten, eleven = (f"INCLUDE ItemID WHERE {' OR '.join(clauses[:n])}" for n in (10, 11))
    Filter(ten, lambda kind: many)
    with pytest.raises(InvalidInput, match="10 distinct fields, this one uses 11"):
        Filter(eleven, lambda kind: many)
