"""The built-in algorithm's hyperparameters.

Source: "Factorization Machines Hyperparameters" in the Amazon SageMaker developer guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recsys import hyperparameters
from recsys.hyperparameters import choices, integers, numbers

_INIT = ("normal", "uniform", "constant")


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The settings of one training; None where the algorithm chooses."""

    feature_dim: int = integers(1, 10_000_000)
    num_factors: int = integers(1, 1000)
    predictor_type: str = choices(("binary_classifier", "regressor"))
    epochs: int = integers(1, default=1)
    mini_batch_size: int = integers(1, default=1000)
    bias_lr: float = numbers(0.0, default=0.1)
    linear_lr: float = numbers(0.0, default=0.001)
    factors_lr: float = numbers(0.0, default=0.0001)
    bias_wd: float = numbers(0.0, default=0.01)
    linear_wd: float = numbers(0.0, default=0.001)
    factors_wd: float = numbers(0.0, default=0.00001)
    bias_init_method: str = choices(_INIT, "normal")
    bias_init_sigma: float = numbers(0.0, default=0.01)
    bias_init_scale: float | None = numbers(0.0, default=None)
    bias_init_value: float | None = numbers(-1e9, 1e9, default=None)
    linear_init_method: str = choices(_INIT, "normal")
    linear_init_sigma: float = numbers(0.0, default=0.01)
    linear_init_scale: float | None = numbers(0.0, default=None)
    linear_init_value: float | None = numbers(-1e9, 1e9, default=None)
    factors_init_method: str = choices(_INIT, "normal")
    factors_init_sigma: float = numbers(0.0, default=0.001)
    factors_init_scale: float | None = numbers(0.0, default=None)
    factors_init_value: float | None = numbers(-1e9, 1e9, default=None)
    clip_gradient: float | None = numbers(0.0, default=None)
    eps: float | None = numbers(0.0, default=None)
    rescale_grad: float | None = numbers(-1e9, 1e9, default=None)

    @property
    def classifies(self) -> bool:
        """Whether labels are 0 and 1 instead of numbers."""
        return self.predictor_type == "binary_classifier"


def parse(given: Mapping[str, object]) -> Hyperparameters:
    """Parse and check strings. Raises InputError with every problem."""
    return hyperparameters.parse(Hyperparameters, given, "Factorization Machines")
