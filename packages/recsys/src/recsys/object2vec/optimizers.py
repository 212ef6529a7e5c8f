"""The five optimizers, as element-wise steps that can also be applied to selected rows.

A step takes (parameter, gradient, slots, learning rate, step number from 1) and returns the new
parameter and slots. Weight decay is added to the gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from recsys.object2vec.hyperparameters import Hyperparameters

Slots = tuple[jax.Array, ...]
Step = Callable[[jax.Array, jax.Array, Slots, float, jax.Array], tuple[jax.Array, Slots]]


def _sgd(
    value: jax.Array, gradient: jax.Array, slots: Slots, rate: float, _: jax.Array
) -> tuple[jax.Array, Slots]:
    return value - rate * gradient, slots


def _adagrad(
    value: jax.Array, gradient: jax.Array, slots: Slots, rate: float, _: jax.Array
) -> tuple[jax.Array, Slots]:
    total = slots[0] + gradient**2
    return value - rate * gradient / (jnp.sqrt(total) + 1e-7), (total,)


def _rmsprop(
    value: jax.Array, gradient: jax.Array, slots: Slots, rate: float, _: jax.Array
) -> tuple[jax.Array, Slots]:
    mean = 0.9 * slots[0] + 0.1 * gradient**2
    return value - rate * gradient / jnp.sqrt(mean + 1e-8), (mean,)


def _adadelta(
    value: jax.Array, gradient: jax.Array, slots: Slots, _: float, __: jax.Array
) -> tuple[jax.Array, Slots]:
    # Zeiler 2012: it determines its own step size and has no learning rate.
    mean = 0.9 * slots[0] + 0.1 * gradient**2
    change = jnp.sqrt((slots[1] + 1e-5) / (mean + 1e-5)) * gradient
    return value - change, (mean, 0.9 * slots[1] + 0.1 * change**2)


def _adam(
    value: jax.Array, gradient: jax.Array, slots: Slots, rate: float, step: jax.Array
) -> tuple[jax.Array, Slots]:
    mean = 0.9 * slots[0] + 0.1 * gradient
    square = 0.999 * slots[1] + 0.001 * gradient**2
    scaled = rate * jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    return value - scaled * mean / (jnp.sqrt(square) + 1e-8), (mean, square)


_OPTIMIZERS: dict[str, tuple[int, Step]] = {
    "sgd": (0, _sgd),
    "adagrad": (1, _adagrad),
    "rmsprop": (1, _rmsprop),
    "adadelta": (2, _adadelta),
    "adam": (2, _adam),
}


def slots_for(name: str, value: jax.Array) -> Slots:
    """An optimizer's initial state for one parameter."""
    zeros = np.zeros(value.shape, np.float32)
    return tuple(jnp.asarray(zeros.copy()) for _ in range(_OPTIMIZERS[name][0]))


def update(
    value: jax.Array, gradient: jax.Array, slots: Slots, settings: Hyperparameters, step: jax.Array
) -> tuple[jax.Array, Slots]:
    """Apply one step of the configured optimizer."""
    if settings.weight_decay:
        gradient = gradient + settings.weight_decay * value
    return _OPTIMIZERS[settings.optimizer][1](value, gradient, slots, settings.learning_rate, step)
