"""Queries whose cost depends on their partition only, as on AWS, and small for small items."""

import copy
import inspect
from collections.abc import Callable
from typing import Any, Final, cast

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
    """A replacement of `Item.__deepcopy__`, which copies what is never changed in place."""

    def copied(item: Any, memo: dict[int, Any]) -> Any:
        if any(isinstance(each.value, list | dict) for each in item.attrs.values()):
            return deepcopy(item, memo)
        kind, attributes = cast(Any, type(item)), cast(Any, type(item.attrs))
        same = kind.__new__(kind)
        same.hash_key, same.range_key = item.hash_key, item.range_key
        same.attrs = attributes.__new__(attributes)  # whose size was checked when it was written
        dict.update(same.attrs, item.attrs)
        return same

    return copied


def of_text(method: Callable[..., Any], quick: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of a method of `DynamoType` that is quick if all values are texts.

    moto tells eight types apart first, several times for each key of a query.
    """

    def called(*values: Any) -> Any:
        for value in values:
            if getattr(value, "type", None) != "S":
                return method(*values)
        return quick(*(value.value for value in values))

    return called


def serializing_scalars(serialize: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of the serializer of maps, which looks for ten members of each attribute.

    Scalars in DynamoDB's JSON are what the answer contains.
    """

    def serialized(
        serializer: Any, found: dict[str, Any], value: Any, shape: Any, key: str
    ) -> None:
        if shape.value.name == "AttributeValue" and all(map(_scalar, value.values())):
            found[key] = value
        else:
            serialize(serializer, found, value, shape, key)

    return serialized


def _scalar(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((kind, content),) = value.items()
    return kind in _SCALARS and isinstance(content, str | bool)
