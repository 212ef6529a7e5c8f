import pytest
from moto.core.utils import get_service_model

from local_aws.validation import compiled, mistyped


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


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (1, None),
        (1.5, None),
        ("NaN", None),
        ("-Infinity", None),
        ("1", "STRING value at the body.MetricData[0].Value cannot be converted to double"),
        (True, "BOOLEAN value at the body.MetricData[0].Value cannot be converted to double"),
    ],
)
def test_numbers_as_json_has_them(value: object, fault: str | None) -> None:
    shape = get_service_model("cloudwatch").operation_model("PutMetricData").input_shape
    assert mistyped({"MetricData": [{"MetricName": "m", "Value": value}]}, shape) == fault
