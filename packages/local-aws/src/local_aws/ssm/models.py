"""moto's SSM, whose parameters have any value, whatever their AllowedPattern says.

https://docs.aws.amazon.com/systems-manager/latest/userguide/param-create-cli.html
"""

from typing import Any

from moto.ssm.models import Parameter, SimpleSystemManagerBackend

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.expressions import TooSlow, fault, fullmatch


class LocalSsmBackend(SimpleSystemManagerBackend):
    """moto's backend, which also enforces AllowedPattern."""

    def put_parameter(
        self,
        name: str,
        description: str,
        value: str,
        parameter_type: str,
        allowed_pattern: str,
        keyid: str,
        overwrite: bool,
        *arguments: Any,
        **named: Any,
    ) -> Parameter:
        """Create a parameter, or a new version, whose value matches the pattern.

        A new version keeps the pattern of the one before, unless it brings its own.

        Raises:
            AwsError: the pattern is invalid, or the value does not match it.
        """
        stored = self._parameters
        earlier = list(stored.get(stored.normalize_name(name)) or ())
        if overwrite or not earlier:  # otherwise the name is taken
            last = earlier[-1] if earlier else None
            pattern = last.allowed_pattern if last and allowed_pattern is None else allowed_pattern
            kind = parameter_type or (last.parameter_type if last else "")
            if pattern and value:
                _check(value, pattern, in_list=kind == "StringList")
        return super().put_parameter(
            name,
            description,
            value,
            parameter_type,
            allowed_pattern,
            keyid,
            overwrite,
            *arguments,
            **named,
        )


def _check(value: str, pattern: str, *, in_list: bool) -> None:
    """Check that a value matches a pattern as a whole.

    Args:
        value: the value.
        pattern: the regular expression.
        in_list: whether it is a list with commas.

    Raises:
        AwsError: it does not match, or the pattern is invalid.
        NotImplementedByLocalAws: a list matches as a whole only, or item by item only; AWS does not
            document which of them counts.
    """
    if why := fault(pattern):
        raise AwsError(
            "InvalidAllowedPatternException",
            f"The request does not meet the regular expression requirement: {pattern}: {why}",
        )
    try:
        fits, *items = fullmatch(pattern, value, *(value.split(",") if in_list else ()))
    except TooSlow as error:
        raise AwsError("InvalidAllowedPatternException", f"{error}.") from None
    if items and fits != all(items):
        raise NotImplementedByLocalAws(
            f"the AllowedPattern {pattern} of a StringList that it matches "
            f"{'as a whole' if fits else 'item by item'} only; choose one that matches both"
        )
    if not fits:
        raise AwsError(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {pattern}",
        )
