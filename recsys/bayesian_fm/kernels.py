"""The sampler's inner loops, compiled: passes over the ratings, and over a block's features.

For one factor, a rating's value depends on the sum `s` over the blocks of their rows' parts `q`.
With the other blocks' part held as `r = s - q_b`, its derivative by feature j of row b is
`x (q_b - x v_j + r)`, a line in `r`. So a row needs only the count of its ratings and the sums of
`r`, `r²`, the residual `e` and `e r`; what the pass over its features did to `e` is again a line in
`r`. A row's numbers lie side by side, for that is how they are used.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Rows = NDArray[np.uint32]
Floats = NDArray[np.float64]

COLUMNS = 8
# of a block's table, one line a row: its part of the factor, now and when the ratings last saw it;
# count, Σr, Σr², Σe, Σer over its ratings; and the constant of the line by which `e` will change,
# whose slope is how far the part has moved
_Q, _OLD, _COUNT, _R, _RR, _E, _ER, _OFFSET = range(COLUMNS)


@njit(cache=True, nogil=True)
def begin_factor(table: Floats, q: Floats, count: Floats) -> None:
    """Fill a block's table with its rows' parts of a factor."""
    for b in range(len(q)):
        table[b, _Q] = q[b]
        table[b, _OLD] = q[b]
        table[b, _COUNT] = count[b]
        table[b, _OFFSET] = 0.0


@njit(cache=True, nogil=True)
def add_parts(row: Rows, table: Floats, s: Floats) -> None:
    """Add a block's parts to the ratings' sums."""
    for i in range(len(row)):
        s[i] += table[row[i], _Q]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def pass_on(row: Rows, table: Floats, to: Rows, other: Floats, s: Floats, e: Floats) -> None:
    """Tell the ratings how one block has moved, and sum them up for the next."""
    for b in range(len(other)):
        for column in range(_R, _ER + 1):
            other[b, column] = 0.0
    # Ratings of one row often follow each other: their sums stay in registers until the row ends.
    current = to[0]
    q = other[current, _Q]
    sum_r = sum_rr = sum_e = sum_er = 0.0
    for i in range(len(row)):
        b = row[i]
        old = table[b, _OLD]
        slope = table[b, _Q] - old
        residual = e[i] - table[b, _OFFSET] - slope * (s[i] - old)
        total = s[i] + slope
        e[i] = residual
        s[i] = total
        if to[i] != current:
            other[current, _R] += sum_r
            other[current, _RR] += sum_rr
            other[current, _E] += sum_e
            other[current, _ER] += sum_er
            sum_r = sum_rr = sum_e = sum_er = 0.0
            current = to[i]
            q = other[current, _Q]
        r = total - q
        sum_r += r
        sum_rr += r * r
        sum_e += residual
        sum_er += residual * r
    other[current, _R] += sum_r
    other[current, _RR] += sum_rr
    other[current, _E] += sum_e
    other[current, _ER] += sum_er
    for b in range(len(table)):
        table[b, _OLD] = table[b, _Q]
        table[b, _OFFSET] = 0.0


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def sample_factor(
    v: Floats,
    indptr: Ints,
    rows: Rows,
    x: Floats,
    group: Ints,
    mean: Floats,
    precision: Floats,
    alpha: float,
    noise: Floats,
    table: Floats,
) -> None:
    """Draw one factor of each feature from its conditional, and move its rows."""
    for j in range(len(v)):
        old = v[j]
        curvature = 0.0
        gradient = 0.0
        for p in range(indptr[j], indptr[j + 1]):
            b = rows[p]
            t = table[b, _Q] - x[p] * old
            curvature += (
                x[p] * x[p] * ((table[b, _COUNT] * t + 2.0 * table[b, _R]) * t + table[b, _RR])
            )
            gradient += x[p] * (table[b, _E] * t + table[b, _ER])
        g = group[j]
        certainty = alpha * curvature + precision[g]
        centre = (alpha * (gradient + old * curvature) + precision[g] * mean[g]) / certainty
        new = centre + noise[j] / np.sqrt(certainty)
        step = new - old
        v[j] = new
        for p in range(indptr[j], indptr[j + 1]):
            b = rows[p]
            t = table[b, _Q] - x[p] * old
            move = step * x[p]
            table[b, _E] -= move * (table[b, _COUNT] * t + table[b, _R])
            table[b, _ER] -= move * (t * table[b, _R] + table[b, _RR])
            table[b, _OFFSET] += move * t
            table[b, _Q] += move


@njit(cache=True, nogil=True)
def sample_weights(
    w: Floats,
    indptr: Ints,
    rows: Rows,
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
