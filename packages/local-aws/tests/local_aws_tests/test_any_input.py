"""Any template, filter, schema or log pattern is parsed or refused with a message."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.core.exceptions import ServiceException

from local_aws import clients
from local_aws.api import NotImplementedByLocalAws
from local_aws.cloudformation import blueprint, template
from local_aws.logs.patterns import FilterPattern
from local_aws.personalize import schemas
from local_aws.personalize.errors import InvalidInput
from local_aws.personalize.filters import Filter
from tests.reliability import Tally

REGION = "us-east-1"
DEEP = 100_000
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
words = st.sampled_from(
    ["Ref", "Fn::GetAtt", "Fn::Join", "Fn::Sub", "Fn::If", "Fn::Select", "Fn::Nope", "A", "B"]
)
anything = st.recursive(
    scalars | words,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


def some(**members: Any) -> Any:
    """An object with any of these members."""
    return st.fixed_dictionaries({}, optional=members)


TEMPLATE = {
    "Description": "all that a template may hold",
    "Parameters": {"A": {"Type": "String", "Default": "x", "AllowedValues": ["x"], "NoEcho": True}},
    "Mappings": {"M": {"x": {"B": "1"}}},
    "Conditions": {"C": {"Fn::Equals": [{"Ref": "A"}, "x"]}},
    "Rules": {"R": {"Assertions": [{"Assert": {"Fn::Equals": [{"Ref": "A"}, "x"]}}]}},
    "Resources": {
        "P": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": {"Fn::FindInMap": ["M", {"Ref": "A"}, "B"]}},
            "Condition": "C",
            "DeletionPolicy": "Delete",
            "Metadata": {"a": 1},
        },
        "Q": {
            "Type": "AWS::SSM::Parameter",
            "DependsOn": ["P"],
            "Properties": {"Type": "String", "Value": {"Fn::Sub": ["${A}-${b}", {"b": "c"}]}},
        },
    },
    "Outputs": {"O": {"Value": {"Fn::GetAtt": ["Q", "Value"]}, "Export": {"Name": "e"}}},
}


def paths(value: Any) -> Iterator[tuple[Any, ...]]:
    """Where there is something in a document."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        yield (key,)
        if isinstance(member, (dict, list)):
            yield from ((key, *rest) for rest in paths(member))


@st.composite
def templates(draw: Any) -> Any:
    """A good one with anything in one place or two."""
    document = json.loads(json.dumps(TEMPLATE))
    for path in draw(st.lists(st.sampled_from(list(paths(TEMPLATE))), min_size=1, max_size=2)):
        *above, last = path
        place = document
        for key in above:
            inside = isinstance(place, (dict, list))
            place = place[key] if inside and _has(place, key) else None
        if isinstance(place, dict):
            place[draw(st.just(last) | words)] = draw(anything)
        elif isinstance(place, list) and _has(place, last):
            place[last] = draw(anything)
    return document


def _has(place: Any, key: Any) -> bool:
    return key in place if isinstance(place, dict) else isinstance(key, int) and key < len(place)


def drawn(body: str) -> None:
    with suppress(ServiceException, NotImplementedByLocalAws):
        blueprint.draw(body, [], [], ["CAPABILITY_NAMED_IAM"], REGION, clients.OWNER)


@given(templates())
def test_template_in_json(tally: Tally, document: Any) -> None:
    tally("inputs tried", "templates")
    drawn(json.dumps(document))


@given(st.text() | st.text("{}[]:,-&*!?|>'\"%@` \n\tRefSub", max_size=60))
def test_template_of_any_text(tally: Tally, body: str) -> None:
    tally("inputs tried", "templates")
    drawn(body)
    drawn(f"Resources:\n  A:\n    Type: AWS::SSM::Parameter\n    Properties: {body}")


BOMB = "Metadata:\n  a: &a [x, x]\n" + "".join(
    f"  {name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"a":' * DEEP, "not well-formed"),
        ("[" * 5_000, "not well-formed"),
        (f"Resources: {'9' * 5_000}", "not well-formed"),
        (BOMB, "YAML aliases are not allowed"),
        ("Resources: &a {A: *a}", "YAML aliases are not allowed"),
    ],
    ids=["deep JSON", "deep YAML", "long number", "a bomb of aliases", "in itself"],
)
def test_template_that_would_break_a_machine(tally: Tally, body: str, told: str) -> None:
    tally("inputs tried", "templates")
    with pytest.raises(ServiceException, match=told):
        template.parse(body)


