"""The trained machine in plain numpy: scores, metrics, and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.errors import InputError
from recsys.metrics import rating_metrics

_FORMAT = "recsys-factorization-machines-1"


@dataclass(frozen=True)
class Machine:
    """A trained machine.

    Attributes:
        classifies: whether scores are the probability of label 1.
        bias: the constant term.
        linear: (features,) weights.
        factors: (features, num_factors).
    """

    classifies: bool
    bias: float
    linear: NDArray[np.float32]
    factors: NDArray[np.float32]

    def scores(self, features: csr_array) -> NDArray[np.float64]:
        """Score each row of features: the expected label, or the probability of label 1."""
        summed = features @ self.factors
        squares = features.power(2) @ (self.factors**2).sum(axis=1)
        values = self.bias + features @ self.linear + 0.5 * ((summed**2).sum(axis=1) - squares)
        values = np.asarray(values, np.float64)
        return 0.5 * (1 + np.tanh(0.5 * values)) if self.classifies else values

    def metrics(self, features: csr_array, labels: NDArray[np.floating]) -> dict[str, float]:
        """Compute the built-in algorithm's metrics on labelled rows, by name."""
        scores = self.scores(features)
        if not self.classifies:
            found = rating_metrics(labels, scores)
            return {"rmse": found["rmse"], "mse": found["mse"], "absolute_loss": found["mae"]}
        positive, said = labels > 0.5, scores > 0.5
        likelihood = np.maximum(np.where(positive, scores, 1 - scores), 1e-12)
        hits = float((positive & said).sum())
        return {
            "binary_classification_accuracy": float((positive == said).mean()),
            "binary_classification_cross_entropy": float(-np.log(likelihood).mean()),
            "binary_f_1.000": 2 * hits / max(float(positive.sum() + said.sum()), 1.0),
        }

    def save(self, folder: Path) -> None:
        """Write the model's two files to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            folder / "model.npz",
            bias=np.float64(self.bias),
            linear=self.linear,
            factors=self.factors,
        )
        text = {"format": _FORMAT, "classifies": self.classifies}
        (folder / "model.json").write_text(json.dumps(text, indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Machine:
        """Load a model written by `save`. Raises InputError if it is not such a model."""
        try:
            text = json.loads((folder / "model.json").read_text("utf-8"))
            if text.get("format") != _FORMAT:
                raise ValueError(f"format is {text.get('format')!r}, not {_FORMAT!r}")
            with np.load(folder / "model.npz", allow_pickle=False) as arrays:
                return cls(
                    bool(text["classifies"]),
                    float(arrays["bias"]),
                    arrays["linear"],
                    arrays["factors"],
                )
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(
                f"{folder} does not contain a factorization machine: {error}"
            ) from None
