"""The interfaces of recipes, models and queries."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recsys.recipes.dataset import Dataset


@dataclass(frozen=True)
class Config:
    """The members of a training's `config.json`.

    Attributes:
        recipe: the last part of the recipe's ARN.
        hyperparameters, feature_transformation: as the user gave them, all strings.
        hpo: the user's hpoConfig, or None without tuning.
        objective: the user's optimizationObjective.
        event_weights: weight by event type; if empty, all weights are equal.
        previous: folder of the version that an UPDATE training starts from.
        exclude_event_types: an item with such an event is never recommended to that user again.
        seed: the random seed.
    """

    recipe: str
    hyperparameters: dict[str, str] = field(default_factory=dict)
    feature_transformation: dict[str, str] = field(default_factory=dict)
    hpo: dict[str, Any] | None = None
    objective: dict[str, Any] | None = None
    event_weights: dict[str, float] = field(default_factory=dict)
    previous: str | None = None
    exclude_event_types: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Query:
    """A request's user, history and item. Codes are those of the training data.

    Attributes:
        user: the user's code, −1 for a user who was not in the training data.
        items, timestamps, event_types, event_values: the user's history, oldest first.
        item: the item whose similar items are requested, −1 for none or an unknown one.
        user_attributes: the user's metadata by field name.
        context: contextual metadata by field name.
        influence: the weights of POPULARITY and FRESHNESS, 0 … 1, of a campaign's rankingInfluence.
        now: the current time, seconds since 1970.
    """

    user: int
    items: NDArray[np.int32]
    timestamps: NDArray[np.int64]
    event_types: NDArray[np.int16]
    event_values: NDArray[np.float32]
    item: int = -1
    user_attributes: dict[str, Any] = field(default_factory=dict)
    context: dict[str, str] = field(default_factory=dict)
    influence: dict[str, float] = field(default_factory=dict)
    now: float = 0.0


class Model(Protocol):
    """A trained recipe. Scoring uses numpy only, because it must answer requests quickly."""

    def score(self, query: Query) -> NDArray[np.float32]:
        """Score each item, float32[items]: higher is better, −inf excludes an item.

        Scores are logits: responses contain their softmax.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write all files that `load` needs to `folder`."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the model that was saved in `folder`."""
        ...


@runtime_checkable
class UserModel(Protocol):
    """A model that also finds users for items (user segmentation)."""

    def score_users(self, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """Score each user by the likelihood of taking one of `items`, float32[users]."""
        ...


@runtime_checkable
class Tunable(Protocol):
    """A recipe that can choose its own hyperparameters (HPO)."""

    def tune(self, data: Dataset, config: Config) -> Config:
        """Return `config` with the best hyperparameters within the ranges of `config.hpo`."""
        ...


class Recipe(Protocol):
    """Trains a model; raises `InputError` if the data does not allow it.

    Attributes:
        model: the model's class.
        related: whether requests ask for items similar to an item.
    """

    model: type[Model]
    related: bool

    def fit(self, data: Dataset, config: Config) -> Model:
        """Train on all of `data`."""
        ...


def top(scores: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """The at most k positions with the highest finite scores, best first, ties by position."""
    k = min(k, int(np.isfinite(scores).sum()))
    if k <= 0:
        return np.zeros(0, np.int64)
    threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
    candidates = np.flatnonzero(scores >= threshold)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:k]
