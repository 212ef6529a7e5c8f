"""Scores by which lists are ranked, made of what a model says of pairs of a user and an item."""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

POWER: Final = 2.0
"""Of an item's popularity, fixed on held-out ratings of MovieLens 100k."""
SMALLEST: Final = 1e-6
"""Probabilities nearer to 0 or 1 than this are taken for this near: their odds are not known."""

Floats = NDArray[np.floating[Any]]


def clipped_logit(probabilities: ArrayLike) -> Floats:
    """Log odds: the natural logarithm of p / (1 - p).

    Args:
        probabilities: from 0 to 1, of any shape.
    """
    known = np.clip(np.asarray(probabilities, np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(known) - np.log1p(-known)


def popularity_adjusted(log_odds: ArrayLike, counts: ArrayLike, power: float = POWER) -> Floats:
    """Scores of a model that learned to tell a user's items from items drawn by their popularity.

    Such a model's odds are how much likelier than others this user is to take an item: at its
    optimum they are p(item | user) / q(item) up to a factor, where q is what negatives were drawn
    by. To rank by what the user will take, popularity has to come back in:

        score = log odds + power * log(1 + count)

    A power of 1 is the correction for negatives drawn in proportion to the counts; a larger one
    makes up for what the model does not tell apart.

    Args:
        log_odds: natural logarithms of the model's odds, of any shape.
        counts: how many training ratings each item has, of a shape that goes with it.
        power: of the counts.

    Returns:
        Scores; what has the highest one comes first.

    Raises:
        ValueError: a count is negative.

    Source: O. Levy and Y. Goldberg, "Neural word embedding as implicit matrix factorization",
    NeurIPS 2014, for what is learned from sampled negatives; X. Yi et al., "Sampling-bias-corrected
    neural modeling for large corpus item recommendations", RecSys 2019, for the correction.
    """
    known = np.asarray(counts, np.float64)
    if (known < 0).any():
        raise ValueError("counts: an item cannot have fewer than 0 ratings")
    scores: Floats = np.asarray(log_odds, np.float64) + power * np.log1p(known)
    return scores
