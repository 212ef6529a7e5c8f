"""Metadata filters of queries.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-metadata-filtering.html

What that page does not define is refused: `$ne` and `$nin` on lists or missing keys, and objects
with several keys.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from local_aws.api import NotImplementedByLocalAws
from local_aws.s3vectors.errors import Invalid

Metadata = Mapping[str, Any]
Predicate = Callable[[Metadata], bool]

MOST: Final = 100  # maximum constraints of a filter
_ORDERED: Final = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_OPERATORS: Final = ("$eq", "$ne", *_ORDERED, "$in", "$nin", "$exists", "$startsWith")


def predicate(document: object, non_filterable: frozenset[str]) -> Predicate:
    """Compile a filter to a predicate on a vector's metadata.

    Args:
        document: the filter.
        non_filterable: the index's keys that filters must not use.

    Raises:
        Invalid: the filter is invalid.
        NotImplementedByLocalAws: its meaning is undocumented; also raised by the predicate.
    """
    return _Reader(non_filterable).read(document)


class _Reader:
    def __init__(self, non_filterable: frozenset[str]) -> None:
        self._non_filterable = non_filterable
        self._constraints = 0

    def read(self, document: object) -> Predicate:
        if not isinstance(document, dict) or not document:
            raise Invalid("Invalid filter: it must be an object that is not empty")
        if len(document) > 1:
            raise NotImplementedByLocalAws(
                f"a filter with several keys in one object ({', '.join(document)}): use $and"
            )
        ((key, value),) = document.items()
        if key in ("$and", "$or"):
            if not isinstance(value, list) or not value:
                raise Invalid(f"Invalid filter: {key} takes a list of filters, not empty")
            parts = [self.read(part) for part in value]
            every = all if key == "$and" else any
            return lambda metadata: every(part(metadata) for part in parts)
        if key.startswith("$"):
            raise Invalid(f"Invalid filter: the operator {key} is unknown, or has no key")
        if key in self._non_filterable:
            raise Invalid(f"Invalid filter: the metadata key {key} is not filterable")
        conditions = value if isinstance(value, dict) else {"$eq": value}
        if not conditions:
            raise Invalid(f"Invalid filter: {key} has no condition")
        tests = [self._condition(key, name, wanted) for name, wanted in conditions.items()]
        return lambda metadata: all(test(metadata) for test in tests)

    def _condition(self, key: str, name: str, wanted: Any) -> Predicate:
        self._constraints += len(wanted) if isinstance(wanted, list) else 1
        if self._constraints > MOST:
            raise Invalid(f"Invalid filter: it has more than {MOST} constraints")
        _check(name, wanted)
        if name == "$exists":
            return lambda metadata: (key in metadata) == wanted
        if name in ("$eq", "$in"):
            some = wanted if name == "$in" else [wanted]
            return lambda metadata: any(
                _same(one, other) for one in _listed(metadata, key) for other in some
            )
        if name in ("$ne", "$nin"):
            some = wanted if name == "$nin" else [wanted]
            return lambda metadata: (
                not any(_same(_single(metadata, key, name), other) for other in some)
            )
        if name == "$startsWith":
            return lambda metadata: any(
                isinstance(one, str) and one.startswith(wanted) for one in _listed(metadata, key)
            )
        compare = _ORDERED[name]
        return lambda metadata: any(
            _is_number(one) and compare(one, wanted) for one in _listed(metadata, key)
        )


def _check(name: str, wanted: Any) -> None:
    primitive = isinstance(wanted, (str, bool, int, float))
    fits = {
        "$exists": isinstance(wanted, bool),
        "$eq": primitive,
        "$ne": primitive,
        "$in": isinstance(wanted, list) and bool(wanted) and not any(map(_nested, wanted)),
        "$startsWith": isinstance(wanted, str),
        **dict.fromkeys(_ORDERED, _is_number(wanted)),
    }
    fits["$nin"] = fits["$in"]
    if name not in fits:
        raise Invalid(
            f"Invalid filter: the operator {name} is unknown; known are {', '.join(_OPERATORS)}"
        )
    if not fits[name]:
        raise Invalid(f"Invalid filter: {name} does not take {wanted!r}")


def _nested(value: object) -> bool:
    return not isinstance(value, (str, bool, int, float))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(one: object, other: object) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _listed(metadata: Metadata, key: str) -> list[Any]:
    """The key's values: a list, a single value, or none."""
    value = metadata.get(key, [])
    return value if isinstance(value, list) else [value]


def _single(metadata: Metadata, key: str, name: str) -> Any:
    value = metadata.get(key, [])
    if isinstance(value, list):
        raise NotImplementedByLocalAws(
            f"{name} of the metadata key {key} where a vector lacks it, or has a list there: "
            "what AWS answers is not documented"
        )
    return value
