"""Intervals and tests that stay valid however often one looks, and what they need.

A confidence sequence is a sequence of intervals, one for each number of users, all of which contain
the true value at the same time with the stated probability. So an experiment may be looked at after
every user, and stopped at any time for any reason.

All functions take numbers or arrays, which are broadcast.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, lambertw, logsumexp, ndtr

ALPHA: Final = 0.05
"""The probability that a confidence sequence ever misses the true value."""

MISMATCH: Final = 0.001
"""The probability that the test for a sample-ratio mismatch ever rejects a right assignment."""

LOOK: Final = 100
"""Users between two looks, in calculations of power; more if there were more than `_LOOKS`."""

_CONCENTRATIONS: Final = (10.0, 100.0, 1000.0, 10_000.0, 100_000.0)
_LOOKS: Final = 500
_STEP: Final = 0.1  # of the grid of a random walk, in standard deviations between two looks
_FAR: Final = 8.0  # standard deviations beyond which a step of the walk is ignored

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and its confidence sequence at one number of users."""

    estimate: Any
    low: Any
    high: Any


class Sample(NamedTuple):
    """The outcomes of some users: how many, their mean, and their variance."""

    users: Any
    mean: Any
    variance: Any

    @classmethod
    def of(cls, outcomes: Floats) -> "Sample":
        """The sample of some outcomes, float64[users]; of fewer than two, with variance 0."""
        users = len(outcomes)
        return cls(
            users,
            float(outcomes.mean()) if users else 0.0,
            float(outcomes.var(ddof=1)) if users > 1 else 0.0,
        )


