"""DynamoDB's arithmetic.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation, Overflow, Subnormal
from typing import Any, Final

from local_aws.api import AwsError

# 38 digits, absolute values from 1E-130 to 9.9…E+125
_NUMBERS: Final = Context(
    prec=38, Emin=-130, Emax=125, traps=[InvalidOperation, Overflow, Subnormal]
)


def added(method: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of moto's addition of two values, whose refusal of other types stays."""
    return _computed(method, _NUMBERS.add)


def subtracted(method: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of moto's subtraction of two values, whose refusal of other types stays."""
    return _computed(method, _NUMBERS.subtract)


def _computed(
    method: Callable[..., Any], combine: Callable[[Decimal, Decimal], Decimal]
) -> Callable[..., Any]:
    def compute(one: Any, other: Any) -> Any:
        if not (one.is_number() and one.same_type(other)):
            return method(one, other)
        try:
            found = combine(Decimal(one.value), Decimal(other.value))
        except Overflow:
            raise _out_of_range("overflow", "larger") from None
        except Subnormal:
            raise _out_of_range("underflow", "smaller") from None
        return type(one)({"N": format(found.normalize(_NUMBERS), "f")})

    return compute


def _out_of_range(what: str, which: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"Number {what}. Attempting to store a number with magnitude {which} than supported range",
    )
