"""Queries whose cost depends on their partition only, as on AWS, and small for small items."""

import copy
import inspect
from collections.abc import Callable
from typing import Any, Final

_SCALARS: Final = ("S", "N", "BOOL", "NULL")


def of_one_partition(query: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of moto's `Table.query`, which sorts all items of a table.

    A query of an index still reads the whole table. Named attributes are taken from the items as
    they are; moto finds those within attributes.
    """

    parameters = inspect.signature(query)

    def within(*arguments: Any, **more: Any) -> Any:
        bound = parameters.bind(*arguments, **more)
        asked = bound.arguments
        table, hash_key = asked["self"], asked["hash_key"]
        if asked.get("index_name") or hash_key is None:
            return query(*arguments, **more)
        asked["self"] = partition = copy.copy(table)
        partition.items = {}
        if hash_key in table.items:
            own = table.items[hash_key]  # the item itself, where the table has no sort key
            # otherwise a copy, because others may write meanwhile
            partition.items[hash_key] = dict(own) if isinstance(own, dict) else own
        paths = asked.get("projection_expressions") or []
        plain = all(len(path) == 1 and "[" not in path[0] for path in paths)
        if plain:
            asked["projection_expressions"] = None
        items, *rest = query(*bound.args, **bound.kwargs)
        if paths and plain:  # moto would parse and serialize all of each item
            for item in items:
                item.attrs = {name: item.attrs[name] for (name,) in paths if name in item.attrs}
        return (items, *rest)

    return within


def sharing_scalars(deepcopy: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of `DynamoType.__deepcopy__`, which copies what is never changed in place."""

    def copied(value: Any, memo: dict[int, Any]) -> Any:
        return deepcopy(value, memo) if isinstance(value.value, list | dict) else value

    return copied


def serializing_scalars(serialize: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of the serializer of structures, which looks for ten members of each attribute.

    A scalar in DynamoDB's JSON is what the answer contains.
    """

    def serialized(
        serializer: Any, found: dict[str, Any], value: Any, shape: Any, key: str
    ) -> None:
        if shape.name == "AttributeValue" and isinstance(value, dict) and len(value) == 1:
            ((kind, content),) = value.items()
            if kind in _SCALARS and isinstance(content, str | bool):
                found[key] = value
                return
        serialize(serializer, found, value, shape, key)

    return serialized
