"""The section `experiments`: what the statistics of experiments promise, counted by simulation.

The simulated experiments call `recsys.experiments` as an analysis does, at every look.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, chi2_contingency

from bench.results import Rows
from recsys.datasets.generator import generate_with_tastes
from recsys.experiments.assignment import assign, team_draft
from recsys.experiments.sequences import (
    LOOK,
    MISMATCH,
    Floats,
    Interval,
    Sample,
    adjusted,
    deviation,
    lift,
    mean,
    mismatch,
    needed,
    power,
)

EQUAL: Final = "equal arms"
NAIVE: Final = "equal arms, looked at with fixed 95 % intervals"
PLANTED: Final = "planted lift"
MIXED: Final = "interleaving against A/B"
CUPED: Final = "CUPED"
BROKEN: Final = "lost users"
ASSIGNED: Final = "assignment"
VARIED: Final = "as often as it pleases them, a few very often"
ONCE: Final = "once"

_RATE: Final = 0.1
_ROWS: Final = 100  # experiments simulated at once
_TASTES: Final = 7  # axes of the generator's space
_SPREAD: Final = 1.0
_POOL: Final = 20_000  # users of whom both engines' lists are made
_LENGTH: Final = 10  # of lists
_VISITS: Final = 5.0  # of a user on average, after the first
_MIXES: Final = 4  # mixed lists of a user
_NOISE: Final = (1.0, 0.8)  # of the two engines' scores, in units of the scores' spread

Draw = Callable[[np.random.Generator, NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]
"""Sums and sums of squares of the outcomes of so many users each."""


def run(rows: Rows, quick: bool) -> None:
    """Simulate; an earlier run's rows are replaced, for all belong together."""
    rows.rows.clear()
    runs = 100 if quick else 2000
    for name, draw in (
        ("rate of 10 %", _rates(0.1)),
        ("rate of 1 %", _rates(0.01)),
        ("count, a few users have most", _counts),
    ):
        rows.add(**_equal(name, draw, runs, 10_000))
    for percent in (5, 10, 20):
        for part in (1.0, 0.5):
            rows.add(**_planted(percent / 100, part, 50 if quick else runs))
    for comes in (VARIED, ONCE):
        rows.add(**_mixed(comes, 20 if quick else 200))
    for correlation in (0.3, 0.5, 0.7):
        rows.add(**_narrowed(correlation, 500 if quick else 20_000))
    for lost in (0.0, 0.05, 0.1):
        rows.add(**_lost(lost, runs))
    rows.add(**_assigned(5000 if quick else 100_000))


# A/B ----------------------------------------------------------------------------------------------


def _rates(rate: float) -> Draw:
    def draw(random: np.random.Generator, users: NDArray[Any]) -> tuple[Any, Any]:
        hits = random.binomial(users, rate)
        return hits, hits

    return draw


def _counts(random: np.random.Generator, users: NDArray[Any]) -> tuple[Any, Any]:
    """Poisson counts of 2 times a lognormal activity, as a pool of users that are drawn from."""
    pool = random.poisson(2 * random.lognormal(-0.5, 1.0, 100_000)).astype(np.float64)
    chosen = pool[random.integers(0, len(pool), int(users.sum()))]
    starts = np.cumsum(users.ravel()) - users.ravel()
    padded = np.append(chosen, 0.0)
    sums, squares = (np.add.reduceat(one, starts) for one in (padded, padded**2))
    none = users.ravel() == 0
    sums[none] = squares[none] = 0.0
    return sums.reshape(users.shape), squares.reshape(users.shape)


def _arm(random: np.random.Generator, users: NDArray[Any], draw: Draw) -> Sample:
    """An arm's sample at each look, from the users that came between two looks."""
    sums, squares = (one.cumsum(1) for one in draw(random, users))
    count = users.cumsum(1)
    average = sums / count
    return Sample(count, average, (squares / count - average**2) * count / (count - 1))


