"""The chart of a confidence sequence: coordinates for an SVG."""

import math
from collections.abc import Sequence

from web.answers import Chart, Look

_WIDTH, _HEIGHT = 640.0, 200.0
_SETTLED = 0.25  # of the looks, whose wide intervals do not decide the scale


def chart(looks: Sequence[Look]) -> Chart | None:
    """The chart of the intervals at some numbers of users; None of fewer than two.

    What is beyond the scale is cut off: the first intervals are wide, or have no end.
    """
    if len(looks) < 2:
        return None
    settled = looks[int(len(looks) * _SETTLED) :]
    ends = [end for one in settled for end in (one.low, one.high) if end is not None]
    values = [0.0, *ends, *(one.change for one in settled)]
    bottom, top = min(values), max(values)
    if bottom == top:
        top = bottom + 1.0
    most = looks[-1].users

    def x(users: int) -> float:
        return round(_WIDTH * users / most, 1)

    def y(value: float | None, unlimited: float) -> float:
        value = unlimited if value is None else min(max(value, bottom), top)
        return round(_HEIGHT * (top - value) / (top - bottom), 1)

    def points(pairs: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{left:g},{down:g}" for left, down in pairs)

    upper = [(x(one.users), y(one.high, top)) for one in looks]
    lower = [(x(one.users), y(one.low, bottom)) for one in looks]
    return Chart(
        band=points([*upper, *lower[::-1]]),
        line=points([(x(one.users), y(one.change, math.nan)) for one in looks]),
        zero=y(0.0, 0.0),
        bottom=bottom,
        top=top,
        users=most,
    )
