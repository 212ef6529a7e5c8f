"""Where the local AWS does not answer as AWS documents, and is known not to."""

from typing import Final

KNOWN: Final[dict[str, str]] = {}
"""By the end of a test's id: what the local AWS does instead."""
