"""Object2Vec's hyperparameters: names, ranges and defaults of the built-in algorithm.

Source: "Object2Vec Hyperparameters" in the Amazon SageMaker developer guide. Values are
strings. All problems are reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recsys.errors import InputError
from recsys.hyperparameters import choices, hyperparameter, integers, numbers, read

COMPARATORS = ("hadamard", "concat", "abs_diff")
OPTIMIZERS = ("adadelta", "adagrad", "adam", "sgd", "rmsprop")
NETWORKS = ("hcnn", "bilstm", "pooled_embedding")
ROW_SPARSE_OPTIMIZERS = ("adam", "adagrad", "sgd")


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("True or False")
    return text.lower() == "true"


def _layers(text: str) -> str:
    if text != "auto" and not re.fullmatch("[1-4]", text):
        raise ValueError("auto or an integer from 1 to 4")
    return text


def _comparators(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if len(set(names)) < len(names) or not set(names) <= set(COMPARATORS):
        raise ValueError(f"a comma-separated choice of {', '.join(COMPARATORS)}, each at most once")
    return names


def _file_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._]*", text):
        raise ValueError("made of letters, digits, underscores and periods")
    return text


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The validated settings of one training. `parse` creates it from strings."""

    enc0_max_seq_len: int = integers(1, 5000)
    enc0_vocab_size: int = integers(2, 3_000_000)
    enc1_max_seq_len: int = integers(1, 5000)
    enc1_vocab_size: int = integers(2, 3_000_000)
    enc0_network: str = choices(NETWORKS, "hcnn")
    enc1_network: str = choices(("enc0", *NETWORKS), "enc0")
    enc0_token_embedding_dim: int = integers(2, 1000, 300)
    enc1_token_embedding_dim: int = integers(2, 1000, 300)
    enc0_layers: str = hyperparameter(_layers, "auto")
    enc1_layers: str = hyperparameter(_layers, "auto")
    enc0_cnn_filter_width: int = integers(1, 9, 3)
    enc1_cnn_filter_width: int = integers(1, 9, 3)
    enc0_pretrained_embedding_file: str = hyperparameter(_file_name, "")
    enc1_pretrained_embedding_file: str = hyperparameter(_file_name, "")
    enc0_freeze_pretrained_embedding: bool = hyperparameter(_truth, True)
    enc1_freeze_pretrained_embedding: bool = hyperparameter(_truth, True)
    enc0_vocab_file: str = hyperparameter(_file_name, "")
    enc1_vocab_file: str = hyperparameter(_file_name, "")
    enc_dim: int = integers(4, 10_000, 4096)
    comparator_list: tuple[str, ...] = hyperparameter(_comparators, COMPARATORS)
    mlp_dim: int = integers(2, 10_000, 512)
    mlp_layers: int = integers(0, 10, 2)
    mlp_activation: Literal["tanh", "relu", "linear"] = choices(
        ("tanh", "relu", "linear"), "linear"
    )
    output_layer: Literal["softmax", "mean_squared_error"] = choices(
        ("softmax", "mean_squared_error"), "softmax"
    )
    num_classes: int = integers(2, 30, 2)
    dropout: float = numbers(0.0, 1.0, 0.0)
    weight_decay: float = numbers(0.0, 10_000.0, 0.0)
    optimizer: str = choices(OPTIMIZERS, "adam")
    learning_rate: float = numbers(1e-6, 1.0, 0.0004)
    mini_batch_size: int = integers(1, 10_000, 32)
    epochs: int = integers(1, 100, 30)
    early_stopping_patience: int = integers(1, 5, 3)
    early_stopping_tolerance: float = numbers(1e-6, 0.1, 0.01)
    negative_sampling_rate: int = integers(0, None, 0)
    tied_token_embedding_weight: bool = hyperparameter(_truth, False)
    token_embedding_storage_type: Literal["dense", "row_sparse"] = choices(
        ("dense", "row_sparse"), "dense"
    )
    bucket_width: int = integers(0, 100, 0)

    @property
    def vocab_sizes(self) -> tuple[int, int]:
        """The vocabulary size of each encoder."""
        return self.enc0_vocab_size, self.enc1_vocab_size

    @property
    def max_seq_lens(self) -> tuple[int, int]:
        """The maximum sequence length of each encoder."""
        return self.enc0_max_seq_len, self.enc1_max_seq_len

    @property
    def token_embedding_dims(self) -> tuple[int, int]:
        """The width of each encoder's token embedding."""
        return self.enc0_token_embedding_dim, self.enc1_token_embedding_dim

    @property
    def outputs(self) -> int:
        """The number of outputs: one rating, or one per class."""
        return self.num_classes if self.output_layer == "softmax" else 1


def parse(given: Mapping[str, object]) -> Hyperparameters:
    """Parse and check hyperparameters given as strings.

    Raises InputError with every problem: unknown names, values out of range, incompatible settings,
    and features of the built-in algorithm that are not implemented here.
    """
    # With enc1_network=enc0 the second encoder uses the first one's settings unless it has its
    # own. Weights are not shared; the documentation rules that out.
    inherited: dict[str, object] = {}
    if str(given.get("enc1_network", "enc0")).strip() == "enc0":
        given = {name: text for name, text in given.items() if name != "enc1_network"}
        inherited = {
            name.replace("enc0_", "enc1_"): text
            for name, text in given.items()
            if name.startswith("enc0_") and name.replace("enc0_", "enc1_") not in given
        }
    values, faults = read(Hyperparameters, {**inherited, **given}, "Object2Vec")
    # Problems of copied settings are already reported for enc0.
    problems = [words for name, words in faults.items() if name not in inherited]
    problems += _clashes(values)
    if problems:
        raise InputError(problems)
    return Hyperparameters(**values)


def _clashes(values: Mapping[str, Any]) -> list[str]:
    """Problems of valid settings that are incompatible or not implemented here."""
    problems = []
    for side in ("enc0", "enc1"):
        name = f"{side}_network"
        if values.get(name) in ("hcnn", "bilstm"):
            problems.append(
                f"{name}: {values[name]} is not implemented here; set it to pooled_embedding"
                + (" (the default is hcnn)" if values[name] == "hcnn" else "")
            )
        problems += [
            f"{name}: pretrained embeddings are not implemented here; omit it"
            for name in (f"{side}_pretrained_embedding_file", f"{side}_vocab_file")
            if values.get(name)
        ]
        if side == "enc0" and all(
            values.get(name) == values.get(name.replace("enc0", "enc1"))
            for name in ("enc0_network", "enc0_pretrained_embedding_file", "enc0_vocab_file")
        ):
            break  # do not report the same problem for enc1
    if values.get("token_embedding_storage_type") == "row_sparse" and values.get(
        "optimizer"
    ) not in (*ROW_SPARSE_OPTIMIZERS, None):
        problems.append(
            "token_embedding_storage_type: row_sparse needs the optimizer "
            f"{', '.join(ROW_SPARSE_OPTIMIZERS)}, not {values['optimizer']}"
        )
    if values.get("tied_token_embedding_weight"):
        for what in ("vocab_size", "token_embedding_dim"):
            sizes = {values[name] for name in (f"enc0_{what}", f"enc1_{what}") if name in values}
            if len(sizes) > 1:
                problems.append(
                    f"tied_token_embedding_weight: needs the same enc0_{what} and enc1_{what}"
                )
    return problems
