"""Amazon EventBridge Scheduler: what is kept, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.cloud import Cloud, documented, refused

_API = "https://docs.aws.amazon.com/scheduler/latest/APIReference/API_"
_GUIDE = "https://docs.aws.amazon.com/scheduler/latest/UserGuide/"


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Any:
    return cloud.client("scheduler")


@pytest.fixture(scope="module")
def request_(cloud: Cloud, role: Callable[..., str]) -> dict[str, Any]:
    """Of a schedule that is due in a far year."""
    function = f"arn:aws:lambda:{cloud.region}:{cloud.account}:function:missing"
    arn = role("scheduler", service="scheduler.amazonaws.com")
    return {
        "Name": f"{cloud.prefix}-yearly",
        "ScheduleExpression": "cron(0 3 1 1 ? 2199)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": function, "RoleArn": arn, "Input": "{}"},
    }


@pytest.fixture(scope="module")
def schedule(cloud: Cloud, api: Any, request_: dict[str, Any]) -> str:
    name: str = request_["Name"]
    cloud.settled(lambda: api.create_schedule(**request_))
    cloud.undo(name, lambda: api.delete_schedule(Name=name))
    return name


@documented(_API + "GetSchedule.html")
def test_schedule_has_defaults(api: Any, schedule: str, cloud: Cloud) -> None:
    found = api.get_schedule(Name=schedule)
    place = f"{cloud.region}:{cloud.account}"
    assert found["Arn"] == f"arn:aws:scheduler:{place}:schedule/default/{schedule}"
    assert (found["GroupName"], found["State"]) == ("default", "ENABLED")
    assert found["ScheduleExpressionTimezone"] == "UTC"
    retries = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
    assert found["Target"]["RetryPolicy"] == retries


@documented(_API + "CreateSchedule.html")
def test_schedule_of_a_name_that_exists_is_refused(
    api: Any, schedule: str, request_: dict[str, Any]
) -> None:
    with refused("ConflictException"):
        api.create_schedule(**request_)


@documented(_API + "GetSchedule.html")
def test_missing_schedule_is_not_found(api: Any) -> None:
    with refused("ResourceNotFoundException"):
        api.get_schedule(Name="missing")


@documented(_GUIDE + "schedule-types.html")
@pytest.mark.parametrize(
    "expression", ["daily", "rate(5 weeks)", "cron(0 3 * * * *)", "cron(61 3 * * ? *)"]
)
def test_invalid_expression_is_refused(api: Any, request_: dict[str, Any], expression: str) -> None:
    with refused("ValidationException"):
        api.create_schedule(**{**request_, "Name": "invalid", "ScheduleExpression": expression})


@documented(_GUIDE + "setting-up.html#setting-up-execution-role")
def test_role_that_scheduler_cannot_assume_is_refused(
    api: Any, request_: dict[str, Any], role: Callable[..., str]
) -> None:
    target = {**request_["Target"], "RoleArn": role("of-lambda", service="lambda.amazonaws.com")}
    with refused("ValidationException", "must allow AWS EventBridge Scheduler to assume the role"):
        api.create_schedule(**{**request_, "Name": "untrusted", "Target": target})
