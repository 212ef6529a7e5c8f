"""Training with minibatches and Adam, in numba: only a minibatch's features are updated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.errors import InputError
from recsys.factorization_machines.hyperparameters import Hyperparameters
from recsys.factorization_machines.machine import Machine

Floats = NDArray[np.float32]


def train(
    settings: Hyperparameters,
    features: csr_array,
    labels: NDArray[np.floating],
    *,
    seed: int = 0,
    epoch_ends: Callable[[int, Machine], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Machine:
    """Train on rows of features and their labels.

    Args:
        settings: the hyperparameters.
        features: (rows, feature_dim).
        labels: (rows,) numbers, or 0 and 1 for a classifier.
        seed: the same seed gives the same machine.
        epoch_ends: called after each epoch with its number and the current machine.
        stop: called after every epoch; training ends early if it returns true.

    Raises:
        InputError: shapes or labels do not match, or training diverged.
    """
    rows = features.shape[0]
    if features.shape != (len(labels), settings.feature_dim) or not rows:
        raise InputError(
            f"features and labels: need (rows, feature_dim) = (…, {settings.feature_dim}) and as "
            f"many labels, not {features.shape} and {len(labels)}"
        )
    if settings.classifies and not np.isin(labels, (0, 1)).all():
        raise InputError("labels: a binary_classifier's must be 0 or 1")
    random = np.random.default_rng(seed)
    size, factors = settings.feature_dim, settings.num_factors
    shapes: dict[str, tuple[int, ...]] = {
        "bias": (1,),
        "linear": (size,),
        "factors": (size, factors),
    }
    parameters = [_drawn(settings, name, shape, random) for name, shape in shapes.items()]
    moments = [np.zeros_like(p) for p in parameters for _ in range(2)]
    batch = min(settings.mini_batch_size, rows)
    rates = np.array([settings.bias_lr, settings.linear_lr, settings.factors_lr])
    decays = np.array([settings.bias_wd, settings.linear_wd, settings.factors_wd])
    made = 0
    for epoch in range(1, settings.epochs + 1):
        made = _epoch(
            features.indptr.astype(np.int64),
            features.indices.astype(np.int64),
            features.data.astype(np.float32),
            np.asarray(labels, np.float32),
            random.permutation(rows),
            batch,
            settings.classifies,
            tuple(parameters),
            tuple(moments),
            rates,
            decays,
            1 / batch if settings.rescale_grad is None else settings.rescale_grad,
            settings.clip_gradient or np.inf,
            settings.eps or 1e-8,
            made,
        )
        machine = Machine(
            settings.classifies,
            float(parameters[0][0]),
            parameters[1].copy(),
            parameters[2].copy(),
        )
        if not all(np.isfinite(p).all() for p in parameters):
            raise InputError(
                f"training diverged: epoch {epoch} left no finite numbers; lower the learning rates"
            )
        epoch_ends(epoch, machine)
        if stop():
            break
    return machine


def _drawn(
    settings: Hyperparameters, name: str, shape: tuple[int, ...], random: np.random.Generator
) -> Floats:
    """Draw the initial values of "bias", "linear" or "factors"."""

    def of(what: str) -> Any:
        return getattr(settings, f"{name}_init_{what}")

    if of("method") == "constant":
        return np.full(shape, of("value") or 0.0, np.float32)
    if of("method") == "uniform":
        # The guide documents no default of the scale; use the normal distribution's sigma.
        scale = of("sigma") if of("scale") is None else of("scale")
        return random.uniform(-scale, scale, shape).astype(np.float32)
    return random.normal(0, of("sigma"), shape).astype(np.float32)


@njit(cache=True, nogil=True)
def _epoch(
    indptr: Any,
    indices: Any,
    data: Any,
    labels: Any,
    order: Any,
    batch: int,
    classifies: bool,
    parameters: Any,
    moments: Any,
    rates: Any,
    decays: Any,
    rescale: float,
    clip: float,
    eps: float,
    made: int,
) -> int:
    """One pass over the rows in `order`; returns the total number of minibatches so far."""
    bias, linear, factors = parameters
    bias_mean, bias_square, linear_mean, linear_square, factors_mean, factors_square = moments
    size, width = factors.shape
    linear_gradient = np.zeros(size, np.float32)
    factors_gradient = np.zeros((size, width), np.float32)
    place = np.full(size, -1, np.int64)  # index among the minibatch's features, −1 if absent
    met = np.empty(size, np.int64)
    summed = np.empty(width, np.float32)
    for first in range(0, len(order), batch):
        bias_gradient: Any = 0.0
        count = 0
        for i in order[first : first + batch]:
            value = bias[0]
            squares: Any = np.float32(0)
            summed[:] = 0
            for p in range(indptr[i], indptr[i + 1]):
                j, x = indices[p], data[p]
                value += x * linear[j]
                for f in range(width):
                    t = x * factors[j, f]
                    summed[f] += t
                    squares += t * t
            total: Any = np.float32(0)
            for f in range(width):
                total += summed[f] * summed[f]
            value += np.float32(0.5) * (total - squares)
            if classifies:
                slope = np.float32(1 / (1 + np.exp(-value)) - labels[i])
            else:
                slope = np.float32(value - labels[i])
            bias_gradient += slope
            for p in range(indptr[i], indptr[i + 1]):
                j, x = indices[p], data[p]
                if place[j] < 0:
                    place[j] = count
                    met[count] = j
                    count += 1
                linear_gradient[j] += slope * x
                for f in range(width):
                    factors_gradient[j, f] += slope * x * (summed[f] - x * factors[j, f])
        made += 1
        correction = np.sqrt(1 - 0.999**made) / (1 - 0.9**made)
        step = (rescale, clip, eps)
        bias[0], bias_mean[0], bias_square[0] = _adam(
            bias[0],
            bias_gradient,
            bias_mean[0],
            bias_square[0],
            rates[0] * correction,
            decays[0],
            step,
        )
        for m in range(count):
            j = met[m]
            place[j] = -1
            linear[j], linear_mean[j], linear_square[j] = _adam(
                linear[j],
                linear_gradient[j],
                linear_mean[j],
                linear_square[j],
                rates[1] * correction,
                decays[1],
                step,
            )
            linear_gradient[j] = 0
            for f in range(width):
                factors[j, f], factors_mean[j, f], factors_square[j, f] = _adam(
                    factors[j, f],
                    factors_gradient[j, f],
                    factors_mean[j, f],
                    factors_square[j, f],
                    rates[2] * correction,
                    decays[2],
                    step,
                )
                factors_gradient[j, f] = 0
    return made


@njit(cache=True, nogil=True)
def _adam(
    value: Any, gradient: Any, mean: Any, square: Any, rate: float, decay: float, step: Any
) -> Any:
    """One step of Adam as in MXNet: weight decay is part of the gradient."""
    rescale, clip, eps = step
    g = min(max(gradient * rescale, -clip), clip) + decay * value
    mean = 0.9 * mean + 0.1 * g
    square = 0.999 * square + 0.001 * g * g
    return value - rate * mean / (np.sqrt(square) + eps), mean, square
