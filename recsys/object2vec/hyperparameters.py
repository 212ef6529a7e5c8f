"""Object2Vec's hyperparameters: names, ranges and defaults of the built-in algorithm.

Source: "Object2Vec Hyperparameters" in the Amazon SageMaker developer guide. Values arrive as
strings. Everything that is wrong is reported at once.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from recsys.errors import InputError

COMPARATORS = ("hadamard", "concat", "abs_diff")
OPTIMIZERS = ("adadelta", "adagrad", "adam", "sgd", "rmsprop")
NETWORKS = ("hcnn", "bilstm", "pooled_embedding")
ROW_SPARSE_OPTIMIZERS = ("adam", "adagrad", "sgd")

# AWS's samples pass the first three and its tuner the last; they say how to run, not what to learn.
IGNORED = frozenset({"_kvstore", "_num_gpus", "_num_kv_servers", "_tuning_objective_metric"})

_Parse = Callable[[str], Any]  # raises ValueError with the words that end "must be …, not …"
_REQUIRED = object()


def _integer(low: int, high: int | None, text: str) -> int:
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        value = int(text)
        if low <= value and (high is None or value <= high):
            return value
    raise ValueError(
        f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    )


def _number(low: float, high: float, text: str) -> float:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(f"a number from {low:g} to {high:g}")
    return value


def _choice(choices: tuple[str, ...], text: str) -> str:
    if text not in choices:
        raise ValueError(f"one of {', '.join(choices)}")
    return text


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


def _hyperparameter(parse: _Parse, default: object = _REQUIRED) -> Any:
    metadata = {"parse": parse}
    if default is _REQUIRED:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def _integers(low: int, high: int | None, default: object = _REQUIRED) -> Any:
    return _hyperparameter(lambda text: _integer(low, high, text), default)


def _numbers(low: float, high: float, default: float) -> Any:
    return _hyperparameter(lambda text: _number(low, high, text), default)


def _choices(choices: tuple[str, ...], default: str) -> Any:
    return _hyperparameter(lambda text: _choice(choices, text), default)


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The settings of one training, checked. `parse` makes it from strings."""

    enc0_max_seq_len: int = _integers(1, 5000)
    enc0_vocab_size: int = _integers(2, 3_000_000)
    enc1_max_seq_len: int = _integers(1, 5000)
    enc1_vocab_size: int = _integers(2, 3_000_000)
    enc0_network: str = _choices(NETWORKS, "hcnn")
    enc1_network: str = _choices(("enc0", *NETWORKS), "enc0")
    enc0_token_embedding_dim: int = _integers(2, 1000, 300)
    enc1_token_embedding_dim: int = _integers(2, 1000, 300)
    enc0_layers: str = _hyperparameter(_layers, "auto")
    enc1_layers: str = _hyperparameter(_layers, "auto")
    enc0_cnn_filter_width: int = _integers(1, 9, 3)
    enc1_cnn_filter_width: int = _integers(1, 9, 3)
    enc0_pretrained_embedding_file: str = _hyperparameter(_file_name, "")
    enc1_pretrained_embedding_file: str = _hyperparameter(_file_name, "")
    enc0_freeze_pretrained_embedding: bool = _hyperparameter(_truth, True)
    enc1_freeze_pretrained_embedding: bool = _hyperparameter(_truth, True)
    enc0_vocab_file: str = _hyperparameter(_file_name, "")
    enc1_vocab_file: str = _hyperparameter(_file_name, "")
    enc_dim: int = _integers(4, 10_000, 4096)
    comparator_list: tuple[str, ...] = _hyperparameter(_comparators, COMPARATORS)
    mlp_dim: int = _integers(2, 10_000, 512)
    mlp_layers: int = _integers(0, 10, 2)
    mlp_activation: Literal["tanh", "relu", "linear"] = _choices(
        ("tanh", "relu", "linear"), "linear"
    )
    output_layer: Literal["softmax", "mean_squared_error"] = _choices(
        ("softmax", "mean_squared_error"), "softmax"
    )
    num_classes: int = _integers(2, 30, 2)
    dropout: float = _numbers(0.0, 1.0, 0.0)
    weight_decay: float = _numbers(0.0, 10_000.0, 0.0)
    optimizer: str = _choices(OPTIMIZERS, "adam")
    learning_rate: float = _numbers(1e-6, 1.0, 0.0004)
    mini_batch_size: int = _integers(1, 10_000, 32)
    epochs: int = _integers(1, 100, 30)
    early_stopping_patience: int = _integers(1, 5, 3)
    early_stopping_tolerance: float = _numbers(1e-6, 0.1, 0.01)
    negative_sampling_rate: int = _integers(0, None, 0)
    tied_token_embedding_weight: bool = _hyperparameter(_truth, False)
    token_embedding_storage_type: Literal["dense", "row_sparse"] = _choices(
        ("dense", "row_sparse"), "dense"
    )
    bucket_width: int = _integers(0, 100, 0)

    @property
    def vocab_sizes(self) -> tuple[int, int]:
        """How many token ids each encoder knows."""
        return self.enc0_vocab_size, self.enc1_vocab_size

    @property
    def max_seq_lens(self) -> tuple[int, int]:
        """The longest sequence that each encoder takes."""
        return self.enc0_max_seq_len, self.enc1_max_seq_len

    @property
    def token_embedding_dims(self) -> tuple[int, int]:
        """The width of each encoder's token embedding."""
        return self.enc0_token_embedding_dim, self.enc1_token_embedding_dim

    @property
    def outputs(self) -> int:
        """How many numbers the network answers with: one rating, or one for each class."""
        return self.num_classes if self.output_layer == "softmax" else 1

    def strings(self) -> dict[str, str]:
        """The settings as the strings that `parse` takes."""
        return {
            name: ", ".join(value) if isinstance(value, tuple) else str(value)
            for name, value in dataclasses.asdict(self).items()
        }


