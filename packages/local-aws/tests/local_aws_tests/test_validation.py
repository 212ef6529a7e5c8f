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


@pytest.mark.parametrize(
    "value",
    [0, -86400, 1714006143, 1714006143.5, "1714006143", "2024-04-25T00:49:03Z", 253402300799],
)
def test_timestamp_that_is_a_moment_is_read(value: object) -> None:
    shape = get_service_model("sagemaker").operation_model("ListTrainingJobs").input_shape
    assert mistyped({"CreationTimeAfter": value}, shape) is None


@pytest.mark.parametrize(
    "value", [1796000000000, -1e13, 1e300, float("nan"), "yesterday", "", True, [1], {}]
)
def test_timestamp_that_is_no_moment_is_a_fault(value: object) -> None:
    shape = get_service_model("sagemaker").operation_model("ListTrainingJobs").input_shape
    fault = mistyped({"CreationTimeAfter": value}, shape)
    assert fault is not None
    assert fault.endswith("at the body.CreationTimeAfter cannot be converted to timestamp")
