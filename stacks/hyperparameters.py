"""The engines' hyperparameters: names and allowed values.

The ranges of the built-in algorithms are the documented ones (SageMaker developer guide,
"Object2Vec hyperparameters" and "Factorization Machines hyperparameters"). They are here so that
an invalid value fails at synthesis, not after a training instance has started; the container checks
them again, including everything that depends on the data.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`, inclusive."""

    low: float
    high: float
    whole: bool = True

    def accepts(self, text: str) -> bool:
        """Whether the text is such a number."""
        form = r"-?\d+" if self.whole else r"-?\d+(\.\d*)?([eE][-+]?\d+)?"
        return re.fullmatch(form, text) is not None and self.low <= float(text) <= self.high

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.high == math.inf:
            return f"{kind} of at least {self.low:.12g}"
        return f"{kind} from {self.low:.12g} to {self.high:.12g}"


@dataclass(frozen=True)
class OneOf:
    """One of several words."""

    words: tuple[str, ...]

    def accepts(self, text: str) -> bool:
        """Whether the text is one of them."""
        return text in self.words

    def __str__(self) -> str:
        return "one of " + ", ".join(self.words)


@dataclass(frozen=True)
class SomeOf:
    """Several of the given words, separated by commas, each at most once."""

    words: tuple[str, ...]

    def accepts(self, text: str) -> bool:
        """Whether the text is such a list."""
        chosen = [word.strip() for word in text.split(",")]
        return set(chosen) <= set(self.words) and len(set(chosen)) == len(chosen)

    def __str__(self) -> str:
        return "some of " + ", ".join(self.words) + ", separated by commas"


@dataclass(frozen=True)
class AutoOr:
    """`auto`, or what the rule accepts."""

    rule: Number

    def accepts(self, text: str) -> bool:
        """Whether the text is either."""
        return text == "auto" or self.rule.accepts(text)

    def __str__(self) -> str:
        return f"auto or {self.rule}"


Rule = Number | OneOf | SomeOf | AutoOr

_TRUTH: Final = OneOf(("True", "False"))
_ENCODERS: Final = ("hcnn", "bilstm", "pooled_embedding")


def _encoder(side: str) -> dict[str, Rule]:
    networks = _ENCODERS if side == "enc0" else ("enc0", *_ENCODERS)
    return {
        f"{side}_max_seq_len": Number(1, 5000),
        f"{side}_vocab_size": Number(2, 3_000_000),
        f"{side}_network": OneOf(networks),
        f"{side}_token_embedding_dim": Number(2, 1000),
        f"{side}_layers": AutoOr(Number(1, 4)),
        f"{side}_cnn_filter_width": Number(1, 9),
        f"{side}_freeze_pretrained_embedding": _TRUTH,
    }


OBJECT2VEC: Final[Mapping[str, Rule]] = {
    **_encoder("enc0"),
    **_encoder("enc1"),
    "enc_dim": Number(4, 10_000),
    "comparator_list": SomeOf(("hadamard", "concat", "abs_diff")),
    "mlp_dim": Number(2, 10_000),
    "mlp_layers": Number(0, 10),
    "mlp_activation": OneOf(("tanh", "relu", "linear")),
    "output_layer": OneOf(("softmax", "mean_squared_error")),
    "num_classes": Number(2, 30),
    "optimizer": OneOf(("adadelta", "adagrad", "adam", "sgd", "rmsprop")),
    "learning_rate": Number(1e-6, 1, whole=False),
    "mini_batch_size": Number(1, 10_000),
    "epochs": Number(1, 100),
    "dropout": Number(0, 1, whole=False),
    "weight_decay": Number(0, 10_000, whole=False),
    "early_stopping_patience": Number(1, 5),
    "early_stopping_tolerance": Number(1e-6, 0.1, whole=False),
    "bucket_width": Number(0, 100),
    "negative_sampling_rate": Number(0, math.inf),
    "tied_token_embedding_weight": _TRUTH,
    "token_embedding_storage_type": OneOf(("dense", "row_sparse")),
    "_kvstore": OneOf(("device", "local")),
    "_num_gpus": AutoOr(Number(0, 64)),
    "_num_kv_servers": AutoOr(Number(1, 64)),
}

