import json
from typing import Any

import pytest

from local_aws.personalize import schemas
from local_aws.personalize.errors import InvalidInput

VIDEO = "VIDEO_ON_DEMAND"
USER = {"name": "USER_ID", "type": "string"}
ITEM = {"name": "ITEM_ID", "type": "string"}
TIME = {"name": "TIMESTAMP", "type": "long"}
KIND = {"name": "EVENT_TYPE", "type": "string"}
YEAR = {"name": "YEAR", "type": ["null", "int"]}


def document(name: str, *fields: dict[str, Any], **more: Any) -> str:
    head = {"type": "record", "name": name, "namespace": "com.amazonaws.personalize.schema"}
    return json.dumps({**head, "fields": list(fields), "version": "1.0", **more})


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        (document("Interactions", USER, ITEM, TIME), None),
        (document("Interactions", USER, ITEM, TIME, {"name": "RATING", "type": "string"}), None),
        (document("Interactions", USER, ITEM, TIME, KIND), VIDEO),
        (document("Items", ITEM, YEAR), None),
        (
            document(
                "Items",
                ITEM,
                {"name": "GENRES", "type": "string", "categorical": True},
                YEAR,
                {"name": "CREATION_TIMESTAMP", "type": "long"},
            ),
            VIDEO,
        ),
        (document("Users", USER, {"name": "GENDER", "type": "string", "categorical": True}), VIDEO),
    ],
)
def test_the_workshops_schemas_are_accepted(text: str, domain: str | None) -> None:
    schemas.parse(text, domain)


def test_fields_are_read_with_type_null_and_attributes() -> None:
    schema = schemas.parse(
        document("Items", ITEM, YEAR, {"name": "P", "type": ["string", "null"], "textual": True})
    )
    assert schema.dataset_type == "ITEMS"
    assert schema.fields == (
        schemas.Field("ITEM_ID", "string"),
        schemas.Field("YEAR", "int", nullable=True),
        schemas.Field("P", "string", nullable=True, textual=True),
    )
    assert [field.name for field in schema.metadata] == ["YEAR", "P"]


TEXTUAL = {"type": "string", "textual": True}
NAME = {"type": "string", "itemName": True}


@pytest.mark.parametrize(
    ("text", "domain", "words"),
    [
        ("{", None, "not JSON: Expecting property name enclosed in double quotes at line 1"),
        ("[]", None, "must be a JSON object"),
        (document("Films", ITEM), None, "Interactions, Items or Users, not 'Films'"),
        (document("Items", ITEM, YEAR, type="array"), None, "'type' must be 'record'"),
        (document("Items", ITEM, YEAR, namespace="x"), None, "'namespace' must be"),
        (document("Items", ITEM, YEAR, version="2"), None, "'version' must be '1.0'"),
        (document("Items", fields=3), None, "'fields' must be a list"),
        (document("Items", ITEM, {"type": "int"}), None, "field 2 has no 'name'"),
        (document("Items", ITEM, {"name": "A B", "type": "int"}), None, "letters, digits"),
        (
            document("Items", ITEM, {"name": "A_1", "type": "int"}, {"name": "a1", "type": "int"}),
            None,
            "fields 'A_1' and 'a1' are the same",
        ),
        (
            document("Items", ITEM, {"name": "A", "type": "number"}),
            None,
            "field 'A' has type \"number\"; it may be one of string, int, long, float, double",
        ),
        (document("Items", ITEM, {"name": "A", "type": ["null"]}), None, 'has type ["null"]'),
        (document("Items", ITEM, {"name": "A", "type": {"type": "map"}}), None, "field 'A' has"),
        (
            document("Items", ITEM, {"name": "A", "type": "int", "categorical": True}),
            None,
            "its type must be string",
        ),
        (
            document("Items", ITEM, {"name": "A", "type": "string", "categorical": "yes"}),
            None,
            "'categorical' must be true or false",
        ),
        (document("Interactions", USER, ITEM), None, "required field 'TIMESTAMP' (long)"),
        (
            document("Interactions", USER, ITEM, {"name": "TIMESTAMP", "type": "string"}),
            None,
            "'TIMESTAMP' must have type long, not string",
        ),
        (
            document("Interactions", {"name": "USER_ID", "type": ["null", "string"]}, ITEM, TIME),
            None,
            "'USER_ID' must not be null",
        ),
        (
            document("Interactions", USER, ITEM, TIME, {"name": "EVENT_VALUE", "type": "string"}),
            None,
            "'EVENT_VALUE' must have type float",
        ),
        (
            document("Interactions", USER, ITEM, TIME, {**KIND, "categorical": True}),
            None,
            "'EVENT_TYPE' must not be categorical",
        ),
        (document("Interactions", USER, ITEM, TIME), VIDEO, "'EVENT_TYPE' (string) is missing in"),
        (document("Items", ITEM), None, "at least one metadata field"),
        (document("Users", USER), VIDEO, "at least one metadata field"),
        (document("Items", ITEM, YEAR), VIDEO, "'CREATION_TIMESTAMP' (long) is missing"),
        (document("Items", ITEM, YEAR), VIDEO, "'GENRES' (string) is missing"),
        (document("Users", USER, {"name": "BIO", **TEXTUAL}), None, "only Items may have textual"),
        (
            document("Items", ITEM, {"name": "A", **TEXTUAL}, {"name": "B", **TEXTUAL}),
            None,
            "one textual field, not 2: A, B",
        ),
        (document("Items", ITEM, {"name": "A", **NAME}, {"name": "B", **NAME}), None, "2: A, B"),
        (document("Users", USER, {"name": "A", **NAME}), None, "only Items may have an itemName"),
        (document("Items", ITEM, {**YEAR, "itemName": True}), None, "its type must be string"),
        (document("Items", ITEM, {"name": "A", **NAME, **TEXTUAL}), None, "textual, too"),
        (document("Items", ITEM, {**YEAR, "itemName": 1}), None, "'itemName' must be true or"),
        (
            document("Users", USER, *({"name": f"F{n}", "type": "int"} for n in range(26))),
            None,
            "25 metadata fields, not 26",
        ),
        (
            document(
                "Interactions",
                USER,
                ITEM,
                TIME,
                *({"name": f"F{n}", "type": "int"} for n in range(6)),
            ),
            None,
            "5 metadata fields, not 6",
        ),
    ],
)
def test_what_is_wrong_with_a_schema_is_said(text: str, domain: str | None, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        schemas.parse(text, domain)
    assert words in caught.value.message


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        schemas.parse(document("Interactions", USER, version="3"))
    assert "'version'" in caught.value.message
    assert "'ITEM_ID'" in caught.value.message
    assert "'TIMESTAMP'" in caught.value.message
