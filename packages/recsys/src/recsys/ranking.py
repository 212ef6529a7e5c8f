"""Ranking scores for lists, computed from a model's output for pairs of a user and an item."""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

POWER: Final = 2.0
"""The exponent of an item's popularity, chosen on held-out ratings of MovieLens 100k."""
SMALLEST: Final = 1e-6
"""Probabilities are clipped to this distance from 0 and 1, because their odds are not known."""

Floats = NDArray[np.floating[Any]]


def clipped_logit(probabilities: ArrayLike) -> Floats:
    """Compute log odds: the natural logarithm of p / (1 - p).

    Args:
        probabilities: from 0 to 1, any shape.
    """
    known = np.clip(np.asarray(probabilities, np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(known) - np.log1p(-known)


def popularity_adjusted(log_odds: ArrayLike, counts: ArrayLike, power: float = POWER) -> Floats:
    """Adjust the scores of a model that distinguishes a user's items from popularity-sampled ones.

    Such a model's odds are relative to other users: at its optimum they are
    p(item | user) / q(item) up to a factor, where q is the distribution of the sampled negatives.
    To rank by what the user will take, popularity has to be restored:

        score = log odds + power * log(1 + count)

    A power of 1 is the correction for negatives sampled in proportion to the counts; a larger power
    compensates for the model's imprecision.

    Args:
        log_odds: natural logarithms of the model's odds, any shape.
        counts: the number of training ratings of each item, broadcast against `log_odds`.
        power: the exponent of the counts.

    Returns:
        Scores; higher is better.

    Raises:
        ValueError: a count is negative.

    Source: O. Levy and Y. Goldberg, "Neural word embedding as implicit matrix factorization",
    NeurIPS 2014, for learning from sampled negatives; X. Yi et al., "Sampling-bias-corrected
    neural modeling for large corpus item recommendations", RecSys 2019, for the correction.
    """
    known = np.asarray(counts, np.float64)
    if (known < 0).any():
        raise ValueError("counts: an item cannot have fewer than 0 ratings")
    scores: Floats = np.asarray(log_odds, np.float64) + power * np.log1p(known)
    return scores
