"""Confidence sequences, the mismatch test and power, against other derivations of the same."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from recsys.experiments.sequences import (
    LOOK,
    Sample,
    adjusted,
    critical,
    deviation,
    lift,
    mean,
    mismatch,
    needed,
    power,
)


def boundary(users: float, rho: float, alpha: float) -> float:
    """Theorem 2.2 of Waudby-Smith et al., in standard errors."""
    scaled = users * rho**2
    inner = 2 * (scaled + 1) / (users**2 * rho**2) * math.log(math.sqrt(scaled + 1) / alpha)
    return math.sqrt(inner) * math.sqrt(users)


@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_critical_values_are_the_theorems_and_least_at_the_planned_number(alpha: float) -> None:
    planned = 5000
    best = minimize_scalar(
        lambda log: boundary(planned, math.exp(log), alpha), bounds=(-12, 0), method="bounded"
    )
    for users in (100, 5000, 200_000):
        expected = boundary(users, math.exp(best.x), alpha)
        assert critical(users, planned, alpha) == pytest.approx(expected, rel=1e-3)
    assert critical(0, planned) == np.inf


@pytest.mark.parametrize("shared", [0.0, 1e-5])
def test_a_lift_is_in_its_interval_if_the_difference_may_be_zero(shared: float) -> None:
    control, treated = Sample(900, 0.2, 0.16), Sample(1100, 0.25, 0.1875)
    found = lift(control, treated, planned=2000, shared=shared)
    assert found.estimate == pytest.approx(0.25)

    def contained(r: float) -> bool:
        q = 1 + r
        error = 0.1875 / 1100 + q**2 * 0.16 / 900 + (q - 1) ** 2 * shared
        return bool(abs(0.25 - q * 0.2) <= critical(2000, 2000) * math.sqrt(error))

    assert contained(found.low + 1e-9) and not contained(found.low - 1e-9)
    assert contained(found.high - 1e-9) and not contained(found.high + 1e-9)


def test_a_lift_over_a_control_that_may_be_zero_has_no_upper_limit() -> None:
    control, treated = Sample(1000, 0.0, 0.0), Sample(1000, 0.1, 0.09)
    found = lift(control, treated, planned=2000)
    assert found.low > 0 and found.high == np.inf
    nothing = lift(control, control, planned=2000)
    assert (nothing.low, nothing.high) == (-1, np.inf)
    one = lift(Sample(1, 1.0, 0.0), treated, planned=2000)
    assert (one.low, one.high) == (-1, np.inf)


def test_a_mean_of_nobody_is_unknown() -> None:
    assert mean(Sample(0, 0.0, 0.0), 100)[1:] == (-np.inf, np.inf)
    found = mean(Sample(400, 2.0, 4.0), 400)
    assert found.high - 2.0 == pytest.approx(float(critical(400, 400)) * 0.1)


def test_the_sequence_of_equal_arms_rarely_excludes_zero_at_any_look() -> None:
    """400 experiments, each looked at 50 times; 5 % may exclude it, here by 3 σ more."""
    random = np.random.default_rng(1)
    treated = random.binomial(100, 0.5, (400, 50))
    hits = [random.binomial(n, 0.1).cumsum(1) for n in (100 - treated, treated)]
    users = [n.cumsum(1) for n in (100 - treated, treated)]
    control, other = (
        Sample(n, s / n, s / n * (1 - s / n) * n / (n - 1))
        for n, s in zip(users, hits, strict=True)
    )
    found = lift(control, other, planned=5000)
    ever = ((found.low > 0) | (found.high < 0)).any(axis=1)
    assert ever.mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_adjusted_outcomes_have_what_the_correlation_leaves_of_the_variance() -> None:
    random = np.random.default_rng(0)
    before = random.gamma(2.0, size=2000)
    outcomes = before + random.normal(size=2000)
    found, shared = adjusted(outcomes, before)
    correlation = np.corrcoef(outcomes, before)[0, 1]
    assert np.var(found) == pytest.approx(np.var(outcomes) * (1 - correlation**2))
    assert found.mean() == pytest.approx(outcomes.mean())
    assert shared == pytest.approx(np.var(outcomes) * correlation**2 / 2000)
    same, nothing = adjusted(outcomes, np.ones(2000))
    assert same is outcomes and nothing == 0


def test_the_mismatch_test_is_a_bayes_factor_of_urns() -> None:
    """Each user's arm is drawn from an urn to which the arms seen so far were added."""
    shares, arms = (0.7, 0.3), [1] * 12
    odds = []
    for concentration in (10, 100, 1000, 10_000, 100_000):
        urn, factor = [concentration * share for share in shares], 1.0
        for arm in arms:
            factor *= urn[arm] / sum(urn) / shares[arm]
            urn[arm] += 1
        odds.append(factor)
    assert mismatch([0, 12], [70, 30]) == pytest.approx(1 / np.mean(odds))


def test_a_mismatch_is_found_and_a_right_assignment_is_not_suspected() -> None:
    assert mismatch([6000, 4000], [50, 50]) < 1e-6
    assert mismatch([5040, 4960], [50, 50]) > 0.5
    counts = np.random.default_rng(2).multinomial(100, [0.5, 0.3, 0.2], (300, 40)).cumsum(1)
    assert (mismatch(counts, [50, 30, 20]) < 0.001).any(1).mean() <= 1 / 300


@pytest.mark.parametrize(("effect", "users"), [(0.0, 2000), (0.04, 5000), (0.2, 1000)])
def test_power_is_that_of_simulated_experiments(effect: float, users: int) -> None:
    runs = 4000
    random = np.random.default_rng(3)
    numbers = LOOK * np.arange(1, users // LOOK + 1)
    sums = random.normal(effect * LOOK, math.sqrt(LOOK), (runs, len(numbers))).cumsum(1)
    bound = critical(numbers, users) * np.sqrt(numbers)
    beyond = np.abs(sums) > bound
    first = np.where(beyond.any(1), beyond.argmax(1), 0)
    up = (sums > bound)[np.arange(runs), first]
    share = float((beyond.any(1) & up).mean())
    expected = power(effect, 1.0, users)
    assert abs(share - expected) <= 4 * math.sqrt(max(expected, 1e-3) / runs)


def test_needed_users_give_the_wanted_power() -> None:
    spread = deviation((0.09, 0.0979), (0.5, 0.5))
    assert spread == pytest.approx(math.sqrt(0.18 + 0.1958))
    users = needed(0.01, spread)
    assert power(0.01, spread, users) >= 0.8 > power(0.01, spread, round(users * 0.98))
    assert needed(5.0, 1.0) == LOOK
