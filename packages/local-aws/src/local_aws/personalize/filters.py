"""Filters: the expression language, its semantics, and its evaluation."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, v_args
from lark.exceptions import UnexpectedEOF, UnexpectedToken, VisitError
from numpy.typing import NDArray

from local_aws.personalize.data import GroupData, split
from local_aws.personalize.errors import InvalidInput
from local_aws.personalize.schemas import Field, Schema

Mask = NDArray[np.bool_]
_RECENT = 100  # number of interactions per user and event type that a filter considers
_FIELDS = 10  # distinct fields of one filter
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS = {
    "ACTION": "INCLUDE or EXCLUDE",
    "TARGET": "ItemID or UserID",
    "WHERE": "WHERE",
    "IN": "IN",
    "NOT": "NOT IN",
    "COMPARISON": "a comparison (= != < <= > >=)",
    "LPAR": "'('",
    "RPAR": "')'",
    "COMMA": "','",
    "DOT": "'.'",
    "VBAR": "'|'",
    "AND": "AND",
    "OR": "OR",
    "IF": "IF",
    "NAME": "a name",
    "STRING": "a quoted value",
    "NUMBER": "a number",
    "PARAMETER": "a $parameter",
    "$END": "the end",
}


@dataclass(frozen=True)
class Name:
    """`Dataset.FIELD`, and the character at which it begins."""

    dataset: str
    field: str
    at: int


@dataclass(frozen=True)
class Value:
    """A quoted string, a number, a parameter (`$NAME`), or a field of the current user or item."""

    kind: str
    content: Any
    at: int


@dataclass(frozen=True)
class Condition:
    """One comparison; `operator` is IN, NOT IN or a comparison sign."""

    name: Name
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Expression:
    """One part of a filter: a disjunction of conjunctions."""

    include: bool
    target: str
    either: tuple[tuple[Condition, ...], ...]
    when: tuple[Condition, ...]

    def conditions(self) -> Iterator[Condition]:
        """All conditions, including those of the IF."""
        for both in self.either:
            yield from both
        yield from self.when


@v_args(meta=True)
class _Build(Transformer[Token, Any]):
    def filter(self, meta: Any, parts: list[Any]) -> tuple[Expression, ...]:
        return tuple(parts)

    def expression(self, meta: Any, parts: list[Any]) -> Expression:
        action, target, either = parts[:3]
        when = parts[3] if len(parts) > 3 else ()
        return Expression(action.upper() == "INCLUDE", target.upper(), either, when)

    def either(self, meta: Any, parts: list[Any]) -> tuple[Any, ...]:
        return tuple(parts)

    def both(self, meta: Any, parts: list[Any]) -> tuple[Any, ...]:
        return tuple(parts)

    def within(self, meta: Any, parts: list[Any]) -> Condition:
        return Condition(parts[0], "IN", parts[1])

    def without(self, meta: Any, parts: list[Any]) -> Condition:
        return Condition(parts[0], "NOT IN", parts[1])

    def compare(self, meta: Any, parts: list[Any]) -> Condition:
        return Condition(parts[0], str(parts[1]), (_value(parts[2]),))

    def values(self, meta: Any, parts: list[Any]) -> tuple[Value, ...]:
        return tuple(_value(part) for part in parts)

    def value(self, meta: Any, parts: list[Any]) -> Any:
        return parts[0]

    def string(self, meta: Any, parts: list[Any]) -> Value:
        return Value("string", re.sub(r"\\(.)", r"\1", parts[0][1:-1]), meta.start_pos)

    def number(self, meta: Any, parts: list[Any]) -> Value:
        return Value("number", float(parts[0]), meta.start_pos)

    def parameter(self, meta: Any, parts: list[Any]) -> Value:
        return Value("parameter", str(parts[0][1:]), meta.start_pos)

    def field(self, meta: Any, parts: list[Any]) -> Name:
        return Name(str(parts[0]).lower(), str(parts[1]), meta.start_pos)

    def given(self, meta: Any, parts: list[Any]) -> tuple[Value, ...]:
        return tuple(parts)


def _value(part: Any) -> Value:
    return Value("field", part, part.at) if isinstance(part, Name) else part


_PARSER = Lark(
    Path(__file__).with_name("filters.lark").read_text("utf-8"),
    start=["filter", "given"],
    parser="lalr",
    propagate_positions=True,
)


class Filter:
    """A compiled filter expression.

    Args:
        text: the expression.
        schema: returns the schema of a dataset type, None if the group has no such dataset.
        prefix: prepended to `text`; positions count from the beginning of `text`.

    Raises:
        InvalidInput: it is invalid; the message names the position of the error (from 1).
    """

    def __init__(self, text: str, schema: Callable[[str], Schema | None], prefix: str = "") -> None:
        self._before = len(prefix)
        self.expressions: tuple[Expression, ...] = _parse(
            prefix + text, "filter", "filter expression", self._before
        )
        self.parameters: dict[str, Field | None] = {}
        self.fields: set[tuple[str, str]] = set()
        self.current_item = False
        self._schema = schema
        for expression in self.expressions:
            self._check(expression)
        if len({expression.target for expression in self.expressions}) > 1:
            raise self._at(
                self._before + 1, "all expressions of a filter must have the same target"
            )
        if len(self.fields) > _FIELDS:
            raise self._at(
                1, f"a filter may use {_FIELDS} distinct fields, this one uses {len(self.fields)}"
            )

    @property
    def target(self) -> str:
        """ITEMID or USERID."""
        return self.expressions[0].target

    def _at(self, position: int, problem: str) -> InvalidInput:
        at = position - self._before
        return InvalidInput(f"Invalid filter expression, character {at}: {problem}.")

    def _check(self, expression: Expression) -> None:
        if expression.target == "ACTIONID":
            raise self._at(
                self._before + 1,
                "actions are not implemented by the local AWS; use ItemID or UserID",
            )
        rows = "items" if expression.target == "ITEMID" else "users"
        datasets = ("interactions", rows)
        first: str | None = None
        for both in expression.either:
            for condition in both:
                name = condition.name
                if name.dataset == "currentuser":
                    raise self._at(name.at + 1, "CurrentUser may be used after IF only")
                if name.dataset not in datasets:
                    raise self._at(
                        name.at + 1,
                        f"dataset '{name.dataset}' cannot filter {rows}; "
                        f"use Interactions or {rows.capitalize()}",
                    )
                first = first or name.dataset
                if name.dataset != first:
                    raise self._at(
                        name.at + 1,
                        "Interactions and metadata cannot be in one expression; chain two with '|'",
                    )
                self._check_condition(condition, name.dataset.upper())
        for condition in expression.when:
            if condition.name.dataset != "currentuser":
                raise self._at(condition.name.at + 1, "after IF only CurrentUser may be used")
            if expression.target == "USERID":
                raise self._at(condition.name.at + 1, "there is no CurrentUser in a user segment")
            self._check_condition(condition, "USERS")

    def _check_condition(self, condition: Condition, dataset: str) -> None:
        name, sign = condition.name, condition.operator
        field = self._field(name, dataset)
        if dataset == "INTERACTIONS":
            if field.name != "EVENT_TYPE":
                raise self._at(name.at + 1, "of Interactions only EVENT_TYPE can be filtered")
            if sign not in ("IN", "NOT IN"):
                raise self._at(name.at + 1, "EVENT_TYPE is compared with IN or NOT IN")
        if field.type == "boolean":
            raise self._at(
                name.at + 1,
                f"field {field.name} is boolean, which cannot be filtered; "
                "use a string of 'True' and 'False'",
            )
        if field.textual:
            raise self._at(name.at + 1, f"field {field.name} is textual, which cannot be filtered")
        if not field.numeric and sign in ("<", "<=", ">", ">="):
            raise self._at(
                name.at + 1, f"field {field.name} is a string and cannot be compared with {sign}"
            )
        for value in condition.values:
            self._check_value(value, field, sign)

    def _check_value(self, value: Value, field: Field, sign: str) -> None:
        if value.kind == "parameter":
            if sign == "NOT IN":
                raise self._at(
                    value.at + 1,
                    f"${value.content} cannot stand after NOT IN; "
                    "use IN with the opposite of INCLUDE or EXCLUDE",
                )
            self.parameters[value.content] = field
        elif value.kind == "field":
            if value.content.dataset != "currentitem":
                raise self._at(value.at + 1, "only a field of CurrentItem can be compared with")
            other = self._field(value.content, "ITEMS")
            if other.numeric != field.numeric:
                raise self._at(
                    value.at + 1, f"fields {field.name} and {other.name} have different types"
                )
            self.current_item = True
        elif field.numeric and value.kind == "string":
            raise self._at(
                value.at + 1,
                f"field {field.name} is {field.type}: the value must be a number without quotes",
            )
        elif not field.numeric and value.kind == "number":
            raise self._at(
                value.at + 1, f"field {field.name} is a string: the value must be in quotes"
            )

    def _field(self, name: Name, dataset: str) -> Field:
        schema = self._schema(dataset)
        if schema is None:
            raise self._at(name.at + 1, f"the dataset group has no {dataset.capitalize()} dataset")
        field = schema.field(name.field)
        if field is None:
            known = ", ".join(each.name for each in schema.fields)
            raise self._at(
                name.at + 1,
                f"the {dataset.capitalize()} schema has no field '{name.field}'; it has {known}",
            )
        self.fields.add((dataset, field.name))
        return field

    def bind(self, given: Mapping[str, str]) -> dict[str, list[Any]]:
        """Parse the values of the parameters of a GetRecommendations request.

        Raises:
            InvalidInput: one is missing, unknown, or not of its field's type.
        """
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            raise InvalidInput(
                f"The filter has no parameter {', '.join('$' + name for name in unknown)}."
            )
        missing = sorted(set(self.parameters) - set(given))
        if missing:
            names = ", ".join("$" + name for name in missing)
            raise InvalidInput(f"The filter needs a value for {names} in filterValues.")
        return {name: _given(name, text, self.parameters[name]) for name, text in given.items()}

    def allow(
        self, data: GroupData, values: Mapping[str, list[Any]], user: int = -1, item: int = -1
    ) -> Mask:
        """A mask of the group's items (or users, by target) that pass.

        Args:
            data: the group's data.
            values: what `bind` returned.
            user: the current user's code, −1 for an unknown one.
            item: the current item's code.

        INCLUDE expressions are combined by union, and so are EXCLUDE expressions, whose result is
        removed. Expressions whose IF is false are ignored.
        """
        ask = _Asker(data, values, user, item, self.target)
        included: Mask | None = None
        excluded = np.zeros(ask.size, dtype=bool)
        for expression in self.expressions:
            if not all(ask.holds(condition) for condition in expression.when):
                continue
            mask = np.zeros(ask.size, dtype=bool)
            for both in expression.either:
                mask |= np.logical_and.reduce([ask.mask(condition) for condition in both])
            if not expression.include:
                excluded |= mask
            else:
                included = mask if included is None else included | mask
        return ~excluded if included is None else included & ~excluded


class _Asker:
    """Evaluates the conditions of one request."""

    def __init__(
        self, data: GroupData, values: Mapping[str, list[Any]], user: int, item: int, target: str
    ) -> None:
        self._data = data
        self._values = values
        self._user = user
        self._item = item
        self._kind = "ITEMS" if target == "ITEMID" else "USERS"
        self.size = len(data.items if target == "ITEMID" else data.users)

    def mask(self, condition: Condition) -> Mask:
        """A mask of the codes for which the condition is true."""
        wanted = self._wanted(condition)
        if condition.name.dataset == "interactions":
            return self._interacted(condition.operator, wanted)
        table = self._data.metadata[self._kind]
        field = table.schema.field(condition.name.field)
        assert field is not None
        if not field.numeric:
            found = np.zeros(self.size, dtype=bool)
            for value in wanted:
                found[table.having(field.name, value)] = True
            return ~found if condition.operator in ("NOT IN", "!=") else found
        column = table.numbers(field.name)[: self.size]
        known = ~np.isnan(column)
        if condition.operator in _COMPARE:
            if not wanted:
                return np.zeros(self.size, dtype=bool)
            passing: Mask = known & _COMPARE[condition.operator](column, wanted[0])
            return passing
        inside = np.isin(column, np.array(wanted, dtype=float))
        return known & ~inside if condition.operator == "NOT IN" else inside

    def holds(self, condition: Condition) -> bool:
        """Whether the condition is true for the current user; false for an unknown user."""
        table = self._data.metadata.get("USERS")
        field = table.schema.field(condition.name.field) if table else None
        row = table.rows.get(self._user) if table else None
        if row is None or field is None or row.get(field.name) is None:
            return False
        wanted = self._wanted(condition)
        mine = [row[field.name]] if field.numeric else split(row[field.name], field.categorical)
        if condition.operator in ("IN", "NOT IN"):
            return any(value in wanted for value in mine) == (condition.operator == "IN")
        if field.numeric:
            return bool(wanted) and bool(_COMPARE[condition.operator](mine[0], wanted[0]))
        return (wanted[0] in mine) == (condition.operator == "=")

    def _wanted(self, condition: Condition) -> list[Any]:
        wanted: list[Any] = []
        for value in condition.values:
            if value.kind == "parameter":
                wanted += self._values[value.content]
            elif value.kind == "field":
                wanted += self._of_current_item(value.content)
            else:
                wanted.append(value.content)
        return wanted

    def _of_current_item(self, name: Name) -> list[Any]:
        table = self._data.metadata["ITEMS"]
        field = table.schema.field(name.field)
        row = table.rows.get(self._item, {})
        if field is None or row.get(field.name) is None:
            return []
        return [row[field.name]] if field.numeric else split(row[field.name], field.categorical)

    def _interacted(self, sign: str, wanted: list[Any]) -> Mask:
        data = self._data
        found = np.zeros(self.size, dtype=bool)
        if data.interactions is None:
            return found
        known = np.arange(len(data.event_types))
        codes = known if "*" in wanted else np.array([data.event_types.find(w) for w in wanted])
        if sign == "NOT IN":
            codes = np.setdiff1d(known, codes)
        if self._kind == "USERS":
            events = data.interactions.all()
            found[events.user[np.isin(events.event_type, codes)]] = True
            return found
        history = data.interactions.history(self._user)
        if "*" in wanted and sign == "IN" and not len(known):
            found[history.item[-_RECENT:]] = True
        for code in codes:
            found[history.item[history.event_type == code][-_RECENT:]] = True
        return found


def _given(name: str, text: str, field: Field | None) -> list[Any]:
    values: tuple[Value, ...] = _parse(text, "given", f"value of ${name}")
    assert field is not None
    for value in values:
        if field.numeric and value.kind == "string":
            raise InvalidInput(f"The value of ${name} must be a number without quotes, not {text}.")
        if not field.numeric and value.kind == "number":
            raise InvalidInput(f'The value of ${name} must be in quotes: "\\"{text}\\"".')
    return [value.content for value in values]


@lru_cache(maxsize=1024)
def _parse(text: str, start: str, what: str, before: int = 0) -> Any:
    try:
        return _Build().transform(_PARSER.parse(text, start=start))
    except UnexpectedInput as error:
        raise InvalidInput(f"Invalid {what}, {_unexpected(error, text, before)}.") from None
    except VisitError as error:
        raise error.orig_exc from None


def _unexpected(error: UnexpectedInput, text: str, before: int) -> str:
    expected: set[str] = set()
    at = len(text) if error.pos_in_stream is None else error.pos_in_stream
    found = "the end"
    if isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
        if error.token.type != "$END":
            found = f"'{error.token}'"
        else:
            at = len(text)
    elif isinstance(error, UnexpectedCharacters):
        expected = set(error.allowed or ())
        quoted = text[at : at + 1]
        rest = re.match(r"\S+", text[at:])
        found = f"'{rest.group() if rest else quoted}'"
        if quoted in "\"'":
            return f"character {at - before + 1}: the quotation mark is never closed"
    elif isinstance(error, UnexpectedEOF):
        expected, at = set(error.expected), len(text)
    words = " or ".join(_WORDS[name] for name in _WORDS if name in expected)
    return f"character {at - before + 1}: expected {words}, found {found}"