def _looks(random: np.random.Generator, runs: int, users: int, *draws: Draw) -> Any:
    """The two arms' samples of some experiments at each look."""
    treated = random.binomial(LOOK, 0.5, (runs, users // LOOK))
    return [
        _arm(random, count, draw)
        for count, draw in zip((LOOK - treated, treated), draws, strict=True)
    ]


def _chunks(runs: int) -> list[int]:
    return [min(_ROWS, runs - first) for first in range(0, runs, _ROWS)]


def _excludes(found: Interval) -> NDArray[np.bool_]:
    outside: NDArray[np.bool_] = (found.low > 0) | (found.high < 0)
    return outside


def _equal(name: str, draw: Draw, runs: int, users: int) -> dict[str, Any]:
    """A/A experiments, looked at after every 100 users: how many are ever significant."""
    random = np.random.default_rng(0)
    ever = naive = 0
    for chunk in _chunks(runs):
        control, treated = _looks(random, chunk, users, draw, draw)
        ever += int(_excludes(lift(control, treated, users)).any(1).sum())
        error = np.sqrt(control.variance / control.users + treated.variance / treated.users)
        naive += int((abs(treated.mean - control.mean) > 1.96 * error).any(1).sum())
    upper = binomtest(ever, runs).proportion_ci(0.95, "exact").high
    return {
        "engine": EQUAL,
        "what": name,
        "experiments": runs,
        "users": users,
        "ever": ever / runs,
        "upper": float(upper),
        "naive": naive / runs,
    }


def _planted(change: float, part: float, runs: int) -> dict[str, Any]:
    """Experiments with a true lift, of a part of the users that give a power of 80 %."""
    raised = _RATE * (1 + change)
    one = deviation((_RATE * (1 - _RATE), raised * (1 - raised)), (0.5, 0.5))
    users = round(needed(raised - _RATE, one) * part / LOOK) * LOOK
    random = np.random.default_rng(1)
    hits = 0
    for chunk in _chunks(runs):
        control, treated = _looks(random, chunk, users, _rates(_RATE), _rates(raised))
        hits += int((lift(control, treated, users).low > 0).any(1).sum())
    return {
        "engine": PLANTED,
        "lift": change,
        "experiments": runs,
        "users": users,
        "calculated": power(raised - _RATE, one, users),
        "found": hits / runs,
    }


# Interleaving -------------------------------------------------------------------------------------


def _mixed(comes: str, runs: int) -> dict[str, Any]:
    """How many users A/B and interleaving need to tell the better of two engines.

    Both engines know what a pool of users likes, with noise of different size. Users look at place
    k with probability 1 / k, and click what they like (`recsys.experiments.audience`). A/B counts
    each user's clicks.
    """
    random = np.random.default_rng(2)
    likes, lists = _engines(random)
    visits = np.ones(_POOL, np.int64)
    if comes == VARIED:
        visits += random.poisson(_VISITS * random.lognormal(-0.5, 1.0, _POOL))
    seen = 1 / np.arange(1, _LENGTH + 1)
    chances = [np.take_along_axis(likes, own, axis=1) * seen for own in lists]
    shown, teams = _drafted(lists)
    mixed = np.take_along_axis(likes[:, None], shown, axis=2) * seen

    averages, variances = [], []
    for own in chances:
        expected = visits * own.sum(1)
        averages.append(float(expected.mean()))
        variances.append(float(expected.var() + (visits[:, None] * own * (1 - own)).sum(1).mean()))
    spread = deviation((variances[0], variances[1]), (0.5, 0.5))
    planned = needed(averages[1] - averages[0], spread)
    most = 4 * planned
    decided: dict[str, list[int]] = {"ab": [], "interleaving": []}
    wrong = Counter[str]()
    for _ in range(runs):
        who = random.integers(0, _POOL, most)
        arms = random.integers(0, 2, most)
        chance = np.where(arms[:, None] == 1, chances[1][who], chances[0][who])
        clicks = random.binomial(visits[who, None], chance).sum(1)
        samples = [_running(np.where(arms == arm, clicks, np.nan), LOOK) for arm in (0, 1)]
        _note(decided["ab"], wrong, "ab", lift(samples[0], samples[1], planned), LOOK)

        few = who[: most // 2]
        each = random.multinomial(visits[few], [1 / _MIXES] * _MIXES)
        clicks = random.binomial(each[..., None], mixed[few])
        wins = [(clicks * (teams[few] == arm)).sum((1, 2)) for arm in (0, 1)]
        total = wins[0] + wins[1]
        won = np.divide(wins[1] - wins[0], total, out=np.zeros(len(few)), where=total > 0)
        found = mean(_running(won, 10), planned / 10)
        _note(decided["interleaving"], wrong, "interleaving", found, 10)
    middle = {name: float(np.median(numbers)) for name, numbers in decided.items()}
    return {
        "engine": MIXED,
        "comes": comes,
        "experiments": runs,
        "lift": averages[1] / averages[0] - 1,
        "planned": planned,
        **middle,
        "undecided": {name: runs - len(numbers) for name, numbers in decided.items()},
        "wrong": {name: wrong[name] for name in decided},
        "share": middle["interleaving"] / middle["ab"],
    }


def _engines(random: np.random.Generator) -> tuple[Floats, list[NDArray[np.int64]]]:
    """The probabilities that users like films, and two engines' lists of them."""
    _, known = generate_with_tastes("small")
    tastes = random.normal(0, _SPREAD, (_POOL, _TASTES))
    affinity = tastes @ known.film.T.astype(np.float64) + known.quality
    likes = 1 / (1 + np.exp(-2 * (affinity - affinity.mean()) / affinity.std() + 1.5))
    lists = []
    for noise in _NOISE:
        scores = affinity + noise * affinity.std() * random.normal(size=affinity.shape)
        best = np.argpartition(-scores, _LENGTH, axis=1)[:, :_LENGTH]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        lists.append(np.take_along_axis(best, order, axis=1))
    return likes, lists


def _drafted(lists: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Some mixed lists of each user, and the engine of each place; both int64[users, mixes, 10]."""
    mixes = [
        [
            team_draft({"0": first.tolist(), "1": second.tolist()}, _LENGTH, f"{user} {number}")
            for number in range(_MIXES)
        ]
        for user, (first, second) in enumerate(zip(*lists, strict=True))
    ]
    shown = np.array([[[item for item, _ in mix] for mix in of] for of in mixes])
    return shown, np.array([[[int(team) for _, team in mix] for mix in of] for of in mixes])


def _running(outcomes: Floats, step: int) -> Sample:
    """The sample after every so many users; those who are not in it are NaN."""
    there = ~np.isnan(outcomes)
    values = np.where(there, outcomes, 0.0)
    count, sums, squares = (one.cumsum()[step - 1 :: step] for one in (there, values, values**2))
    with np.errstate(divide="ignore", invalid="ignore"):
        average = sums / count
        variance = (squares / count - average**2) * count / (count - 1)
    return Sample(count, average, variance)


def _note(numbers: list[int], wrong: Counter[str], name: str, found: Interval, step: int) -> None:
    """Note at which number of users an experiment was decided first."""
    outside = _excludes(found)
    if outside.any():
        first = int(outside.argmax())
        numbers.append((first + 1) * step)
        wrong[name] += int(found.high[first] < 0)


# The rest -----------------------------------------------------------------------------------------


def _narrowed(correlation: float, runs: int, users: int = 500) -> dict[str, Any]:
    """What CUPED leaves of the variance of the difference between two arms."""
    random = np.random.default_rng(3)
    plain: list[float] = []
    narrow: list[float] = []
    for _ in range(runs):
        before, own = random.normal(size=(2, users))
        outcome = correlation * before + math.sqrt(1 - correlation**2) * own
        treated = random.random(users) < 0.5
        for found, values in ((plain, outcome), (narrow, adjusted(outcome, before)[0])):
            found.append(float(values[treated].mean() - values[~treated].mean()))
    return {
        "engine": CUPED,
        "correlation": correlation,
        "experiments": runs,
        "theory": 1 - correlation**2,
        "found": float(np.var(narrow) / np.var(plain)),
    }


def _lost(lost: float, runs: int, users: int = 50_000) -> dict[str, Any]:
    """How often the mismatch test rejects when a part of one arm's users is lost, and how soon."""
    random = np.random.default_rng(4)
    share = (1 - lost) / (2 - lost)
    treated = random.binomial(LOOK, share, (runs, users // LOOK)).cumsum(1)
    total = LOOK * np.arange(1, users // LOOK + 1)
    counts = np.stack([total - treated, treated], axis=-1)
    rejected = mismatch(counts, [50, 50]) < MISMATCH
    ever = rejected.any(1)
    first = (rejected.argmax(1)[ever] + 1) * LOOK
    return {
        "engine": BROKEN,
        "lost": lost,
        "experiments": runs,
        "users": users,
        "rejected": float(ever.mean()),
        "median": float(np.median(first)) if ever.any() else None,
    }


def _assigned(users: int) -> dict[str, Any]:
    """Shares, independence and moves of assigned users."""
    ids = [str(number) for number in range(users)]

    def arms(name: str, shares: Mapping[str, float]) -> list[str]:
        return [assign(name, shares, user) for user in ids]

    shares = {"a": 50.0, "b": 30.0, "c": 20.0}
    now = arms("one", shares)
    counts = Counter(now)
    apart = max(
        abs(counts[arm] / users - share / 100) / math.sqrt(share / 100 * (1 - share / 100) / users)
        for arm, share in shares.items()
    )
    other = arms("two", shares)
    pairs = Counter(zip(now, other, strict=True))
    table = [[pairs[first, second] for second in shares] for first in shares]
    steps = [shares, {"a": 40.0, "b": 30.0, "c": 30.0}, {"a": 40.0, "b": 50.0, "c": 10.0}]
    moves, against = [], 0
    for was, then in pairwise(steps):
        changed = Counter(
            (old, new)
            for old, new in zip(arms("one", was), arms("one", then), strict=True)
            if old != new
        )
        moves.append(
            {
                "from": was,
                "to": then,
                "moved": changed.total() / users,
                "least": sum(max(0.0, then[arm] - was[arm]) for arm in was) / 100,
                "optimum": 1 - _kept(was, then),
            }
        )
        against += sum(
            count
            for (old, new), count in changed.items()
            if then[new] * was[old] <= was[new] * then[old]
        )
    return {
        "engine": ASSIGNED,
        "users": users,
        "apart": apart,
        "independence": float(chi2_contingency(table).pvalue),
        "moves": moves,
        "against": against,
    }


def _kept(was: Mapping[str, float], then: Mapping[str, float]) -> float:
    """The share of users who keep their arm under the best assignment by hashes.

    The index J_P of Moulton and Jiang; see `recsys.experiments.assignment.assign`.
    """
    return sum(1 / sum(max(was[b] / was[a], then[b] / then[a]) for b in was) for a in was)
