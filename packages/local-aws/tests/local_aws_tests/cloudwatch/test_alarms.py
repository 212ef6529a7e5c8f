"""Alarms in every state that their metric can put them in, seen through the API."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.cloudwatch.models import MetricDatum, cloudwatch_backends

from local_aws.cloudwatch.metrics import report
from local_aws.moto_patches import install
from tests.reliability import Tally

ACCOUNT, REGION = "123456789012", "us-east-1"
DIMENSIONS = [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "V"}]


@pytest.fixture(scope="module")
def mocked() -> Iterator[Any]:
    install()
    with mock_aws():
        yield boto3.client("cloudwatch", region_name=REGION)


@pytest.fixture
def cloudwatch(mocked: Any) -> Any:
    cloudwatch_backends[ACCOUNT][REGION].reset()
    return mocked


def put_alarm(cloudwatch: Any, **settings: Any) -> None:
    cloudwatch.put_metric_alarm(
        **{
            "AlarmName": "a",
            "Namespace": "N",
            "MetricName": "Errors",
            "Dimensions": DIMENSIONS,
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 2,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            **settings,
        }
    )


def put(cloudwatch: Any, value: float, *, minutes_ago: float = 0, **more: Any) -> None:
    datum = {
        "MetricName": "Errors",
        "Dimensions": DIMENSIONS,
        "Value": value,
        "Timestamp": datetime.now(UTC) - timedelta(minutes=minutes_ago),
        **more,
    }
    cloudwatch.put_metric_data(Namespace="N", MetricData=[datum])


def state(cloudwatch: Any) -> str:
    (alarm,) = cloudwatch.describe_alarms()["MetricAlarms"]
    return str(alarm["StateValue"])


def test_alarm_changes_its_states(cloudwatch: Any) -> None:
    put_alarm(cloudwatch)
    assert state(cloudwatch) == "INSUFFICIENT_DATA"
    put(cloudwatch, 1)
    assert state(cloudwatch) == "OK"
    put(cloudwatch, 1)
    assert state(cloudwatch) == "ALARM"
    put_alarm(cloudwatch, Threshold=3)
    assert state(cloudwatch) == "OK"


@pytest.mark.parametrize(
    ("treated", "expected"),
    [
        ("missing", "INSUFFICIENT_DATA"),
        ("notBreaching", "OK"),
        ("breaching", "ALARM"),
        ("ignore", "INSUFFICIENT_DATA"),
    ],
)
def test_missing_data_are_treated_as_configured(
    cloudwatch: Any, treated: str, expected: str
) -> None:
    put_alarm(cloudwatch, TreatMissingData=treated)
    put(cloudwatch, 9, minutes_ago=2)
    assert state(cloudwatch) == expected


def test_alarm_requires_enough_breaching_periods(cloudwatch: Any) -> None:
    put_alarm(cloudwatch, EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData="notBreaching")
    put(cloudwatch, 2, minutes_ago=2.5)
    assert state(cloudwatch) == "OK"
    put(cloudwatch, 2, minutes_ago=0.5)
    assert state(cloudwatch) == "ALARM"
    put(cloudwatch, 2, minutes_ago=9)  # what comes late does not hide what came before
    assert state(cloudwatch) == "ALARM"


def test_alarm_ignores_other_metrics(cloudwatch: Any) -> None:
    put_alarm(cloudwatch)
    put(cloudwatch, 9, Dimensions=DIMENSIONS[:1])
    put(cloudwatch, 9, MetricName="Others")
    cloudwatch.put_metric_data(
        Namespace="M", MetricData=[{"MetricName": "Errors", "Dimensions": DIMENSIONS, "Value": 9}]
    )
    assert state(cloudwatch) == "INSUFFICIENT_DATA"
    put(cloudwatch, 9, Dimensions=DIMENSIONS[::-1])
    assert state(cloudwatch) == "ALARM"


def test_alarm_on_a_percentile_is_evaluated(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(
        AlarmName="a",
        Namespace="N",
        MetricName="Errors",
        Dimensions=DIMENSIONS,
        ExtendedStatistic="p90",
        Period=60,
        EvaluationPeriods=1,
        Threshold=9,
        ComparisonOperator="GreaterThanThreshold",
    )
    for value in range(11):  # 0 to 10: the 90th percentile is 9
        put(cloudwatch, value)
    assert state(cloudwatch) == "OK"
    put(cloudwatch, 10)
    assert state(cloudwatch) == "ALARM"


def test_metrics_are_read_in_any_order_of_dimensions(cloudwatch: Any) -> None:
    for _ in range(3):
        report(
            ACCOUNT, REGION, "N", {"VariantName": "V", "EndpointName": "e"}, {"M": (2.0, "None")}
        )
    for dimensions in (DIMENSIONS, DIMENSIONS[::-1]):
        metric = {"Namespace": "N", "MetricName": "M", "Dimensions": dimensions}
        query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
        now = datetime.now(UTC)
        (result,) = cloudwatch.get_metric_data(
            MetricDataQueries=[query],
            StartTime=now - timedelta(minutes=30),
            EndTime=now + timedelta(minutes=1),
        )["MetricDataResults"]
        assert result["Values"] == [6.0]


def test_data_of_too_many_periods_are_refused(cloudwatch: Any) -> None:
    """moto visits each period, which takes minutes or hours."""
    metric = {"Namespace": "N", "MetricName": "M"}
    query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": 1, "Stat": "Sum"}}
    now = datetime.now(UTC)
    with pytest.raises(ClientError, match="more than 100,800 periods"):
        cloudwatch.get_metric_data(
            MetricDataQueries=[query], StartTime=now - timedelta(days=2), EndTime=now
        )


def test_data_are_read_once_for_all_periods(cloudwatch: Any) -> None:
    """moto compares each value with each period: 400 million comparisons, here."""
    end = datetime.now(UTC).replace(microsecond=0)
    start = end - timedelta(seconds=100_000)
    dimensions = [{"Name": "d", "Value": "v"}]
    data = cloudwatch_backends[ACCOUNT][REGION].metric_data
    for number in range(4_000):
        moment = start.replace(tzinfo=None) + timedelta(
            seconds=number // 2 * 7, microseconds=500_000 * (number % 2)
        )
        data.append(MetricDatum("N", "M", number, dimensions, moment))
        data.append(MetricDatum("N", "M", -1.0, [], moment))
    metric = {"Namespace": "N", "MetricName": "M", "Dimensions": dimensions}
    query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": 1, "Stat": "Sum"}}
    again = {"Id": "again", "Expression": "m", "ReturnData": False}
    (found,) = cloudwatch.get_metric_data(
        MetricDataQueries=[query, again], StartTime=start, EndTime=end
    )["MetricDataResults"]
    pairs = dict(zip(found["Timestamps"], found["Values"], strict=True))
    assert pairs == {
        start + timedelta(seconds=number * 7): 4.0 * number + 1 for number in range(2_000)
    }
    assert list(pairs) == sorted(pairs, reverse=True)  # the default order
    with pytest.raises(ClientError, match="more than 100,800 values"):
        cloudwatch.get_metric_data(
            MetricDataQueries=[query | {"Id": f"m{number}"} for number in range(500)],
            StartTime=start,
            EndTime=end,
        )


@pytest.mark.parametrize("expression", ["m * 2", "SELECT SUM(M) FROM N"])
def test_metric_math_is_refused(cloudwatch: Any, expression: str) -> None:
    now = datetime.now(UTC)
    with pytest.raises(ClientError, match="does not implement cloudwatch:GetMetricData of the exp"):
        cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "e", "Expression": expression, "Period": 60}],
            StartTime=now - timedelta(hours=1),
            EndTime=now,
        )


def test_unsupported_alarms_are_refused(cloudwatch: Any) -> None:
    metric = {"Namespace": "N", "MetricName": "M"}
    query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    with pytest.raises(ClientError, match="does not implement alarms on metric math"):
        cloudwatch.put_metric_alarm(
            AlarmName="a",
            Metrics=[query],
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )


def test_describe_alarms_applies_all_filters(cloudwatch: Any) -> None:
    put_alarm(cloudwatch, AlarmName="ab", AlarmActions=["arn:aws:sns:us-east-1:1:t"])
    put_alarm(cloudwatch, AlarmName="ac", Threshold=9)
    put_alarm(cloudwatch, AlarmName="b", Dimensions=DIMENSIONS[:1])
    put(cloudwatch, 2)

    def found(**filters: Any) -> list[str]:
        alarms = cloudwatch.describe_alarms(**filters)["MetricAlarms"]
        return [alarm["AlarmName"] for alarm in alarms]

    assert found(AlarmNamePrefix="a") == ["ab", "ac"]
    assert found(AlarmNamePrefix="a", StateValue="ALARM") == ["ab"]
    assert found(StateValue="OK") == ["ac"]
    assert found(AlarmNames=["ac", "b"]) == ["ac", "b"]
    assert found(ActionPrefix="arn:aws:sns") == ["ab"]
    of_metric = cloudwatch.describe_alarms_for_metric(
        Namespace="N", MetricName="Errors", Dimensions=DIMENSIONS[::-1]
    )["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in of_metric] == ["ab", "ac"]


@pytest.mark.parametrize(
    "settings",
    [
        {"EvaluationPeriods": 1_000_000_000},
        {"EvaluationPeriods": 25, "Period": 3_600 - 60},
        {"EvaluationPeriods": 169, "Period": 3_600},
        {"Period": 7},
        {"Period": 90},
        {"DatapointsToAlarm": 2},
        {"ExtendedStatistic": "p99"},
        {"Statistic": "Median"},
    ],
    ids=str,
)
def test_alarm_that_cannot_be_evaluated_is_refused(
    cloudwatch: Any, tally: Tally, settings: dict[str, Any]
) -> None:
    """One such alarm would take all memory, or fail every DescribeAlarms, until it is deleted."""
    with pytest.raises(ClientError):
        put_alarm(cloudwatch, **settings)
    tally("inputs tried", "alarms that cannot be evaluated")
    put_alarm(cloudwatch, EvaluationPeriods=168, Period=3_600)
    assert state(cloudwatch) == "INSUFFICIENT_DATA"


@pytest.mark.parametrize("count", [1e12, 1e308, -1.0])
def test_values_counted_too_often_are_refused(cloudwatch: Any, tally: Tally, count: float) -> None:
    data = [{"MetricName": "m", "Values": [1.0, 2.0], "Counts": [1.0, count]}]
    with pytest.raises(ClientError):
        cloudwatch.put_metric_data(Namespace="N", MetricData=data)
    tally("inputs tried", "values counted too often")
    assert not cloudwatch.list_metrics()["Metrics"]
