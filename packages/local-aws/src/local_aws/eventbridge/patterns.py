"""Wildcards of event patterns.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import re
from typing import Any

from local_aws import wildcards


def matches_wildcards(item: Any, pattern: str) -> bool:
    """Whether a value of an event is a text that matches, where `*` stands for any characters.

    Args:
        item: the value.
        pattern: in which a backslash takes the meaning from `*` and from a backslash.
    """
    parts = [""]
    for escaped, plain in re.findall(r"\\([*\\])|(.)", pattern, re.DOTALL):
        if plain == "*":
            parts.append("")
        else:
            parts[-1] += escaped or plain
    return isinstance(item, str) and wildcards.matches(parts, item)
