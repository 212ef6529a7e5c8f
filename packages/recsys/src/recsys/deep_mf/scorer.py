"""The trained network in plain numpy, and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.deep_mf import hyperparameters
from recsys.deep_mf.hyperparameters import Hyperparameters
from recsys.errors import InputError
from recsys.hyperparameters import strings

Floats = NDArray[np.float32]

_FORMAT = "recsys-deep-mf-1"
_ROWS = 1 << 16  # rows per batch of scoring


@dataclass(frozen=True)
class Scorer:
    """A trained network.

    Attributes:
        user, item: (ids + 1, dims) embeddings by id, including an item's genre embedding; the last
            row, their mean, is used for ids that did not occur in training.
        layers: weights (inputs, outputs) and biases (outputs,) of each layer, including the output.
    """

    settings: Hyperparameters
    user: Floats
    item: Floats
    layers: tuple[tuple[Floats, Floats], ...]

    def predict(self, user: NDArray[np.integer], item: NDArray[np.integer]) -> Floats:
        """Predict ratings of pairs of ids, (pairs,). Unknown ids have the mean embedding."""
        found = [
            self._scores(user[first : first + _ROWS], item[first : first + _ROWS])
            for first in range(0, len(user), _ROWS)
        ]
        return np.concatenate([np.zeros(0, np.float32), *found])

    def _scores(self, user: NDArray[np.integer], item: NDArray[np.integer]) -> Floats:
        rows = []
        for ids, table in ((user, self.user), (item, self.item)):
            known = (ids >= 0) & (ids < len(table) - 1)
            rows.append(table[np.where(known, ids, len(table) - 1)])
        values = np.concatenate(rows, axis=1)
        for weight, bias in self.layers[:-1]:
            values = np.maximum(values @ weight + bias, 0)
        weight, bias = self.layers[-1]
        scores: Floats = (values @ weight + bias)[:, 0]
        return scores

    def save(self, folder: Path) -> None:
        """Write the model's two files to a folder."""
        arrays = {"user": self.user, "item": self.item}
        for number, (weight, bias) in enumerate(self.layers):
            arrays |= {f"weight{number}": weight, f"bias{number}": bias}
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "model.npz", **arrays)  # type: ignore[arg-type]
        text = {"format": _FORMAT, "hyperparameters": strings(self.settings)}
        (folder / "model.json").write_text(json.dumps(text, indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Scorer:
        """Load a model written by `save`. Raises InputError if it is not such a model."""
        try:
            text = json.loads((folder / "model.json").read_text("utf-8"))
            if text.get("format") != _FORMAT:
                raise ValueError(f"format is {text.get('format')!r}, not {_FORMAT!r}")
            settings = hyperparameters.parse(text["hyperparameters"])
            with np.load(folder / "model.npz", allow_pickle=False) as arrays:
                numbers = range(settings.hidden_layers + 1)
                layers = tuple((arrays[f"weight{n}"], arrays[f"bias{n}"]) for n in numbers)
                return cls(settings, arrays["user"], arrays["item"], layers)
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(
                f"{folder} does not contain a deep matrix factorization model: {error}"
            ) from None
