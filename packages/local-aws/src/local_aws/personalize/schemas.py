"""Avro schemas of datasets, validated as by Amazon Personalize."""

import json
from dataclasses import dataclass

from local_aws.documents import read_json
from local_aws.personalize.catalogue import ECOMMERCE, VIDEO_ON_DEMAND
from local_aws.personalize.errors import InvalidInput

TYPES = ("string", "int", "long", "float", "double", "boolean")
_NUMBERS = ("int", "long", "float", "double")


@dataclass(frozen=True)
class Field:
    """One column of a dataset."""

    name: str
    type: str
    nullable: bool = False
    categorical: bool = False
    textual: bool = False
    item_name: bool = False

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.type in _NUMBERS


@dataclass(frozen=True)
class Schema:
    """The columns of one dataset type."""

    dataset_type: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """The field with this name, ignoring case."""
        for field in self.fields:
            if field.name.upper() == name.upper():
                return field
        return None

    @property
    def metadata(self) -> tuple[Field, ...]:
        """The fields that are neither required nor reserved."""
        known = _KNOWN[self.dataset_type]
        return tuple(field for field in self.fields if field.name not in known)


@dataclass(frozen=True)
class _Rule:
    type: str
    nullable: bool = False
    categorical: bool | None = None
    textual: bool | None = None


_STRING, _LONG = _Rule("string", categorical=False), _Rule("long")
_FLOAT = _Rule("float", nullable=True)
_CATEGORY = _Rule("string", nullable=True, categorical=True)
_REQUIRED = {
    "INTERACTIONS": {"USER_ID": _STRING, "ITEM_ID": _STRING, "TIMESTAMP": _LONG},
    "ITEMS": {"ITEM_ID": _STRING},
    "USERS": {"USER_ID": _STRING},
}
_REQUIRED_VIDEO = {
    "INTERACTIONS": {**_REQUIRED["INTERACTIONS"], "EVENT_TYPE": _Rule("string", categorical=False)},
    "ITEMS": {
        "ITEM_ID": _STRING,
        "CREATION_TIMESTAMP": _LONG,
        # required, and documented without null
        "GENRES": _Rule("string", categorical=True),
    },
    "USERS": {"USER_ID": _STRING},
}
_RESERVED = {
    "INTERACTIONS": {
        "EVENT_TYPE": _Rule("string", nullable=True, categorical=False),
        "EVENT_VALUE": _FLOAT,
        "IMPRESSION": _Rule("string", nullable=True, categorical=False),
        "RECOMMENDATION_ID": _Rule("string", nullable=True, categorical=False),
        "EVENT_ATTRIBUTION_SOURCE": _Rule("string", nullable=True, categorical=False),
    },
    "ITEMS": {"CREATION_TIMESTAMP": _Rule("long", nullable=True)},
    "USERS": {},
}
_RESERVED_VIDEO = {
    **_RESERVED,
    "ITEMS": {
        "PRICE": _FLOAT,
        "DURATION": _FLOAT,
        "GENRE_L2": _CATEGORY,
        "GENRE_L3": _CATEGORY,
        "AVERAGE_RATING": _FLOAT,
        "PRODUCT_DESCRIPTION": _Rule("string", nullable=True, textual=True),
        "CONTENT_OWNER": _CATEGORY,
        "CONTENT_CLASSIFICATION": _CATEGORY,
    },
    "USERS": {"SUBSCRIPTION_MODEL": _CATEGORY},
}
_REQUIRED_SHOP = {
    "INTERACTIONS": _REQUIRED_VIDEO["INTERACTIONS"],
    "ITEMS": {
        "ITEM_ID": _STRING,
        "PRICE": _Rule("float"),
        "CATEGORY_L1": _Rule("string", categorical=True),
    },
    "USERS": {"USER_ID": _STRING},
}
_RESERVED_SHOP = {
    **_RESERVED,
    "ITEMS": {
        "CATEGORY_L2": _CATEGORY,
        "CATEGORY_L3": _CATEGORY,
        "PRODUCT_DESCRIPTION": _Rule("string", nullable=True, textual=True),
        "CREATION_TIMESTAMP": _Rule("long", nullable=True),
        "AGE_GROUP": _CATEGORY,
        "ADULT": _CATEGORY,
        "GENDER": _CATEGORY,
    },
}
# the types of a domain's required and reserved fields
_RULES = {
    None: (_REQUIRED, _RESERVED),
    VIDEO_ON_DEMAND: (_REQUIRED_VIDEO, _RESERVED_VIDEO),
    ECOMMERCE: (_REQUIRED_SHOP, _RESERVED_SHOP),
}
_KNOWN = {kind: {*_REQUIRED[kind], *_RESERVED[kind]} for kind in _REQUIRED}
_MOST = {"INTERACTIONS": 5, "ITEMS": 100, "USERS": 25}


