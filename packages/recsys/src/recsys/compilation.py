"""Enables JAX's persistent compilation cache, in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path


def remember() -> None:
    """Enable the compilation cache for this process.

    A program compiled for one CPU may not run on another, so each CPU type has a separate folder.
    Does nothing if the folder is not writable.
    """
    import jax
    import jaxlib.version

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    try:
        processor = "".join(sorted(set(_flags(Path("/proc/cpuinfo").read_text()))))
    except OSError:
        processor = platform.processor()
    machine = f"{jaxlib.version.__version__} {platform.platform()} {processor}"
    folder = cache / "recsys" / "xla" / hashlib.sha256(machine.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))  # type: ignore[no-untyped-call]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # type: ignore[no-untyped-call]


def _flags(cpuinfo: str) -> list[str]:
    return [line for line in cpuinfo.splitlines() if line.startswith(("model name", "flags"))]
