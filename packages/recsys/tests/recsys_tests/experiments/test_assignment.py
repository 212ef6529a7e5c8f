"""Assignment and interleaving: shares, independence, and which users a change of shares moves."""

import itertools
from collections import Counter
from collections.abc import Mapping

import pytest
from scipy.stats import binom, chi2_contingency

from recsys.experiments.assignment import assign, team_draft

USERS = [str(number) for number in range(100_000)]
CHANCE = (
    1e-4  # that a right implementation fails an interval; hashes are fixed, so it never flickers
)


def assigned(experiment: str, **shares: float) -> list[str]:
    return [assign(experiment, shares, user) for user in USERS]


def within(found: int, of: int, probability: float) -> bool:
    low, high = binom.interval(1 - CHANCE, of, probability)
    return bool(low <= found <= high)


def collision(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Moulton and Jiang's index J_P of two distributions: the share that keeps its arm."""
    return sum(
        1 / sum(max(before[j] / before[i], after[j] / after[i]) for j in before) for i in before
    )


@pytest.mark.parametrize("shares", [{"a": 50, "b": 50}, {"a": 1, "b": 29, "c": 70}])
def test_shares_of_a_hundred_thousand_users_are_within_the_binomial_interval(
    shares: dict[str, float],
) -> None:
    counts = Counter(assigned("one", **shares))
    assert all(within(counts[arm], len(USERS), share / 100) for arm, share in shares.items())


def test_experiments_of_different_names_are_independent() -> None:
    pairs = Counter(zip(assigned("one", a=50, b=50), assigned("two", a=30, b=70), strict=True))
    table = [[pairs[first, second] for second in "ab"] for first in "ab"]
    assert chi2_contingency(table).pvalue > CHANCE


def test_a_changed_share_of_two_arms_moves_only_the_difference_and_in_one_direction() -> None:
    before, after = assigned("one", a=50, b=50), assigned("one", a=60, b=40)
    moves = Counter((old, new) for old, new in zip(before, after, strict=True) if old != new)
    assert moves.keys() == {("b", "a")}
    assert within(moves["b", "a"], len(USERS), 0.1)


def test_a_new_arm_takes_its_share_and_moves_no_other_user() -> None:
    before = assigned("one", a=50, b=50)
    after = assigned("one", a=40, b=40, c=20)
    moves = Counter((old, new) for old, new in zip(before, after, strict=True) if old != new)
    assert {new for _, new in moves} == {"c"}
    assert within(moves.total(), len(USERS), 0.2)


def test_any_change_moves_users_only_to_arms_that_have_grown_relative_to_theirs() -> None:
    was, now = {"a": 50, "b": 30, "c": 20}, {"a": 40, "b": 50, "c": 10}
    before, after = assigned("one", **was), assigned("one", **now)
    moves = Counter((old, new) for old, new in zip(before, after, strict=True) if old != new)
    assert all(now[new] / now[old] > was[new] / was[old] for old, new in moves)
    assert within(moves.total(), len(USERS), 1 - collision(was, now))


def test_the_order_of_the_arms_does_not_matter() -> None:
    assert assigned("one", a=50, b=30, c=20)[:1000] == assigned("one", c=20, b=30, a=50)[:1000]


def test_any_id_can_be_assigned() -> None:
    for user in ("", "\0", "\ud800", "x" * 10_000):
        assert assign("one", {"a": 1, "b": 1}, user) in "ab"


def test_both_teams_take_their_best_item_that_is_left_in_every_round() -> None:
    lists = {"a": [1, 2, 3, 4], "b": [3, 1, 5, 6]}
    possible = set()
    for first, second in itertools.product([("a", "b"), ("b", "a")], repeat=2):
        mix: dict[int, str] = {}
        for arm in (*first, *second):
            mix[next(item for item in lists[arm] if item not in mix)] = arm
        possible.add(tuple(mix.items()))
    drawn = Counter(tuple(team_draft(lists, 4, f"seed {n}")) for n in range(4000))
    assert drawn.keys() == possible
    assert all(within(count, 4000, 1 / len(possible)) for count in drawn.values())


def test_equal_lists_are_shared_half_and_half_in_every_pair_of_places() -> None:
    items = list(range(10))
    for seed in "xyz":
        mix = team_draft({"a": items, "b": items}, 10, seed)
        assert [item for item, _ in mix] == items
        assert all({mix[at][1], mix[at + 1][1]} == {"a", "b"} for at in range(0, 10, 2))


@pytest.mark.parametrize("count", [0, 1, 3, 7, 20])
def test_a_mix_has_the_wanted_length_as_long_as_there_are_items(count: int) -> None:
    mix = team_draft({"a": [1, 2, 3], "b": [3, 4, 5, 6, 7]}, count, "seed")
    assert len(mix) == len({item for item, _ in mix}) == min(count, 7)
    assert team_draft({"a": [], "b": []}, count, "seed") == []