def parse(text: str, domain: str | None = None) -> Schema:
    """Parse an Avro schema as CreateSchema does.

    Raises:
        InvalidInput: lists all problems.
    """
    try:
        document = read_json(text)
    except ValueError as error:
        raise InvalidInput(f"The schema is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InvalidInput("The schema must be a JSON object: an Avro record.")
    wrong: list[str] = []
    if document.get("type") != "record":
        wrong.append("'type' must be 'record'")
    if document.get("namespace") != "com.amazonaws.personalize.schema":
        wrong.append("'namespace' must be 'com.amazonaws.personalize.schema'")
    if document.get("version") not in ("1.0", 1) or document["version"] is True:  # or the number
        wrong.append("'version' must be '1.0'")
    kind = str(document.get("name", "")).upper()
    if kind not in _REQUIRED:
        wrong.append(
            "'name' must be the dataset type, Interactions, Items or Users, "
            f"not '{document.get('name')}'"
        )
    fields = _fields(document.get("fields"), wrong)
    if kind in _REQUIRED:
        _check(kind, fields, domain, wrong)
    if wrong:
        raise InvalidInput(f"Invalid schema: {'; '.join(wrong)}.")
    return Schema(kind, tuple(fields))


def _fields(described: object, wrong: list[str]) -> list[Field]:
    if not isinstance(described, list) or not described:
        wrong.append("'fields' must be a list of fields")
        return []
    fields: list[Field] = []
    seen: dict[str, str] = {}
    for position, each in enumerate(described, 1):
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            wrong.append(f"field {position} has no 'name'")
            continue
        name = each["name"]
        plain = "".join(c for c in name.upper() if c.isalnum())
        if not name.replace("_", "").isalnum():
            wrong.append(f"field name '{name}' may hold letters, digits and underscores only")
        elif plain in seen:
            wrong.append(
                f"fields '{seen[plain]}' and '{name}' are the same but for case or underscores"
            )
        seen.setdefault(plain, name)
        declared = each.get("type")
        types = declared if isinstance(declared, list) else [declared]
        real = [t for t in types if t != "null"]
        if len(real) != 1 or real[0] not in TYPES or len(types) > 2:
            wrong.append(
                f"field '{name}' has type {json.dumps(declared)}; it may be one of "
                f"{', '.join(TYPES)}, or a list of one of them and null"
            )
            continue
        wrong += [
            f"field '{name}': '{attribute}' must be true or false"
            for attribute in ("categorical", "textual", "itemName")
            if not isinstance(each.get(attribute, False), bool)
        ]
        categorical, textual = each.get("categorical") is True, each.get("textual") is True
        item_name = each.get("itemName") is True
        if (categorical or textual) and real[0] != "string":
            wrong.append(f"field '{name}' is categorical or textual, so its type must be string")
        if item_name and real[0] != "string":
            wrong.append(f"field '{name}' is the itemName, so its type must be string")
        if categorical and textual:
            wrong.append(f"field '{name}' cannot be both categorical and textual")
        if item_name and (categorical or textual):
            wrong.append(
                f"field '{name}' is the itemName; it cannot be categorical or textual, too"
            )
        fields.append(Field(name, real[0], "null" in types, categorical, textual, item_name))
    return fields


def _check(kind: str, fields: list[Field], domain: str | None, wrong: list[str]) -> None:
    required, reserved = (rules[kind] for rules in _RULES[domain])
    by_name = {field.name: field for field in fields}
    for name, rule in required.items():
        if name == "GENRES" and "GENRE_L1" in by_name:  # its name in the older default schema
            name = "GENRE_L1"
        if name not in by_name:
            also = f" in domain {domain}" if domain else ""
            wrong.append(f"required field '{name}' ({rule.type}) is missing{also}")
        else:
            _rule(by_name[name], rule, wrong)
    for name, rule in reserved.items():
        if name in by_name and name not in required:
            _rule(by_name[name], rule, wrong)
    metadata = [f for f in fields if f.name not in required and f.name not in reserved]
    if kind != "INTERACTIONS" and not (metadata or (domain and kind == "ITEMS")):
        wrong.append(f"{kind.capitalize()} needs at least one metadata field besides its id")
    if len(metadata) > _MOST[kind]:
        wrong.append(
            f"{kind.capitalize()} may have {_MOST[kind]} metadata fields, not {len(metadata)}"
        )
    textual = [field.name for field in fields if field.textual]
    if textual and kind != "ITEMS":
        wrong.append(f"only Items may have textual fields, here: {', '.join(textual)}")
    if len(textual) > 1:
        wrong.append(f"Items may have one textual field, not {len(textual)}: {', '.join(textual)}")
    named = [field.name for field in fields if field.item_name]
    if named and kind != "ITEMS":
        wrong.append(f"only Items may have an itemName, here: {', '.join(named)}")
    if len(named) > 1:
        wrong.append(f"Items may have one itemName, not {len(named)}: {', '.join(named)}")


def _rule(field: Field, rule: _Rule, wrong: list[str]) -> None:
    if field.type != rule.type:
        wrong.append(f"field '{field.name}' must have type {rule.type}, not {field.type}")
    if field.nullable and not rule.nullable:
        wrong.append(f"field '{field.name}' must not be null")
    if rule.categorical is not None and field.categorical is not rule.categorical:
        must = "must" if rule.categorical else "must not"
        wrong.append(f"field '{field.name}' {must} be categorical")
    if rule.textual is not None and field.textual is not rule.textual:
        wrong.append(f"field '{field.name}' must be textual")