def test_names_without_quotes_are_text(tally: Tally) -> None:
    """As account numbers are in a mapping, and `on` and `1e3` for YAML are not."""
    tally("inputs tried", "templates")
    body = "{Mappings: {M: {123456789012: {on: a}}}, Resources: {1e3: {Type: Custom::Any}}}"
    read = template.parse(body)
    assert read.mappings == {"M": {"123456789012": {"on": "a"}}}
    assert list(read.resources) == ["1e3"]


SCHEMA = schemas.parse(
    json.dumps(
        {
            "type": "record",
            "name": "Items",
            "namespace": "com.amazonaws.personalize.schema",
            "version": "1.0",
            "fields": [
                {"name": "ITEM_ID", "type": "string"},
                {"name": "GENRES", "type": "string", "categorical": True},
                {"name": "YEAR", "type": "int"},
            ],
        }
    )
)
PIECES = (
    "INCLUDE EXCLUDE ItemID UserID WHERE Items.GENRES Items.YEAR Interactions.EVENT_TYPE IN NOT "
    "AND OR IF | ( ) , $year 1950 1e999 = != < >= . CurrentUser.AGE * \"Drama\" 'x'"
)
pieces = st.sampled_from(PIECES.split())
filters = st.text() | st.lists(pieces | st.text(max_size=3), max_size=30).map(" ".join)


@given(filters)
def test_filter(tally: Tally, text: str) -> None:
    tally("inputs tried", "filter expressions")
    with suppress(InvalidInput):
        assert Filter(text, {"ITEMS": SCHEMA}.get).target in ("ITEMID", "USERID")


@pytest.mark.parametrize(
    "condition",
    [
        "Items.GENRES IN (" + ", ".join(['"a"'] * 20_000) + ")",
        " AND ".join(["Items.YEAR = 1"] * 5_000),
        "(" * DEEP,
        f"Items.YEAR = {'9' * 5_000}",
        "Items.YEAR = 1e999",
        'Items.GENRES IN ("\ud800\0")',
    ],
    ids=["many values", "many conditions", "deep", "long number", "infinity", "no letters"],
)
def test_filter_out_of_bounds(tally: Tally, condition: str) -> None:
    tally("inputs tried", "filter expressions")
    with suppress(InvalidInput):
        Filter(f"INCLUDE ItemID WHERE {condition}", {"ITEMS": SCHEMA}.get)


avro_types = st.sampled_from(["string", "int", ["null", "string"]]) | anything
avro_names = st.sampled_from(["USER_ID", "YEAR"]) | anything
fields = some(name=avro_names, type=avro_types, categorical=anything) | anything
avro = some(
    type=st.just("record") | anything,
    name=st.sampled_from(["Items", "Users", "Interactions"]) | anything,
    namespace=st.just("com.amazonaws.personalize.schema") | anything,
    version=st.just("1.0") | anything,
    fields=st.lists(fields, max_size=4) | anything,
)


@given(avro.map(json.dumps) | st.text() | st.just("[" * DEEP))
def test_schema(tally: Tally, text: str) -> None:
    tally("inputs tried", "schemas of Personalize")
    with suppress(InvalidInput):
        schemas.parse(text)


SIGNS = '{ } $.a $.b = != && || ( ) 1 "x" -x ?y IS NULL *'
signs = st.sampled_from(SIGNS.split())
patterns = st.text() | st.lists(signs, max_size=12).map(" ".join)
log_lines = st.text() | anything.map(json.dumps) | st.just("[" * DEEP)


@given(patterns, log_lines)
def test_log_pattern(tally: Tally, pattern: str, line: str) -> None:
    tally("inputs tried", "log filter patterns")
    with suppress(ServiceException, NotImplementedByLocalAws):
        assert FilterPattern(pattern).matches(line) in (True, False)
