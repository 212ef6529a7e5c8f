"""The hyperparameters, with the workshop's values as defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recsys import hyperparameters
from recsys.hyperparameters import integers, numbers


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The settings of one training.

    Attributes:
        user_dim, item_dim: lengths of the embeddings.
        genre_dim: length of the genres' embeddings; an item has the mean over its genres. 0
            disables genres. hidden_dim, hidden_layers: size and number of the hidden layers.
        weight_decay: added to the gradient, times the value, of embeddings and layers in use.
    """

    user_dim: int = integers(1, 1000, 15)
    item_dim: int = integers(1, 1000, 25)
    genre_dim: int = integers(0, 1000, 0)
    hidden_dim: int = integers(1, 10_000, 64)
    hidden_layers: int = integers(1, 10, 2)
    epochs: int = integers(1, 1000, 5)
    mini_batch_size: int = integers(1, 1_000_000, 25_000)
    learning_rate: float = numbers(1e-6, 1.0, 0.001)
    weight_decay: float = numbers(0.0, 1000.0, 0.0)


def parse(given: Mapping[str, object]) -> Hyperparameters:
    """Parse and check strings. Raises InputError with every problem."""
    return hyperparameters.parse(Hyperparameters, given, "deep matrix factorization")
