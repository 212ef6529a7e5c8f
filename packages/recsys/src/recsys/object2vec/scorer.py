"""The trained network in plain numpy: scores, embeddings, metrics, and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.hyperparameters import strings
from recsys.object2vec import hyperparameters
from recsys.object2vec.hyperparameters import Hyperparameters
from recsys.object2vec.records import Pairs, Sequences

Floats = NDArray[np.float32]

_FORMAT = "recsys-object2vec-1"
_CHUNK_FLOATS = 1 << 23


class Affine(NamedTuple):
    """weight (inputs, outputs), bias (outputs,)."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True)
class Scorer:
    """A trained Object2Vec model.

    For each side, `ids` are the ascending token ids that occurred in training and `encodings`
    (ids + 1, enc_dim) their encodings; the last row is for all other tokens. `layers` are those of
    the MLP and the output.
    """

    settings: Hyperparameters
    ids: tuple[NDArray[np.int32], NDArray[np.int32]]
    encodings: tuple[Floats, Floats]
    layers: tuple[Affine, ...]

    def embed(self, side: int, sequences: Sequences) -> Floats:
        """Encode sequences of in0 (side 0) or in1 (side 1): (sequences, enc_dim)."""
        ids, table = self.ids[side], self.encodings[side]
        place = np.searchsorted(ids, sequences.tokens)
        known = place < len(ids)
        known[known] = ids[place[known]] == sequences.tokens[known]
        encoded = table[np.where(known, place, len(ids))]
        if sequences.single:
            return encoded
        sums = np.add.reduceat(encoded, sequences.offsets[:-1])
        means: Floats = (sums / sequences.lengths[:, None]).astype(np.float32)
        return means

    def scores(self, in0: Sequences, in1: Sequences) -> Floats:
        """Score pairs: (pairs, 1) for regression, else the classes' probabilities."""
        width = self.layers[0].weight.shape[0]
        step = max(1, _CHUNK_FLOATS // width)
        if len(in0) <= step:
            return self._scores(self.embed(0, in0), self.embed(1, in1))
        rows = [np.arange(i, min(i + step, len(in0))) for i in range(0, len(in0), step)]
        return np.concatenate(
            [self._scores(self.embed(0, in0.take(r)), self.embed(1, in1.take(r))) for r in rows]
        )

    def _scores(self, enc0: Floats, enc1: Floats) -> Floats:
        parts: list[Floats] = []
        for name in self.settings.comparator_list:
            if name == "hadamard":
                parts.append(enc0 * enc1)
            elif name == "concat":
                parts += [enc0, enc1]
            else:
                parts.append(np.abs(enc0 - enc1))
        values: Floats = np.concatenate(parts, axis=1)
        for layer in self.layers[:-1]:
            values = values @ layer.weight + layer.bias
            if self.settings.mlp_activation == "tanh":
                np.tanh(values, out=values)
            elif self.settings.mlp_activation == "relu":
                np.maximum(values, 0, out=values)
        values = values @ self.layers[-1].weight + self.layers[-1].bias
        if self.settings.output_layer == "softmax":
            values = np.exp(values - values.max(axis=1, keepdims=True))
            values /= values.sum(axis=1, keepdims=True)
        return values

    def metrics(self, pairs: Pairs) -> dict[str, float]:
        """Compute the built-in algorithm's metrics on labelled pairs, by name."""
        scores = self.scores(pairs.in0, pairs.in1).astype(np.float64)
        if self.settings.output_layer == "mean_squared_error":
            return {"mean_squared_error": float(((scores[:, 0] - pairs.labels) ** 2).mean())}
        labels = pairs.labels.astype(np.int64)
        likelihood = np.maximum(scores[np.arange(len(labels)), labels], 1e-12)
        return {
            "cross_entropy": float(-np.log(likelihood).mean()),
            "accuracy": float((scores.argmax(axis=1) == labels).mean()),
        }

    def save(self, folder: Path) -> None:
        """Write the model's two files to a folder."""
        arrays: dict[str, NDArray[np.generic]] = {}
        for side in (0, 1):
            arrays[f"ids{side}"] = self.ids[side]
            arrays[f"encodings{side}"] = self.encodings[side]
        for number, layer in enumerate(self.layers):
            arrays[f"weight{number}"], arrays[f"bias{number}"] = layer
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "model.npz", **arrays)  # type: ignore[arg-type]
        description = {"format": _FORMAT, "hyperparameters": strings(self.settings)}
        (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Scorer:
        """Load a model written by `save`. Raises InputError if it is not such a model."""
        try:
            description = json.loads((folder / "model.json").read_text())
            if description.get("format") != _FORMAT:
                raise ValueError(f"format is {description.get('format')!r}, not {_FORMAT!r}")
            settings = hyperparameters.parse(description["hyperparameters"])
            with np.load(folder / "model.npz", allow_pickle=False) as arrays:
                return cls(
                    settings,
                    (arrays["ids0"], arrays["ids1"]),
                    (arrays["encodings0"], arrays["encodings1"]),
                    tuple(
                        Affine(arrays[f"weight{number}"], arrays[f"bias{number}"])
                        for number in range(settings.mlp_layers + 1)
                    ),
                )
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(f"{folder} does not contain an Object2Vec model: {error}") from None
