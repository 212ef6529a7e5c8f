"""The sampler's inner loops, compiled: passes over the ratings, and over a block's features.

A rating's value is linear in the joint vector v of a feature's weight and factors: it contains
`x v·ρ`, where ρ is 1 followed by the sum of the other blocks' factors. So while a block's features
are drawn, only Σρρᵀ (`moments`, with the count in its corner) and Σeρ (`pulls`) over the ratings of
each row are needed.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Numbers = NDArray[np.uint32]
Floats = NDArray[np.float64]

_FAST = {"reassoc", "contract", "nsz"}  # sums may be taken in any order


@njit(cache=True, nogil=True, fastmath=_FAST)
def residuals(rows: Numbers, parts: Floats, bias: float, y: Floats, e: Floats) -> None:
    """Set `e` to the residuals of `y`; rating i has the parts `parts[rows[i]]`."""
    width = parts.shape[1]
    met = np.empty(width)
    for i in range(len(y)):
        met[:] = 0.0
        value = bias
        for b in range(rows.shape[1]):
            row = rows[i, b]
            value += parts[row, 0]
            for k in range(1, width):
                value += parts[row, k] * met[k]
                met[k] += parts[row, k]
        e[i] = y[i] - value


@njit(cache=True, nogil=True, fastmath=_FAST)
def gather(
    start: Ints,
    order: Numbers,
    others: Numbers,
    parts: Floats,
    e: Floats,
    moments: Floats,
    pulls: Floats,
) -> None:
    """Sum a block's ratings by row; the ratings of row r are `order[start[r]:start[r + 1]]`."""
    width = parts.shape[1]
    rho = np.empty(width)
    moments[:] = 0.0
    pulls[:] = 0.0
    for row in range(len(start) - 1):
        for i in range(start[row], start[row + 1]):
            rho[:] = 0.0
            for b in range(others.shape[1]):
                for k in range(1, width):
                    rho[k] += parts[others[i, b], k]
            rho[0] = 1.0
            residual = e[order[i]]
            for k in range(width):
                pulls[row, k] += residual * rho[k]
                for m in range(width):
                    moments[row, k, m] += rho[k] * rho[m]


@njit(cache=True, nogil=True, fastmath=_FAST)
def sample_features(
    v: Floats,
    indptr: Ints,
    rows: Numbers,
    x: Floats,
    group: Ints,
    mean: Floats,
    precision: Floats,
    alpha: float,
    noise: Floats,
    moments: Floats,
    pulls: Floats,
    parts: Floats,
) -> None:
    """Draw each feature's weight and factors from their conditional, and update its rows' parts."""
    width = v.shape[1]
    certainty = np.empty((width, width))
    pull = np.empty(width)
    new = np.empty(width)
    # flattened, because compilers optimize long loops better
    flat, flat_moments = certainty.reshape(-1), moments.reshape(len(moments), -1)
    for j in range(len(v)):
        old = v[j]
        certainty[:] = 0.0
        pull[:] = 0.0
        for p in range(indptr[j], indptr[j + 1]):
            weight = alpha * x[p]
            for k in range(width):
                pull[k] += weight * pulls[rows[p], k]
            weight *= x[p]
            for k in range(len(flat)):
                flat[k] += weight * flat_moments[rows[p], k]
        g = group[j]
        for k in range(width):
            pull[k] += precision[g, k] * mean[g, k]
            for m in range(width):
                pull[k] += certainty[k, m] * old[m]
            certainty[k, k] += precision[g, k]
        _normal(certainty, pull, noise[j], new)
        for k in range(width):
            pull[k] = new[k] - old[k]
        step = pull
        for p in range(indptr[j], indptr[j + 1]):
            row = rows[p]
            for k in range(width):
                parts[row, k] += x[p] * step[k]
                gone = 0.0
                for m in range(width):
                    gone += moments[row, k, m] * step[m]
                pulls[row, k] -= x[p] * gone
        v[j] = new


@njit(cache=True, nogil=True, fastmath=_FAST)
def _normal(certainty: Floats, pull: Floats, noise: Floats, drawn: Floats) -> None:
    """Draw from N(A⁻¹ pull, A⁻¹), where A is `certainty`, which its factor L overwrites.

    With A = LLᵀ that is the solution of Lᵀ drawn = L⁻¹ pull + noise.
    """
    factor = certainty
    for k in range(len(pull)):
        for m in range(k + 1):
            rest = certainty[k, m]
            for n in range(m):
                rest -= factor[k, n] * factor[m, n]
            factor[k, m] = np.sqrt(rest) if m == k else rest / factor[m, m]
        rest = pull[k]
        for n in range(k):
            rest -= factor[k, n] * drawn[n]
        drawn[k] = rest / factor[k, k]
    for k in range(len(pull)):
        drawn[k] += noise[k]
    for k in range(len(pull) - 1, -1, -1):
        drawn[k] /= factor[k, k]
        for n in range(k):
            drawn[n] -= factor[k, n] * drawn[k]
