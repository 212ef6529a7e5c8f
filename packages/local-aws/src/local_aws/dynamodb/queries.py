"""Queries whose cost depends on their partition only, as on AWS, and small for small items."""

import copy
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, cast

from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import RESULT_SIZE_LIMIT

_SCALARS: Final = ("S", "N", "BOOL", "NULL")


def of_one_partition(query: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of moto's `Table.query`, which sorts all items of a table.

    Queries of an index, and those with a `QueryFilter`, still read the whole table.
    """

    parameters = inspect.signature(query)

    def within(*arguments: Any, **more: Any) -> Any:
        asked = parameters.bind(*arguments, **more).arguments
        if asked.get("index_name") or asked["hash_key"] is None or asked.get("filter_kwargs"):
            return query(*arguments, **more)
        return _page(asked["self"], asked)

    return within


def _page(table: Any, asked: Mapping[str, Any]) -> tuple[list[Any], int, dict[str, Any] | None]:
    """A page of a partition: copies of its items, how many there are, and where the next begins."""
    backwards, limit = asked["scan_index_forward"] is False, asked["limit"]
    found = _in_order(table, asked, backwards)
    if start := asked["exclusive_start_key"]:
        found = _after(found, start.get(table.range_key_attr), backwards)
    page: list[Any] = []
    bytes_read, more = 0, None
    for item in found:
        bytes_read += _size(item)
        if len(page) == limit or bytes_read > RESULT_SIZE_LIMIT:
            more = table._get_last_evaluated_key(page[-1], None)
            break
        page.append(item)
    count, passes = len(page), asked.get("filter_expression")
    if passes is not None:
        page = [item for item in page if passes.expr(item)]
    paths = asked["projection_expressions"] or []
    if all(len(path) == 1 and "[" not in path[0] for path in paths):
        names = [name for (name,) in paths]  # moto would parse and serialize all of each item
        return [copied(item, names=names) for item in page], count, more
    return [copied(item).project(paths) for item in page], count, more


def _in_order(table: Any, asked: Mapping[str, Any], backwards: bool) -> list[Any]:
    """The items of a partition that the condition on the sort key admits."""
    own = table.items.get(asked["hash_key"], {})
    # without a sort key, the item itself; otherwise a copy, because others may write meanwhile
    found = list(own.values()) if isinstance(own, dict) else [own]
    if comparison := asked["range_comparison"]:
        found = [one for one in found if one.range_key.compare(comparison, asked["range_objs"])]
    if table.range_key_attr:
        found.sort(key=_place, reverse=backwards)
    return found


def _after(found: list[Any], start: dict[str, Any] | None, backwards: bool) -> list[Any]:
    """What comes after a sort key; nothing where the table has none."""
    if start is None:
        return []
    before = _comparable(DynamoType(start))
    if backwards:
        return [one for one in found if _place(one) < before]
    return [one for one in found if _place(one) > before]


def _place(item: Any) -> Any:
    return _comparable(item.range_key)


def _comparable(value: Any) -> Any:
    return value.value if value.type == "S" else value.cast_value  # the latter tells eight types


def _size(item: Any) -> int:
    """As `Item.size`: bytes of the names and the values."""
    return sum(
        len(name.encode()) + (len(value.value.encode()) if value.type == "S" else value.size())
        for name, value in item.attrs.items()
    )


def copied(item: Any, _: object = None, names: Collection[str] = ()) -> Any:
    """A replacement of `Item.__deepcopy__`, which copies what is never changed in place.

    Args:
        item: of a table.
        names: of the attributes that are copied; of all if there are none.
    """
    kind, attributes = cast(Any, type(item)), cast(Any, type(item.attrs))
    same = kind.__new__(kind)
    same.hash_key, same.range_key = item.hash_key, item.range_key
    same.attrs = attributes.__new__(attributes)  # whose size was checked when it was written
    found = dict(item.attrs)
    wanted = [name for name in names if name in found] if names else found
    dict.update(
        same.attrs,
        {
            name: found[name] if found[name].type in _SCALARS else copy.deepcopy(found[name])
            for name in wanted
        },
    )
    return same


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


def expanding_scalars(expand: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of `dynamo_to_dict`, which imports a module for each value of an answer."""

    def expanded(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: expanded(each) for name, each in value.items()}
        if isinstance(value, list):
            return [expanded(each) for each in value]
        if isinstance(value, DynamoType) and value.type in _SCALARS:
            return {value.type: value.value}
        return expand(value)

    return expanded


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
