"""A simulated audience: users with known tastes, who look at lists and click.

The users are those of a generated data set, so that what they like is known, and with it which of
two engines serves them better. What they click follows the position-based model: a user looks at
the item at place k with the probability 1 / k, whatever it is, and clicks on what is looked at and
liked. N. Craswell, O. Zoeter, M. Taylor, B. Ramsey: An experimental comparison of click
position-bias models, WSDM 2008, https://doi.org/10.1145/1341531.1341545. The probability 1 / k is
that of T. Joachims, A. Swaminathan, T. Schnabel: Unbiased learning-to-rank with biased feedback,
WSDM 2017, https://arxiv.org/abs/1608.04468 (η = 1).
"""

from collections.abc import Sequence

import numpy as np

from recsys.datasets.generator import generate_with_tastes
from recsys.experiments.sequences import Floats


def seen(count: int) -> Floats:
    """The probabilities that a user looks at each item of a list, float64[count]."""
    return 1 / np.arange(1, count + 1)


class Audience:
    """The users of a generated data set.

    Args:
        size, seed: as for `recsys.datasets.generator.generate`.
        chance: the seed of what users look at and like.

    Attributes:
        users: their ids, as in the data.
    """

    def __init__(self, size: str = "small", seed: int = 0, chance: int = 0) -> None:
        _, self._tastes = generate_with_tastes(size, seed)
        self._random = np.random.default_rng(chance)
        self.users = [str(number + 1) for number in range(len(self._tastes.user))]

    def likes(self, user: str, items: Sequence[str]) -> Floats:
        """The probabilities that a user likes some items, float64[items]."""
        return self._tastes.likes(int(user), np.array([int(item) for item in items], np.int64))

    def clicks(self, user: str, items: Sequence[str]) -> list[str]:
        """What a user clicks on a list, by chance."""
        clicked = self._random.random(len(items)) < self.satisfaction(user, items)
        return [item for item, one in zip(items, clicked, strict=True) if one]

    def satisfaction(self, user: str, items: Sequence[str]) -> Floats:
        """The probabilities that a user clicks each item of a list, float64[items]."""
        return self.likes(user, items) * seen(len(items))