DEEP_MF: Final[Mapping[str, Rule]] = {
    "user_dim": Number(1, 1000),
    "item_dim": Number(1, 1000),
    "genre_dim": Number(0, 1000),
    "hidden_dim": Number(1, 10_000),
    "hidden_layers": Number(1, 10),
    "epochs": Number(1, 1000),
    "mini_batch_size": Number(1, 1_000_000),
    "learning_rate": Number(1e-6, 1, whole=False),
    "weight_decay": Number(0, 1000, whole=False),
}


def _start(part: str) -> dict[str, Rule]:
    return {
        f"{part}_init_method": OneOf(("normal", "uniform", "constant")),
        f"{part}_init_sigma": Number(0, math.inf, whole=False),
        f"{part}_init_scale": Number(0, math.inf, whole=False),
        f"{part}_init_value": Number(-1e9, 1e9, whole=False),
        f"{part}_lr": Number(0, math.inf, whole=False),
        f"{part}_wd": Number(0, math.inf, whole=False),
    }


# Without feature_dim, which the data determine.
FACTORIZATION_MACHINES: Final[Mapping[str, Rule]] = {
    "num_factors": Number(1, 1000),
    # labels are ratings
    "predictor_type": OneOf(("regressor",)),
    "epochs": Number(1, math.inf),
    "mini_batch_size": Number(1, math.inf),
    **_start("bias"),
    **_start("linear"),
    **_start("factors"),
    "clip_gradient": Number(0, math.inf, whole=False),
    "eps": Number(0, math.inf, whole=False),
    "rescale_grad": Number(-1e9, 1e9, whole=False),
}


_USERS: Final = 943
_TRAIN: Final = 90_570
_SPREAD: Final = 4.0
"""Of MovieLens 100k, on which the presets were found: its users, training ratings, and the width of
its scale."""
_MORE: Final = 6.0  # times as many epochs, at most


def adapted(
    name: str, values: Mapping[str, str], users: int, train: int, spread: float
) -> dict[str, str]:
    """A preset for data with another scale of ratings, and more users, or fewer ratings of each.

    Both keep the regularized loss that the preset minimizes, but for a factor. A scale k times as
    wide makes errors k times as large, and is reached by embeddings √k times as large: they learn
    √k times as fast, and weigh k times as much relative to the squared error. And Object2Vec decays
    every embedding at every step, but a user's learns from that user's ratings alone: of U times
    as many users each would decay U times as much relative to what it learns. Of fewer ratings of
    each user, likes, one bit each, pull an embedding less: with the same decay it would stay near
    0, where it says nothing. The deep network, which does not stop early, goes over fewer ratings
    of each user more often.

    Args:
        name: of the task or engine.
        values: the preset.
        users: in the data.
        train: ratings in its training part.
        spread: from the lowest to the highest rating; 0 if they are all the same.
    """
    ratings = ("rating", "deep_mf", "factorization_machines")
    wider = spread / _SPREAD if spread and name in ratings else 1.0
    if name == "factorization_machines":
        factors = _of_machines(wider)
        return {key: _scaled(value, factors.get(key, 1.0)) for key, value in values.items()}
    decay = wider if name == "deep_mf" else wider * min(1.0, _USERS / max(users, 1))
    sparser = max(1.0, (_TRAIN / _USERS) / (train / max(users, 1))) if train else 1.0
    if name == "recommendation":
        decay /= sparser
    factors = {"learning_rate": math.sqrt(wider), "weight_decay": decay}
    if name == "deep_mf":
        factors["epochs"] = min(sparser, _MORE)
    return {key: _scaled(value, factors.get(key, 1.0)) for key, value in values.items()}


def _of_machines(wider: float) -> dict[str, float]:
    """By what the hyperparameters of factorization machines are multiplied on a wider scale.

    A rating is a sum of a bias, linear terms, which become as much wider, and products of factors,
    of which each becomes wider by the root; all begin and learn in proportion. Decay stays in
    proportion to the linear terms' gradient, and becomes smaller in that of the factors.
    """
    root = math.sqrt(wider)
    return {
        "bias_lr": wider,
        "linear_lr": wider,
        "factors_lr": root,
        "factors_init_sigma": root,
        "factors_wd": wider,
    }


def _scaled(value: str, factor: float) -> str:
    return value if factor == 1.0 else _times(value, factor)


def _times(value: str, factor: float) -> str:
    """A number as text, so many times as large; a whole one stays whole."""
    return str(round(int(value) * factor)) if value.isdigit() else f"{float(value) * factor:.4g}"