_FIELDS = {field.name: field for field in dataclasses.fields(Hyperparameters)}


def parse(given: Mapping[str, object]) -> Hyperparameters:
    """Check hyperparameters given as strings.

    Raises InputError with every problem: an unknown name, a value out of its range, settings that
    do not go together, and what the built-in algorithm has but this one does not.
    """
    problems = [
        f"{name}: not a hyperparameter of Object2Vec"
        for name in sorted(set(given) - set(_FIELDS) - IGNORED)
    ]
    texts = {name: str(value).strip() for name, value in given.items() if name in _FIELDS}
    # With enc1_network=enc0 the second encoder takes over the first one's settings, not its
    # weights (the documentation rules sharing them out), unless it is given its own.
    inherited = {}
    if texts.get("enc1_network", "enc0") == "enc0":
        inherited = {
            name.replace("enc0_", "enc1_"): text
            for name, text in texts.items()
            if name.startswith("enc0_")
        }
        texts.pop("enc1_network", None)
        inherited = {name: text for name, text in inherited.items() if name not in texts}

    values: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        if name in texts:
            try:
                values[name] = field.metadata["parse"](texts[name])
            except ValueError as error:
                problems.append(f"{name}: must be {error}, not {texts[name]!r}")
        elif name in inherited:
            with suppress(ValueError):  # said of enc0 already
                values[name] = field.metadata["parse"](inherited[name])
        elif field.default is dataclasses.MISSING:
            problems.append(f"{name}: required, but not given")
        else:
            values[name] = field.default
    problems += _clashes(values)
    if problems:
        raise InputError(problems)
    return Hyperparameters(**values)


def _clashes(values: Mapping[str, Any]) -> list[str]:
    """Settings that are good alone but not together, or that are not provided here."""
    problems = []
    for side in ("enc0", "enc1"):
        name = f"{side}_network"
        if values.get(name) in ("hcnn", "bilstm"):
            problems.append(
                f"{name}: {values[name]} is not provided here; set it to pooled_embedding"
                + (" (the default is hcnn)" if values[name] == "hcnn" else "")
            )
        problems += [
            f"{name}: pretrained embeddings are not provided here; leave it out"
            for name in (f"{side}_pretrained_embedding_file", f"{side}_vocab_file")
            if values.get(name)
        ]
        if side == "enc0" and all(
            values.get(name) == values.get(name.replace("enc0", "enc1"))
            for name in ("enc0_network", "enc0_pretrained_embedding_file", "enc0_vocab_file")
        ):
            break  # the same of enc1 need not be said twice
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
