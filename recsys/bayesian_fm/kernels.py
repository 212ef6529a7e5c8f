"""The sampler's inner loops, compiled: one pass over a block's features for one factor.

With the other blocks' part of a factor held as `r`, a rating's derivative by feature j of row b is
`x (q_b - x v_j + r)`, a line in `r`. So a row needs only the count of its ratings and the sums of
`r`, `r²`, the residual `e` and `e r`; what the pass did to `e` is again a line in `r`, written back
at its end by `apply_line`.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def row_sums(
    row: Ints, r: Floats, e: Floats, sum_r: Floats, sum_rr: Floats, sum_e: Floats, sum_er: Floats
) -> None:
    """Fill each row's sums over the ratings that use it."""
    sum_r[:] = 0.0
    sum_rr[:] = 0.0
    sum_e[:] = 0.0
    sum_er[:] = 0.0
    for i in range(len(row)):
        b = row[i]
        sum_r[b] += r[i]
        sum_rr[b] += r[i] * r[i]
        sum_e[b] += e[i]
        sum_er[b] += e[i] * r[i]


@njit(cache=True, nogil=True)
def sample_factor(
    v: Floats,
    indptr: Ints,
    rows: Ints,
    x: Floats,
    group: Ints,
    mean: Floats,
    precision: Floats,
    alpha: float,
    noise: Floats,
    q: Floats,
    count: Floats,
    sum_r: Floats,
    sum_rr: Floats,
    sum_e: Floats,
    sum_er: Floats,
    offset: Floats,
    slope: Floats,
) -> None:
    """Draw one factor of each feature from its conditional; `offset` and `slope` gather changes."""
    offset[:] = 0.0
    slope[:] = 0.0
    for j in range(len(v)):
        old = v[j]
        curvature = 0.0
        gradient = 0.0
        for p in range(indptr[j], indptr[j + 1]):
            b = rows[p]
            t = q[b] - x[p] * old
            curvature += x[p] * x[p] * (count[b] * t * t + 2.0 * t * sum_r[b] + sum_rr[b])
            gradient += x[p] * (sum_e[b] * t + sum_er[b])
        g = group[j]
        certainty = alpha * curvature + precision[g]
        centre = (alpha * (gradient + old * curvature) + precision[g] * mean[g]) / certainty
        new = centre + noise[j] / np.sqrt(certainty)
        step = new - old
        v[j] = new
        for p in range(indptr[j], indptr[j + 1]):
            b = rows[p]
            t = q[b] - x[p] * old
            move = step * x[p]
            sum_e[b] -= move * (count[b] * t + sum_r[b])
            sum_er[b] -= move * (t * sum_r[b] + sum_rr[b])
            offset[b] += move * t
            slope[b] += move
            q[b] += move


@njit(cache=True, nogil=True)
def sample_weights(
    w: Floats,
    indptr: Ints,
    rows: Ints,
    x: Floats,
    group: Ints,
    mean: Floats,
    precision: Floats,
    alpha: float,
    noise: Floats,
    count: Floats,
    sum_e: Floats,
    offset: Floats,
) -> None:
    """Draw each feature's linear weight from its conditional; `offset` gathers the changes."""
    offset[:] = 0.0
    for j in range(len(w)):
        curvature = 0.0
        gradient = 0.0
        for p in range(indptr[j], indptr[j + 1]):
            b = rows[p]
            curvature += x[p] * x[p] * count[b]
            gradient += x[p] * sum_e[b]
        g = group[j]
        certainty = alpha * curvature + precision[g]
        centre = (alpha * (gradient + w[j] * curvature) + precision[g] * mean[g]) / certainty
        step = centre + noise[j] / np.sqrt(certainty) - w[j]
        w[j] += step
        for p in range(indptr[j], indptr[j + 1]):
            b = rows[p]
            sum_e[b] -= step * x[p] * count[b]
            offset[b] += step * x[p]


@njit(cache=True, nogil=True)
def gather_sum(row: Ints, values: Floats, out: Floats) -> None:
    """`out += values[row]`."""
    for i in range(len(row)):
        out[i] += values[row[i]]


@njit(cache=True, nogil=True)
def apply_line(row: Ints, r: Floats, offset: Floats, slope: Floats, e: Floats) -> None:
    """Take a pass's changes out of the residuals: `e -= offset[row] + slope[row] r`."""
    for i in range(len(row)):
        e[i] -= offset[row[i]] + slope[row[i]] * r[i]
