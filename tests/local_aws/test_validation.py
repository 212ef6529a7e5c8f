import pytest

from local_aws.validation import compiled


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^\p{Print}+$", "recommender-load", "a\tb"),
        (r"^[\p{Alnum}_]+\z", "a_1", "a-1"),
        (r"^\p{L}\p{N}$", "a1", "11x"),
    ],
)
def test_aws_patterns_mean_the_same_in_and_outside_brackets(
    pattern: str, good: str, bad: str
) -> None:
    expression = compiled(pattern)
    assert expression is not None
    assert expression.search(good)
    assert not expression.search(bad)
