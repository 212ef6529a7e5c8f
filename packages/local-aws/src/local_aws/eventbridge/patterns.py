"""Wildcards of event patterns.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import re
from typing import Any

from local_aws import wildcards


def matches_wildcards(item: Any, pattern: str) -> bool:
    """Whether an event's value is a string that matches a pattern with the wildcard `*`.

    Args:
        item: the value.
        pattern: the pattern; a backslash escapes `*` and itself.
    """
    parts = [""]
    for escaped, plain in re.findall(r"\\([*\\])|(.)", pattern, re.DOTALL):
        if plain == "*":
            parts.append("")
        else:
            parts[-1] += escaped or plain
    return isinstance(item, str) and wildcards.matches(parts, item)
