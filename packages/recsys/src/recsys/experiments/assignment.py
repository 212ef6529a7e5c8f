"""Which arm a user is in, and how two lists are mixed: by hashes, without any state."""

import hashlib
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Final, TypeVar

T = TypeVar("T", bound=Hashable)

_RANGE: Final = 2.0**64


def assign(experiment: str, shares: Mapping[str, float], user: str) -> str:
    """The arm of a user: always the same for the same experiment, shares and user.

    Each arm draws an exponential time with its share as the rate, from a hash of the experiment,
    the arm and the user; the earliest arm has the user. So a user changes from one arm to another
    only if the share of the second, relative to that of the first, has become larger. With two
    arms, or if one arm's share changes and the others keep their proportions, the fewest possible
    users change. In general no assignment by hash changes fewer for each pair of shares.
    The order of the arms does not matter, and experiments of different names are independent.

    R. Moulton, Y. Jiang: Maximally consistent sampling and the Jaccard index of probability
    distributions, ICDM 2018. https://arxiv.org/abs/1809.04052

    Args:
        experiment: its name.
        shares: the share of each arm; positive, on any scale.
        user: the user's id.
    """

    def arrival(arm: str) -> tuple[float, str]:
        digest = hashlib.sha256(
            "\0".join((experiment, arm, user)).encode("utf-8", "backslashreplace")
        )
        uniform = (int.from_bytes(digest.digest()[:8], "big") + 0.5) / _RANGE
        return -math.log(uniform) / shares[arm], arm

    return min(shares, key=arrival)


def team_draft(lists: Mapping[str, Sequence[T]], count: int, seed: str) -> list[tuple[T, str]]:
    """Mix two lists fairly: team-draft interleaving.

    In each round both teams take the best of their items that is left, in an order that a coin
    decides. An item that only one list has is not favoured over others.

    F. Radlinski, M. Kurup, T. Joachims: How does clickthrough data reflect retrieval quality?,
    CIKM 2008. https://doi.org/10.1145/1458082.1458092

    Args:
        lists: the list of each of two arms, best first, without repetitions.
        count: the length of the mixed list.
        seed: decides the coins; the same seed and lists give the same mix.

    Returns:
        Up to `count` pairs of an item and the arm that put it there.
    """
    first, second = sorted(lists)  # so that the arms' order does not matter
    coins = hashlib.shake_256(seed.encode("utf-8", "backslashreplace")).digest(
        count
    )  # a round each
    left = {arm: iter(lists[arm]) for arm in (first, second)}
    taken: dict[T, str] = {}
    for coin in coins:
        before = len(taken)
        for arm in (first, second) if coin & 1 else (second, first):
            item = next((one for one in left[arm] if one not in taken), None)
            if item is not None and len(taken) < count:
                taken[item] = arm
        if len(taken) == before:
            break
    return list(taken.items())
