"""The wildcard `*`, matched in linear time, where a regular expression might never end."""

from collections.abc import Sequence


def matches(parts: Sequence[str], text: str) -> bool:
    """Whether a text consists of these parts in this order, with anything between them.

    Args:
        parts: of a pattern, split at its wildcards.
        text: is matched as a whole.
    """
    first, *others = parts
    if not others:
        return text == first
    *middle, last = others
    at, end = len(first), len(text) - len(last)
    if end < at or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