def critical(users: ArrayLike, planned: float, alpha: float = ALPHA) -> Floats:
    """The half-width of a confidence sequence in standard errors; 1.96 without looking early.

    The asymptotic confidence sequence of I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A.
    Ramdas: Time-uniform central limit theory and asymptotic confidence sequences, Annals of
    Statistics 52 (2024), theorem 2.2; https://arxiv.org/abs/2103.06476. Its parameter ρ is that
    which makes the interval narrowest at the planned number of users (their section 2.4).

    Args:
        users: the numbers of users at which one looks.
        planned: the number of users for which the interval is narrowest.
        alpha: the probability that the sequence ever misses the true value.
    """
    scaled = np.asarray(users, np.float64) / planned * _best(alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt((scaled + 1) / scaled * (np.log1p(scaled) - 2 * math.log(alpha)))
    return np.where(scaled > 0, found, np.inf)


def _best(alpha: float) -> float:
    """ρ² times the number of users at which the interval is narrowest."""
    return float(-lambertw(-(alpha**2) / math.e, -1).real - 1)


def mean(sample: Sample, planned: float, alpha: float = ALPHA) -> Interval:
    """The confidence sequence of a mean."""
    with np.errstate(divide="ignore", invalid="ignore"):
        half = critical(sample.users, planned, alpha) * np.sqrt(
            np.divide(sample.variance, sample.users)
        )
    half = np.where(np.asarray(sample.users) < 2, np.inf, half)
    return Interval(sample.mean, sample.mean - half, sample.mean + half)


def lift(
    control: Sample, treated: Sample, planned: float, alpha: float = ALPHA, shared: float = 0.0
) -> Interval:
    """The confidence sequence of a lift: the treated mean over the control mean, minus 1.

    A lift r is in it if 0 is in the confidence sequence of "treated − (1 + r) · control". This is
    exact for ratios, unlike an interval of the difference divided by the control's mean.
    E. C. Fieller: Some problems in interval estimation, Journal of the Royal Statistical Society B
    16 (1954), with `critical` instead of a normal quantile.

    Args:
        control, treated: outcomes that are not negative on average.
        planned: as for `critical`, of both arms together.
        alpha: as for `critical`.
        shared: the variance of what both means have in common; see `adjusted`.
    """
    users = np.asarray(control.users, np.float64) + treated.users
    square = critical(users, planned, alpha) ** 2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # p · q² − 2 · m · q + c ≤ 0 for the ratios q = 1 + r in the interval
        p = control.mean**2 - square * (np.divide(control.variance, control.users) + shared)
        c = treated.mean**2 - square * (np.divide(treated.variance, treated.users) + shared)
        m = np.asarray(control.mean * treated.mean - square * shared)
        root = np.sqrt(np.maximum(m**2 - p * c, 0))
        low = np.where(p > 0, (m - root) / p, np.where(c > 0, c / (m + root), 0.0))
        high = np.where(p > 0, (m + root) / p, np.inf)
        estimate = np.asarray(treated.mean, np.float64) / control.mean - 1
    unknown = (np.asarray(control.users) < 2) | (np.asarray(treated.users) < 2) | np.isnan(low)
    return Interval(
        estimate,
        np.where(unknown, -1.0, np.maximum(low, 0) - 1),
        np.where(unknown, np.inf, high - 1),
    )


def adjusted(outcomes: Floats, before: Floats) -> tuple[Floats, float]:
    """Outcomes without what the users' activity before the experiment explains: CUPED.

    Their mean in an arm estimates the same as before, with 1 − ρ² of the variance, ρ being the
    correlation of both. A. Deng, Y. Xu, R. Kohavi, T. Walker: Improving the sensitivity of online
    controlled experiments by utilizing pre-experiment data, WSDM 2013.
    https://doi.org/10.1145/2433396.2433413

    Args:
        outcomes: of all arms together, float64[users].
        before: activity before the first exposure, float64[users].

    Returns:
        The adjusted outcomes, and the variance of what all arms' means then have in common.
    """
    spread = float(np.var(before)) if len(before) > 2 else 0.0
    if spread == 0:
        return outcomes, 0.0
    centred = before - before.mean()
    slope = float(np.mean(centred * outcomes)) / spread
    return outcomes - slope * centred, slope**2 * spread / len(outcomes)


def mismatch(counts: ArrayLike, shares: ArrayLike) -> Floats:
    """The p-value of the assignment: small if the arms' users do not have the arms' shares.

    It stays valid however often one looks: the inverse of a Bayes factor of Dirichlet priors around
    the shares against the shares themselves, averaged over several concentrations.
    M. Lindon, A. Malek: Anytime-valid inference for multinomial count data, NeurIPS 2022.
    https://arxiv.org/abs/2011.03567

    Args:
        counts: users by arm, on the last axis.
        shares: the arms' shares, on any scale.
    """
    users = np.asarray(counts, np.float64)
    theta = np.asarray(shares, np.float64) / np.sum(shares)
    evidence = []
    for concentration in _CONCENTRATIONS:
        prior = concentration * theta
        posterior = prior + users
        evidence.append(
            gammaln(posterior).sum(-1)
            - gammaln(posterior.sum(-1))
            - gammaln(prior).sum()
            + gammaln(concentration)
            - (users * np.log(theta)).sum(-1)
        )
    factor = logsumexp(np.array(evidence), axis=0) - math.log(len(evidence))
    found: Floats = np.exp(np.minimum(-factor, 0.0))
    return found


# Planning -----------------------------------------------------------------------------------------


def power(effect: float, deviation: float, users: int, alpha: float = ALPHA) -> float:
    """The probability that a confidence sequence excludes 0 from below within a number of users.

    The sum of outcomes is a random walk, whose distribution among the walks that have not crossed
    the sequence's boundaries is carried from look to look by numerical integration.
    P. Armitage, C. K. McPherson, B. C. Rowe: Repeated significance tests on accumulating data,
    Journal of the Royal Statistical Society A 132 (1969).

    Args:
        effect: the true mean.
        deviation: the standard deviation of one user's contribution to it; see `deviation`.
        users: the number of users, which the sequence is planned for.
        alpha: as for `critical`.
    """
    looks = min(max(1, users // LOOK), _LOOKS)
    numbers = np.arange(1, looks + 1)
    # in units of the standard deviation between two looks
    bounds = critical(numbers, looks, alpha) * np.sqrt(numbers)
    drift = min(abs(effect) / deviation * math.sqrt(users / looks), _FAR)
    reach = math.ceil((float(bounds.max()) + drift + _FAR) / _STEP)
    cells = np.arange(-reach, reach + 1) * _STEP
    least = math.floor((drift - _FAR) / _STEP)
    steps = np.arange(least, math.ceil((drift + _FAR) / _STEP) + 2)
    step = np.diff(ndtr((steps - 0.5) * _STEP - drift))
    walks = np.zeros(len(cells))
    walks[reach] = 1.0
    crossed = 0.0
    for bound in bounds:
        moved = np.convolve(walks, step)[-least:][: len(cells)]
        above = np.clip((cells - bound) / _STEP + 0.5, 0, 1)  # the part of a cell that is beyond
        below = np.clip((-cells - bound) / _STEP + 0.5, 0, 1)
        crossed += float((moved * above).sum())
        walks = moved * (1 - above - below)
    return crossed


def needed(effect: float, deviation: float, wanted: float = 0.8, alpha: float = ALPHA) -> int:
    """The number of users, in whole looks, that gives the wanted power.

    Args:
        effect, deviation, alpha: as for `power`.
        wanted: the power, between 0 and 1.
    """
    one = (deviation / effect) ** 2 / LOOK  # looks at which the effect is one standard error
    low, high = 0, max(1, math.ceil(8 * one))
    while power(effect, deviation, high * LOOK, alpha) < wanted:
        low, high = high, 2 * high
    while high - low > max(1, high // 200):
        middle = (low + high) // 2
        if power(effect, deviation, middle * LOOK, alpha) < wanted:
            low = middle
        else:
            high = middle
    return high * LOOK


def deviation(variances: tuple[float, float], shares: tuple[float, float]) -> float:
    """The standard deviation of one user's contribution to the difference of two arms' means.

    Args:
        variances: of the outcomes in the arms.
        shares: of the two arms among all users, between 0 and 1.
    """
    return math.sqrt(variances[0] / shares[0] + variances[1] / shares[1])
