"""Text that is safe to show on a terminal."""

import re

# control characters, separators of lines, and marks that override the direction of text
ACTING = r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
"""The same in Python's regular expressions and in Java's."""

_ACTING = re.compile(ACTING)


def printable(text: str) -> str:
    """Convert a text to one line without terminal control characters or bidirectional marks.

    Line breaks and tabs become spaces; control characters such as Escape are removed.
    """
    return _ACTING.sub(lambda found: " " if found[0].isspace() else "", text)
