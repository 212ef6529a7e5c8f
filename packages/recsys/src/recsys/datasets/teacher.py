"""The teacher: a Bayesian factorization machine's opinions, as ordinary training lines.

A small network learns better from a strong model's opinion of every pair than from a few ratings
(Buciluă, Caruana and Niculescu-Mizil 2006). The machine is fitted on the training part only; what
it expects of all pairs of its users and items takes the place of the ratings, and any algorithm
that reads the training channel gains from it without knowing. The ratings themselves are left out:
the teacher has learned from them, and their noise would draw the network back to overfitting.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.datasets.ratings import Ratings
from recsys.datasets.scale import Scale

MOST_LINES = 1_600_000
"""So many opinions at most, and the files stay small enough to be sent and read in seconds."""

_USERS = 64  # whose opinions are asked for at once


@dataclass(frozen=True, eq=False)
class Opinions:
    """What the teacher expects of pairs of the training part's users and items.

    Attributes:
        rows: the pairs, `rating` the expected rating rounded to hundredths, `timestamp` 0.
        liked: 1 where that is nearer to a liked rating, else 0. The built-in takes no chances
            as labels; labels drawn with their chance were tried, and learned from less well. What
            is learned is the teacher's verdict: a network's score is not a chance of liking.
        words: what they are, for the manifest.
    """

    rows: Ratings
    liked: NDArray[np.int8]
    words: dict[str, Any]


def opinions(
    train: Ratings,
    scale: Scale,
    seed: int = 0,
    most: int = MOST_LINES,
    progress: Callable[[int, int, float], None] = lambda *_: None,
) -> Opinions:
    """Fit the teacher on the training part and ask it about all pairs of its users and items.

    Args:
        train: the training part; nothing else is learned from.
        scale: of the ratings, which says what is liked.
        seed: of the sampler and of the choice of pairs.
        most: if there are more pairs, so many of them are drawn, all with the same chance.
        progress: as of `BayesianFactorizationMachine.fit`.
    """
    # The sampler's compiler takes a second to import: only those who want a teacher wait for it.
    from recsys.bayesian_fm import BayesianFactorizationMachine

    users, user = np.unique(train.user, return_inverse=True)
    items, item = np.unique(train.item, return_inverse=True)
    machine = BayesianFactorizationMachine(seed=seed)
    machine.fit(user, item, train.rating, progress=progress)

    pairs = _drawn(len(users) * len(items), most, np.random.default_rng(seed))
    first, second = np.divmod(pairs, len(items))
    expected = np.empty(len(pairs), np.float32)
    bounds = np.searchsorted(first, np.arange(0, len(users) + _USERS, _USERS))
    for block, (begin, end) in enumerate(pairwise(bounds.tolist())):
        some = np.arange(block * _USERS, min((block + 1) * _USERS, len(users)))
        grid = machine.predict_grid(some, np.arange(len(items)))
        expected[begin:end] = grid[first[begin:end] - block * _USERS, second[begin:end]]
    levels = np.unique(train.rating)
    above, upto = levels[scale.likes(levels)], levels[~scale.likes(levels)]
    if len(above) and len(upto):
        border = (float(above[0]) + float(upto[-1])) / 2  # ratings are rounded to the nearest level
        liked = (expected > border).astype(np.int8)
    else:
        liked = np.full(len(pairs), len(above) > 0, np.int8)
    rows = Ratings(
        users[first], items[second], np.round(expected, 2), np.zeros(len(pairs), np.int64)
    )
    return Opinions(
        rows,
        liked,
        {
            "model": "Bayesian factorization machine with SVD++ features",
            "learned_from": "the training part only",
            "factors": machine.factors,
            "iterations": machine.iterations,
            "burn_in": machine.burn_in,
            "chains": machine.chains,
            "seed": seed,
            "lines": len(rows),
            "labels": f"the expected rating, and whether {scale.liked:g} or more is the nearest",
        },
    )


def _drawn(pairs: int, most: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The numbers below `pairs`, or `most` of them drawn evenly; ascending."""
    if pairs <= most:
        return np.arange(pairs)
    return np.sort(random.choice(pairs, most, replace=False, shuffle=False))
