from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
from recsys import compilation
compilation.remember()
import jax
import jax.numpy as jnp
print(jax.jit(lambda x: jnp.linalg.svd(x)[1].sum() * jnp.tanh(x).sum())(jnp.ones((3, 3))))
"""


def run(cache: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def test_compiled_programs_are_cached_and_reused(tmp_path: Path) -> None:
    first = run(tmp_path)
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*-cache")}
    assert kept
    assert run(tmp_path) == first
    assert kept == {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*-cache")}


def test_cache_without_a_writable_folder_is_disabled(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file").strip()
