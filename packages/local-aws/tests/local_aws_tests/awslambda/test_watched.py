"""Functions as CloudWatch sees them, and called by the clock."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from moto.events.models import events_backends

from local_aws.eventbridge.models import EventsBackend
from local_aws_tests.awslambda.conftest import REGION


def metric(aws: Any, function: str, name: str, statistic: str = "Sum") -> float:
    now = datetime.now(UTC)
    found = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=name,
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=[statistic],
    )["Datapoints"]
    return float(sum(point[statistic] for point in found))


def test_calls_errors_and_throttles_are_counted(aws: Any) -> None:
    function = aws.deploy("def handler(event, _):\n    return 1 / event")
    for event in (1, 2, 0):
        aws.invoke(function, event)
    aws.client("lambda").put_function_concurrency(
        FunctionName=function, ReservedConcurrentExecutions=0
    )
    with pytest.raises(ClientError, match="TooManyRequests"):
        aws.invoke(function, 1)
    assert metric(aws, function, "Invocations") == 3
    assert metric(aws, function, "Errors") == 1
    assert metric(aws, function, "Throttles") == 1
    assert 0 < metric(aws, function, "Duration", "Maximum") < 20_000


def test_a_schedule_comes_round_again_and_again_until_it_is_disabled(aws: Any) -> None:
    function = aws.deploy("def handler(event, _):\n    print('by the clock', event['source'])")
    arn = aws.client("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    events = aws.client("events")
    rule = events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")["RuleArn"]
    events.put_targets(Rule="hourly", Targets=[{"Id": "f", "Arn": arn}])
    backend = cast(EventsBackend, events_backends["123456789012"][REGION])

    def come_round() -> None:
        backend._due[rule] = time.monotonic()
        backend.tick()

    def called(times: int) -> bool:
        deadline = time.monotonic() + 120
        while metric(aws, function, "Invocations") < times and time.monotonic() < deadline:
            time.sleep(0.05)
        return metric(aws, function, "Invocations") == times

    backend.tick()
    assert called(0)
    come_round()
    assert called(1) and metric(aws, function, "Errors") == 0
    assert 3590 < backend._due[rule] - time.monotonic() <= 3600
    come_round()
    assert called(2)
    events.disable_rule(Name="hourly")
    come_round()
    time.sleep(0.3)
    assert called(2)
    queue = {"Id": "q", "Arn": f"arn:aws:sqs:{REGION}:123456789012:q"}
    with pytest.raises(ClientError, match="NotImplementedByLocalAws"):
        events.put_targets(Rule="hourly", Targets=[queue])
    events.remove_targets(Rule="hourly", Ids=["f"])
    events.delete_rule(Name="hourly")
