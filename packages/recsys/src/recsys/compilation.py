"""JAX's compiled programs, remembered between processes in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path


def remember() -> None:
    """Keep what JAX compiles from here on, and use what was kept.

    A program compiled for one processor may not run on another, so that each has its own folder.
    Does nothing where there is no folder to write to.
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
