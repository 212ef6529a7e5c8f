"""Digests, by which a deployment notices that files have changed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path


def of_files(files: Mapping[str, Path]) -> str:
    """SHA-256 over the names and contents of files.

    Args:
        files: files by name.
    """
    total = hashlib.sha256()
    for name, path in sorted(files.items()):
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        total.update(f"{name}\0{digest}\n".encode())
    return total.hexdigest()
