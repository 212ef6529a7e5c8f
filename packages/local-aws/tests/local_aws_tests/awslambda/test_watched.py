"""Functions as CloudWatch sees them, and called by the clock."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from moto.events.models import events_backends

from local_aws.eventbridge.models import EventsBackend
from local_aws_tests.awslambda.conftest import REGION
from local_aws_tests.deliveries import admit


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


def test_metrics_count_calls_errors_and_throttles(aws: Any) -> None:
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


def test_schedule_fires_repeatedly_until_disabled(aws: Any) -> None:
    function = aws.deploy("def handler(event, _):\n    print('by the clock', event['source'])")
    arn = aws.client("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    events = aws.client("events")
    rule = events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")["RuleArn"]
    aws.permit(function, "events", rule)
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


def test_events_that_match_a_pattern_reach_functions_queues_and_topics(aws: Any) -> None:
    function = aws.deploy("def handler(event, _):\n    print('got', event['detail']['title'])")
    arn = aws.client("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    events, sqs, sns = (aws.client(name) for name in ("events", "sqs", "sns"))
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("direct", "by-topic")}
    queues = {name: f"arn:aws:sqs:{REGION}:123456789012:{name}" for name in urls}
    topic = sns.create_topic(Name="films")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queues["by-topic"])
    admit("sns", queues["by-topic"])
    admit("events", queues["direct"], topic)
    pattern = {"source": ["films"], "detail": {"year": [{"numeric": [">", 2000]}]}}
    rule = events.put_rule(Name="new-films", EventPattern=json.dumps(pattern))["RuleArn"]
    aws.permit(function, "events", rule)
    transformer = {
        "InputPathsMap": {"title": "$.detail.title"},
        "InputTemplate": '{"seen": "<title>"}',
    }
    failed = events.put_targets(
        Rule="new-films",
        Targets=[
            {"Id": "function", "Arn": arn},
            {"Id": "queue", "Arn": queues["direct"], "InputTransformer": transformer},
            {"Id": "topic", "Arn": topic},
            {"Id": "gone", "Arn": queues["direct"] + "-gone"},
        ],
    )["FailedEntryCount"]
    assert failed == 0

    def put(title: str, year: int, source: str = "films") -> None:
        detail = json.dumps({"title": title, "year": year})
        entry = {"Source": source, "DetailType": "film", "Detail": detail}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    put("Alien", 1979)
    put("Up", 2009, source="other")
    put("Gravity", 2013)
    events.disable_rule(Name="new-films")
    put("Dune", 2021)

    def received(name: str) -> list[Any]:
        got = sqs.receive_message(QueueUrl=urls[name], MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in got]

    assert received("direct") == [{"seen": "Gravity"}]
    [told] = received("by-topic")
    event = json.loads(told["Message"])
    assert event["detail"] == {"title": "Gravity", "year": 2013}
    assert (event["source"], event["detail-type"], event["version"]) == ("films", "film", "0")
    assert time.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ")
    assert set(event) == {
        *("version", "id", "detail-type", "source", "account", "time", "region"),
        *("resources", "detail"),
    }
    deadline = time.monotonic() + 120
    while metric(aws, function, "Invocations") < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert metric(aws, function, "Invocations") == 1
    assert "got Gravity" in {line.strip() for line in aws.log(f"/aws/lambda/{function}")}


@pytest.mark.parametrize(
    "target",
    [
        {"Arn": f"arn:aws:states:{REGION}:123456789012:stateMachine:m"},
        {"Arn": f"arn:aws:sqs:{REGION}:123456789012:q", "InputPath": "$.detail"},
        {"Arn": f"arn:aws:sns:{REGION}:123456789012:t", "RetryPolicy": {"MaximumRetryAttempts": 1}},
    ],
)
def test_unsupported_target_of_a_pattern_is_refused(aws: Any, target: Any) -> None:
    events = aws.client("events")
    events.put_rule(Name="refusing", EventPattern='{"source": ["films"]}')
    with pytest.raises(ClientError, match="NotImplementedByLocalAws"):
        events.put_targets(Rule="refusing", Targets=[{"Id": "t", **target}])
    events.delete_rule(Name="refusing")
