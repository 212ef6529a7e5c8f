"""Schedules are due when AWS documents, and call their functions with their roles."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError
from moto.scheduler.models import Schedule, scheduler_backends

from local_aws import clients
from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.scheduler.expressions import Cron, Rate, parse
from local_aws.scheduler.models import SchedulerBackend
from local_aws.server import LocalAws

REGION, ACCOUNT = "us-east-1", "123456789012"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:retrain"
GROUP = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/default"
EXACT = {"Mode": "OFF"}


def due(expression: str, moment: str) -> bool:
    cron = parse(f"cron({expression})")
    assert isinstance(cron, Cron)
    return cron.matches(datetime.fromisoformat(moment))


@pytest.mark.parametrize(
    ("expression", "interval"),
    [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(1 day)", 86_400)],
)
def test_rate_has_the_interval_that_it_names(expression: str, interval: int) -> None:
    assert parse(expression) == Rate(timedelta(seconds=interval))


def test_cron_is_due_in_the_minutes_that_its_fields_allow() -> None:
    # 2026-11-30 is a Monday
    assert due("0 3 * * ? *", "2026-11-30T03:00")
    assert not due("0 3 * * ? *", "2026-11-30T03:01")
    assert due("0/15 8-17 ? * MON-FRI *", "2026-11-30T17:45")
    assert not due("0/15 8-17 ? * MON-FRI *", "2026-11-29T17:45")
    assert due("30 6 ? * 2 2026", "2026-11-30T06:30") and not due(
        "30 6 ? * 1 2026", "2026-11-30T06:30"
    )
    assert due("5,10 0 1 JAN,jul ? *", "2026-07-01T00:10")


def test_cron_is_not_due_in_the_hour_that_daylight_saving_time_repeats() -> None:
    cron, zone = parse("cron(30 2 * * ? *)"), ZoneInfo("Europe/Berlin")
    assert isinstance(cron, Cron)
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).astimezone(zone)
    assert (first.hour, cron.matches(first)) == (2, True)
    again = first.astimezone(UTC) + timedelta(hours=1)
    assert (again.astimezone(zone).hour, cron.matches(again.astimezone(zone))) == (2, False)


@pytest.mark.parametrize(
    "expression",
    [
        *("every day", "rate(0 minutes)", "rate(1 week)", "cron(0 3 * * ?)", "cron(0 3 * * * *)"),
        *(
            "cron(60 3 * * ? *)",
            "cron(0 3 ? * FUN *)",
            "cron(9-5 3 * * ? *)",
            "cron(0/0 3 * * ? *)",
            f"cron(0/{'9' * 5_000} 3 * * ? *)",
        ),
    ],
)
def test_invalid_expression_is_refused(expression: str) -> None:
    with pytest.raises(AwsError, match="Invalid Schedule Expression"):
        parse(expression)


@pytest.mark.parametrize("expression", ["at(2026-12-01T00:00:00)", "cron(0 3 L * ? *)"])
def test_expression_that_is_not_implemented_is_refused_by_name(expression: str) -> None:
    with pytest.raises(NotImplementedByLocalAws, match="schedules"):
        parse(expression)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        yield running


@pytest.fixture
def role(aws: LocalAws) -> Iterator[str]:
    """Trusts the service for schedules of one group, as AWS recommends."""
    iam = clients.client("iam", REGION)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"ArnLike": {"aws:SourceArn": GROUP}},
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    yield iam.create_role(RoleName="starts", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.delete_role(RoleName="starts")


@pytest.fixture
def backend() -> SchedulerBackend:
    return cast(SchedulerBackend, scheduler_backends[ACCOUNT][REGION])


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Schedule]:
    """The schedules that are due, in place of the calls of their functions."""
    due: list[Schedule] = []
    monkeypatch.setattr(SchedulerBackend, "_call", lambda _, schedule: due.append(schedule))
    return due


def request(role: str, **settings: Any) -> dict[str, Any]:
    target = {"Arn": FUNCTION, "RoleArn": role, "Input": '{"scheduled": true}'}
    wanted = {"Name": "often", "ScheduleExpression": "rate(5 minutes)", "Target": target}
    return {**wanted, "FlexibleTimeWindow": EXACT, **settings}


@pytest.mark.slow
def test_schedule_by_a_rate_is_due_at_once_and_after_each_interval(
    role: str, backend: SchedulerBackend, called: list[Schedule]
) -> None:
    backend.create(request(role))
    now = datetime.now(UTC)
    for minutes, times in ((0, 1), (4, 1), (5, 2), (6, 2), (16, 3), (19, 3), (20, 4)):
        backend.tick(now + timedelta(minutes=minutes))
        assert len(called) == times, minutes
    backend.update({**request(role), "State": "DISABLED"})
    backend.tick(now + timedelta(days=1))
    backend.delete_schedule("default", "often")
    backend.tick(now + timedelta(days=2))
    assert len(called) == 4


@pytest.mark.slow
def test_schedule_by_the_longest_rate_is_due_once(
    role: str, backend: SchedulerBackend, called: list[Schedule]
) -> None:
    """Its next time is after the last day that there is."""
    backend.create(request(role, ScheduleExpression="rate(999999999 days)"))
    for minutes in (0, 1, 60):
        backend.tick(datetime.now(UTC) + timedelta(minutes=minutes))
    backend.delete_schedule("default", "often")
    assert len(called) == 1


@pytest.mark.slow
def test_schedule_by_cron_is_due_once_in_its_minute_and_zone(
    role: str, backend: SchedulerBackend, called: list[Schedule]
) -> None:
    zone = {"ScheduleExpressionTimezone": "Asia/Tokyo"}
    backend.create(request(role, ScheduleExpression="cron(0 3 * * ? 2199)", **zone))
    for hour, times in ((3, 0), (17, 0), (18, 1)):  # Tokyo is nine hours ahead
        for second in range(-2, 65):
            backend.tick(datetime(2199, 5, 1, hour, tzinfo=UTC) + timedelta(seconds=second))
        assert len(called) == times, hour
    backend.delete_schedule("default", "often")


@pytest.mark.slow
def test_schedule_whose_role_may_not_call_the_function_says_so(
    role: str, backend: SchedulerBackend, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "local_aws.scheduler"):
        backend.create(request(role))
        backend.tick(datetime.now(UTC) + timedelta(hours=1))
    assert "is not authorized to perform: lambda:InvokeFunction" in caplog.text
    backend.delete_schedule("default", "often")


@pytest.mark.slow
def test_schedule_that_would_not_do_what_it_says_is_refused(role: str) -> None:
    scheduler = clients.client("scheduler", REGION)
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}
    target = request(role)["Target"]
    queue = {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:failed"}
    for settings, named in (
        ({"FlexibleTimeWindow": window}, "flexible time windows"),
        ({"StartDate": datetime(2030, 1, 1, tzinfo=UTC)}, "StartDate"),
        ({"ActionAfterCompletion": "DELETE"}, "completed schedules"),
        ({"Target": {**target, "Arn": queue["Arn"]}}, "functions can be called"),
        ({"Target": {**target, "DeadLetterConfig": queue}}, "DeadLetterConfig"),
    ):
        with pytest.raises(ClientError, match=f"does not implement.*{named}"):
            scheduler.create_schedule(**request(role, **settings))
    for zone in ("Mars", "America", "../UTC"):
        with pytest.raises(ClientError, match=f"Invalid Schedule Expression Timezone {zone}"):
            scheduler.create_schedule(**request(role, ScheduleExpressionTimezone=zone))
    other = role.replace("role/starts", "role/unknown")
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume"):
        scheduler.create_schedule(**request(other))
    assert scheduler.list_schedules()["Schedules"] == []
