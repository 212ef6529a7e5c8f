"""Matching of the wildcard `*` without backtracking."""

from collections.abc import Sequence


def matches(parts: Sequence[str], text: str) -> bool:
    """Whether a text matches a pattern as a whole.

    Args:
        parts: the pattern, split at its wildcards.
        text: the text.
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
