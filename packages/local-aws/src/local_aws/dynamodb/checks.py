"""What DynamoDB refuses and moto does not.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

import re
from collections.abc import Callable
from typing import Any, Final

from local_aws.api import AwsError

_INVALID: Final = "ValidationException"
_EXPRESSION: Final = 4096  # bytes
_LONGEST: Final = {"Statement": 8192}  # of PartiQL
# a name in an expression that is neither a placeholder nor a function's
_NAME: Final = re.compile(r"(?<![#:\w.])[A-Za-z_]\w*(?!\w|\s*\()")
_OPERATORS: Final = frozenset({"AND", "BETWEEN"})


def sizes(content: Any) -> None:
    """Refuse expressions that are longer than DynamoDB's, for which moto needs minutes.

    Args:
        content: a request's body, or a part of it.

    Raises:
        AwsError: ValidationException.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
    """
    if isinstance(content, list):
        for one in content:
            sizes(one)
    if not isinstance(content, dict):
        return
    for name, value in content.items():
        if not isinstance(value, str):
            sizes(value)
            continue
        most = _LONGEST.get(name, _EXPRESSION if name.endswith("Expression") else None)
        if most is not None and (size := len(value.encode())) > most:
            raise AwsError(
                _INVALID,
                f"Invalid {name}: Expression size has exceeded the maximum allowed size; "
                f"expression size: {size}",
            )


def of_the_keys_types(keys_of: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of `get_keys_value`, which refuses a key of another type than the table's."""

    def checked(backend: Any, table: Any, keys: dict[str, Any]) -> Any:
        types = {one["AttributeName"]: one["AttributeType"] for one in table.attr}
        if any(name in types and types[name] not in value for name, value in keys.items()):
            raise AwsError(_INVALID, "The provided key element does not match the schema")
        return keys_of(backend, table, keys)

    return checked


def without_reserved_words(
    parse: Callable[..., Any], reserved: Callable[[], list[str]]
) -> Callable[..., Any]:
    """A replacement of the parser of a KeyConditionExpression, which refuses reserved names.

    What it cannot read is no internal failure.
    """

    def parsed(key_condition_expression: str, *arguments: Any, **named: Any) -> Any:
        words = {word.upper(): word for word in _NAME.findall(key_condition_expression)}
        if found := sorted(words.keys() & {*reserved()} - _OPERATORS):
            raise AwsError(
                _INVALID,
                "Invalid KeyConditionExpression: Attribute name is a reserved keyword; reserved "
                f"keyword: {words[found[0]]}",
            )
        try:
            return parse(key_condition_expression, *arguments, **named)
        except AssertionError:
            raise AwsError(_INVALID, "Invalid KeyConditionExpression: Syntax error") from None

    return parsed


def with_used_values(
    answer: Callable[[Any], Any], parser: Callable[..., Any], check: Callable[..., None]
) -> Callable[[Any], Any]:
    """A replacement of PutItem, which refuses values that its condition does not use.

    Args:
        answer: moto's.
        parser: of a condition.
        check: raises moto's error for unused values.
    """

    def checked(response: Any) -> Any:
        condition, values = (
            response.body.get(name) for name in ("ConditionExpression", "ExpressionAttributeValues")
        )
        if values and condition:
            found = parser(condition, response.body.get("ExpressionAttributeNames", {}), values)
            found.parse()
            check(values, found.expr_attr_values_found, "Values")
        elif values:
            raise AwsError(
                _INVALID,
                "ExpressionAttributeValues can only be specified when using expressions: "
                "ConditionExpression is null",
            )
        return answer(response)

    return checked


def without_the_key(answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A replacement of UpdateItem, whose UPDATED_NEW leaves the key out, which never changes."""

    def answered(response: Any) -> Any:
        found = answer(response)
        attributes = found.result.get("Attributes")
        if attributes and response.body.get("ReturnValues") == "UPDATED_NEW":
            for name in response.body["Key"]:
                attributes.pop(name, None)
        return found

    return answered
