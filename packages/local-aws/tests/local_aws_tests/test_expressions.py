"""Regular expressions from outside hold up nothing but themselves."""

from typing import Any

import pytest

from local_aws.expressions import Expressions, TooSlow, fault, fullmatch
from tests.reliability import Tally

ENDLESS = "^(a+)+b"
TEXT = "a" * 60  # which Python needs some 300,000 years for


def test_matches_are_those_of_python_in_the_order_of_the_texts() -> None:
    found: list[Any] = []
    patterns = [r"loss=(\S+)", r"(?i)LOSS", r"x(y)?"]
    expressions = Expressions(patterns, on_match=lambda *told: found.append(told), on_slow=print)
    for number, text in enumerate(["loss=1.5", "nothing", "é xy", "x loss=\ud800"]):
        expressions.feed(number, text)
    assert expressions.close(60)
    assert found == [
        (0, 0, "1.5"),
        (0, 1, None),
        (2, 2, "y"),
        (3, 0, "\ud800"),
        (3, 1, None),
        (3, 2, None),
    ]


def test_endless_expression_is_given_up_and_the_others_go_on(tally: Tally) -> None:
    tally("inputs tried", "regular expressions that never end")
    found: list[Any] = []
    slow: list[int] = []
    expressions = Expressions(
        [ENDLESS, "(a)"], on_match=lambda *told: found.append(told), on_slow=slow.append
    )
    expressions.feed("first", TEXT)
    expressions.feed("second", TEXT)
    assert expressions.close(120)
    assert slow == [0]
    assert found == [("first", 1, "a"), ("second", 1, "a")]


def test_close_does_not_wait_for_ever(tally: Tally) -> None:
    tally("inputs tried", "regular expressions that never end")
    expressions = Expressions([ENDLESS], on_match=print, on_slow=print)
    expressions.feed(0, TEXT)
    assert not expressions.close(0)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [("[a-z]+", "abc", True), ("[a-z]+", "abc1", False), ("", "", True)],
)
def test_fullmatch_is_that_of_the_whole_text(pattern: str, text: str, fits: bool) -> None:
    assert fullmatch(pattern, text) == [fits]


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("[a-z]+" * 40, None),
        ("[a-z]+" * 40 + "(", "missing ), unterminated subpattern at position 240"),
        ("(" * 5000 + ")" * 5000, "it is nested too deeply"),
        ("(?i)" + "[\x01-\uffff]" * 6000, "it takes too long to compile"),  # a minute
        ("(", "missing ), unterminated subpattern at position 0"),
    ],
)
def test_fault_of_an_expression_of_any_length_is_told(pattern: str, told: str | None) -> None:
    assert fault(pattern) == told


def test_fullmatch_that_cannot_be_decided_is_told(tally: Tally) -> None:
    tally("inputs tried", "regular expressions that never end")
    with pytest.raises(TooSlow, match="cannot be matched in time"):
        fullmatch(ENDLESS, TEXT)
