"""Reference implementations of other projects, in an isolated environment.

Their dependencies may conflict with this project's. `install` creates the environment from
requirements.txt; `run.py` runs in it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.datasets.ratings import Ratings
from recsys.evaluation import Predict

_HERE = Path(__file__).resolve().parent


class PeerError(Exception):
    """A peer could not be installed or run; the message says why."""


def install(folder: Path) -> Path:
    """Create the environment of the peers in `folder` if it does not exist; return its Python.

    PyTorch, which takes several GB, is used if installed: `uv pip install --python FOLDER torch`.

    Raises:
        PeerError: the environment could not be created.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        for arguments in (
            ["venv", "--quiet", "--python", sys.executable, str(folder)],
            [
                "pip",
                "install",
                "--quiet",
                "--python",
                str(python),
                "-r",
                _HERE / "requirements.txt",
            ],
        ):
            done = subprocess.run(
                ["uv", *map(str, arguments)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise PeerError(done.stderr.strip()[-500:])
    return python


class Peers:
    """The engines of run.py.

    Args:
        python: the Python of their environment.
    """

    def __init__(self, python: Path) -> None:
        self._python = python

    def missing(self, package: str) -> str | None:
        """Why a package cannot be imported in the environment, or None if it can."""
        done = subprocess.run(
            [self._python, "-c", f"import {package}"], capture_output=True, text=True, check=False
        )
        return (done.stderr.strip().splitlines() or ["?"])[-1] if done.returncode else None

    def run(self, engine: str, train: Ratings, asked: Ratings, **settings: Any) -> dict[str, Any]:
        """Fit an engine on `train` and predict the rows of `asked`.

        Returns:
            `predicted` (one score for each row of `asked`) and the engine's other results, such as
            `seconds`, the time of the fit without imports.

        Raises:
            PeerError: it failed.
        """
        with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
            arrays: dict[str, NDArray[Any]] = {
                f"{part}_{name}": getattr(rows, name)
                for part, rows in (("train", train), ("asked", asked))
                for name in ("user", "item", "rating")
            }
            np.savez(Path(scratch) / "request.npz", **arrays)  # type: ignore[arg-type]
            done = subprocess.run(
                [self._python, _HERE / "run.py", engine, json.dumps(settings), scratch],
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
            if done.returncode:
                raise PeerError(f"{engine}: {done.stderr.strip()[-500:]}")
            told: dict[str, Any] = json.loads((Path(scratch) / "answer.json").read_text("utf-8"))
            return told | {"predicted": np.load(Path(scratch) / "predicted.npy")}

    def fit(self, engine: str, train: Ratings, **settings: Any) -> Predict:
        """An engine in the form that `evaluate` takes; each prediction fits it again."""
        return lambda rows: np.asarray(self.run(engine, train, rows, **settings)["predicted"])
