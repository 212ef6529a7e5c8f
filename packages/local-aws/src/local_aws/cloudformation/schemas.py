"""CloudFormation's published resource schemas: properties, replacement and attributes.

They come with cfn-lint, which distributes the registry's schemas of every region.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from local_aws.validation import compiled

_SCALARS = ("string", "integer", "number", "boolean")


@lru_cache(maxsize=1)
def _folder() -> Path:
    package = find_spec("cfnlint")  # found, not imported: importing it takes a second
    assert package and package.submodule_search_locations
    return Path(package.submodule_search_locations[0], "data", "schemas")


@lru_cache(maxsize=4)
def _types(region: str) -> dict[str, str]:
    path = _folder() / "providers" / f"{region}.json"
    if not path.exists():
        path = _folder() / "providers" / "us-east-1.json"
    types: dict[str, str] = json.loads(path.read_text())
    return types


def exists(resource_type: str, region: str) -> bool:
    """Whether AWS has this resource type in `region`."""
    return resource_type in _types(region)


@lru_cache(maxsize=256)
def schema(resource_type: str, region: str) -> "Schema":
    """The schema of a resource type.

    Raises:
        KeyError: the type does not exist in `region`.
    """
    name = _types(region)[resource_type]
    path = _folder() / "resources" / f"{name}.json"
    return Schema(json.loads(path.read_text()))


class Schema:
    """One resource type's schema."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.properties: dict[str, Any] = document["properties"]
        self._read_only = {_name(p) for p in document.get("readOnlyProperties", [])}
        self._create_only = [_path(p) for p in document.get("createOnlyProperties", [])]
        self.create_only = frozenset(top for top, *_ in self._create_only)
        self.required = frozenset(document.get("required", []))
        tagging = document.get("tagging") or {}
        taggable = tagging.get("taggable", document.get("taggable", False))
        prefix = "/properties/"
        self.tag_property: str | None = (
            tagging.get("tagProperty", "/properties/Tags").removeprefix(prefix)
            if taggable and "Tags" in self.properties
            else None
        )
        identifier = document.get("primaryIdentifier", [])
        self.identifier = frozenset(_name(p) for p in identifier)

    @property
    def tags_are_a_map(self) -> bool:
        """Whether the type's tags are a JSON object instead of a list of Key and Value."""
        assert self.tag_property
        shape = self._shape(self.properties[self.tag_property])
        return "object" in _types_of(shape)

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes of Fn::GetAtt; nested ones are dotted."""
        return frozenset(self._read_only)

    @property
    def settable(self) -> frozenset[str]:
        """The properties that a template may set."""
        return frozenset(self.properties) - frozenset(n for n in self._read_only if "." not in n)

    def replaces(self, old: dict[str, Any], new: dict[str, Any]) -> set[str]:
        """The properties whose change from `old` to `new` needs a new physical resource."""
        return {path[0] for path in self._create_only if _within(old, path) != _within(new, path)}

    def coerce(self, properties: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Convert properties to the schema's types, and list violations with AWS's messages.

        CloudFormation accepts "true" for a boolean and "30" for a number, and vice versa.
        """
        faults: list[str] = []
        shape = {k: v for k, v in self._document.items() if k != "definitions"}
        value = self._coerce(properties, shape, "#", faults)
        return value, faults

    def _shape(self, shape: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in shape:
            target: Any = self._document
            for part in shape["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            shape = {**target, **{k: v for k, v in shape.items() if k != "$ref"}}
        return shape

    def _coerce(self, value: Any, shape: dict[str, Any], path: str, faults: list[str]) -> Any:
        shape = self._shape(shape)
        if isinstance(value, dict):
            if _json_text(shape):
                return value
            return self._coerce_object(value, shape, path, faults)
        if isinstance(value, list):
            return self._coerce_list(value, shape, path, faults)
        value = _scalar(value, shape)
        faults.extend(f"{path}: {fault}" for fault in _scalar_faults(value, shape))
        return value

    def _coerce_object(
        self, value: dict[str, Any], shape: dict[str, Any], path: str, faults: list[str]
    ) -> Any:
        types = _types_of(shape)
        if types and "object" not in types:
            faults.append(f"{path}: expected type: {_titled(types)}, found: JSONObject")
            return value
        members = shape.get("properties", {})
        patterns = shape.get("patternProperties", {})
        result: dict[str, Any] = {}
        for name, member in value.items():
            inner = members.get(name) or next(
                (s for pattern, s in patterns.items() if _matches(pattern, name)), None
            )
            if inner is not None:
                result[name] = self._coerce(member, inner, f"{path}/{name}", faults)
                continue
            rest = shape.get("additionalProperties", True)
            if rest is False:
                faults.append(f"{path}: extraneous key [{name}] is not permitted")
            elif isinstance(rest, dict):
                member = self._coerce(member, rest, f"{path}/{name}", faults)
            result[name] = member
        faults.extend(
            f"{path}: required key [{name}] not found"
            for name in shape.get("required", [])
            if name not in value
        )
        faults.extend(f"{path}: {fault}" for fault in _alternatives(value, shape))
        return result

    def _coerce_list(
        self, value: list[Any], shape: dict[str, Any], path: str, faults: list[str]
    ) -> Any:
        types = _types_of(shape)
        if types and "array" not in types:
            faults.append(f"{path}: expected type: {_titled(types)}, found: JSONArray")
            return value
        for name, limit, broken in (
            ("minItems", "minimum", len(value) < shape.get("minItems", 0)),
            ("maxItems", "maximum", len(value) > shape.get("maxItems", len(value))),
        ):
            if broken:
                faults.append(
                    f"{path}: expected {limit} item count: {shape[name]}, found: {len(value)}"
                )
        items = shape.get("items", {})
        return [
            self._coerce(member, items, f"{path}/{i}", faults) for i, member in enumerate(value)
        ]


def _name(pointer: str) -> str:
    return pointer.removeprefix("/properties/").replace("/", ".")


def _path(pointer: str) -> list[str]:
    return pointer.removeprefix("/properties/").split("/")


def _within(value: Any, path: list[str]) -> Any:
    """What is at a path; the whole list if the path goes on within its members."""
    for name in path:
        if not isinstance(value, dict):
            break
        value = value.get(name)
    return value


def _types_of(shape: dict[str, Any]) -> tuple[str, ...]:
    types = shape.get("type", ())
    return (types,) if isinstance(types, str) else tuple(types)


def _titled(types: tuple[str, ...]) -> str:
    return ", ".join(t.capitalize() for t in types)


def _json_text(shape: dict[str, Any]) -> bool:
    types = _types_of(shape)
    return "string" in types and "object" in types


def _scalar(value: Any, shape: dict[str, Any]) -> Any:
    types = _types_of(shape)
    if isinstance(value, str):
        if "string" in types or not types:
            return value
        if "boolean" in types and value.lower() in ("true", "false"):
            return value.lower() == "true"
        for name, kind in (("integer", int), ("number", float)):
            if name in types:
                try:
                    return kind(value)
                except ValueError:
                    continue
    elif isinstance(value, bool):
        if "boolean" not in types and "string" in types:
            return "true" if value else "false"
    elif isinstance(value, (int, float)):
        if "string" in types and not {"integer", "number"} & set(types):
            return str(value)
        if isinstance(value, float) and value.is_integer() and "integer" in types:
            return int(value)
    return value


def _scalar_faults(value: Any, shape: dict[str, Any]) -> Iterator[str]:
    types = _types_of(shape)
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        # a document may be given as JSON text
        "object": isinstance(value, str) and "string" in types,
        "array": False,
    }
    if types and not any(fits.get(t, True) for t in types):
        found = {str: "String", bool: "Boolean", int: "Integer", float: "Number"}.get(type(value))
        yield f"expected type: {_titled(types)}, found: {found or 'Null'}"
        return
    if "enum" in shape and value not in shape["enum"]:
        yield f"{value} is not a valid enum value"
    if isinstance(value, str) and "string" in (types or ("string",)):
        if len(value) < shape.get("minLength", 0):
            yield f"expected minLength: {shape['minLength']}, actual: {len(value)}"
        if len(value) > shape.get("maxLength", len(value)):
            yield f"expected maxLength: {shape['maxLength']}, actual: {len(value)}"
        pattern = shape.get("pattern")
        if pattern and not _matches(pattern, value):
            yield f"failed validation constraint for keyword [pattern]: {pattern}"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < shape.get("minimum", value):
            yield f"{value} is not greater or equal to {shape['minimum']}"
        if value > shape.get("maximum", value):
            yield f"{value} is not less or equal to {shape['maximum']}"


def _alternatives(value: dict[str, Any], shape: dict[str, Any]) -> Iterator[str]:
    def satisfied(option: dict[str, Any]) -> bool:
        return all(name in value for name in option.get("required", []))

    for keyword in ("anyOf", "oneOf"):
        options = [o for o in shape.get(keyword, []) if set(o) == {"required"}]
        if not options or len(options) != len(shape.get(keyword, [])):
            continue
        met = sum(satisfied(option) for option in options)
        if met == 0 or (keyword == "oneOf" and met > 1):
            wanted = " or ".join(", ".join(option["required"]) for option in options)
            yield f"{met} subschemas matched instead of one (give {wanted})"
    exclusive = shape.get("requiredXor")
    if exclusive and sum(name in value for name in exclusive) != 1:
        yield f"exactly one of {', '.join(exclusive)} is required"


def _matches(pattern: str, value: str) -> bool:
    expression = compiled(pattern)
    return expression is None or expression.search(value) is not None
