"""Schedules that call functions, which moto stores but never does."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from botocore.exceptions import BotoCoreError, ClientError
from moto.scheduler.models import EventBridgeSchedulerBackend as MotoBackend
from moto.scheduler.models import Schedule
from moto.utilities.arns import parse_arn

from local_aws import clients, clock
from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.scheduler.expressions import Cron, Rate, parse
from local_aws.sts.models import AccessDenied, assume, trusts

_log = logging.getLogger("local_aws.scheduler")
_IGNORED: Final = ("StartDate", "EndDate", "KmsKeyArn")  # settings of a schedule
_TARGET: Final = frozenset({"Arn", "RoleArn", "Input", "RetryPolicy"})

Params = Mapping[str, Any]


@dataclass
class _Due:
    """When a schedule is due.

    Attributes:
        expression: its schedule.
        zone: the time zone of cron.
        next: by a rate, the next time.
        last: by cron, the minute of the last invocation.
    """

    expression: Rate | Cron
    zone: ZoneInfo
    next: datetime
    last: datetime | None = None

    def falls(self, moment: datetime) -> bool:
        """Whether it is due now; then the next time is another one."""
        if isinstance(self.expression, Rate):
            if moment < self.next:
                return False
            missed = (moment - self.next) // self.expression.interval
            try:
                self.next += (missed + 1) * self.expression.interval
            except OverflowError:  # never again
                self.next = datetime.max.replace(tzinfo=UTC)
            return True
        minute = moment.astimezone(self.zone).replace(second=0, microsecond=0)
        if minute == self.last or not self.expression.matches(minute):
            return False
        self.last = minute
        return True


class SchedulerBackend(MotoBackend):
    """moto's backend, whose schedules call functions when they are due."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._due: dict[str, _Due] = {}

    def create(self, params: Params) -> Schedule:
        """Create a schedule; by a rate, it is due at once.

        Raises:
            ServiceException: it is invalid, exists, or has what is not implemented.
        """
        due = self._checked(params)
        self.get_schedule_group(params.get("GroupName"))
        made = self.create_schedule(
            **_settings(params),
            group_name=params.get("GroupName", "default"),
            name=params["Name"],
            action_after_completion=params.get("ActionAfterCompletion", "NONE"),
        )
        self._due[made.arn] = due
        clock.add(self)
        return made

    def update(self, params: Params) -> Schedule:
        """Replace a schedule's settings; those that are not given take their defaults.

        Raises:
            ServiceException: it is invalid, missing, or has what is not implemented.
        """
        due = self._checked(params)
        made = self.update_schedule(
            **_settings(params), group_name=params.get("GroupName", "default"), name=params["Name"]
        )
        self._due[made.arn] = due
        return made

    def tick(self, moment: datetime | None = None) -> None:
        """Call the targets that are due."""
        moment = moment or datetime.now(UTC)
        for group in list(self.schedule_groups.values()):
            for schedule in list(group.schedules.values()):
                due = self._due.get(schedule.arn)
                if due and schedule.state == "ENABLED" and due.falls(moment):
                    self._call(schedule)

    def _checked(self, params: Params) -> _Due:
        target = params["Target"]
        if params["FlexibleTimeWindow"]["Mode"] != "OFF":
            raise NotImplementedByLocalAws("flexible time windows (FlexibleTimeWindow)")
        for name in _IGNORED:
            if params.get(name):
                raise NotImplementedByLocalAws(f"{name} of schedules")
        if params.get("ActionAfterCompletion", "NONE") != "NONE":
            raise NotImplementedByLocalAws("the deletion of completed schedules")
        if unknown := sorted(target.keys() - _TARGET):
            raise NotImplementedByLocalAws(f"{', '.join(unknown)} of a schedule's target")
        arn = parse_arn(target["Arn"]) if target["Arn"].count(":") >= 5 else None
        if arn is None or arn.service != "lambda" or ":function:" not in target["Arn"]:
            raise NotImplementedByLocalAws(
                f"a schedule that calls {target['Arn']}: functions can be called"
            )
        zone = params.get("ScheduleExpressionTimezone", "UTC")
        try:
            due = _Due(parse(params["ScheduleExpression"]), ZoneInfo(zone), datetime.now(UTC))
        except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones
            raise AwsError(
                "ValidationException", f"Invalid Schedule Expression Timezone {zone}."
            ) from None
        group = params.get("GroupName", "default")
        if not trusts(target["RoleArn"], "scheduler", self.region_name, self._source(group)):
            raise AwsError(
                "ValidationException",
                "The execution role you provide must allow AWS EventBridge Scheduler to assume "
                "the role.",
            )
        return due

    def _source(self, group: str) -> str:
        """The ARN of a group, for which the service assumes roles.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
        """
        place = f"{self.region_name}:{self.account_id}"
        return f"arn:{self.partition}:scheduler:{place}:schedule-group/{group}"

    def _call(self, schedule: Schedule) -> None:
        target = schedule.target
        try:
            credentials = assume(
                target["RoleArn"],
                service="scheduler",
                session_name=schedule.name,
                region=self.region_name,
                source_arn=self._source(schedule.group_name),
            )
            clients.client("lambda", self.region_name, credentials).invoke(
                FunctionName=target["Arn"],
                InvocationType="Event",
                Payload=target.get("Input", "{}"),
            )
        except (AccessDenied, ClientError, BotoCoreError) as error:
            _log.warning("the schedule %s cannot call its target: %s", schedule.name, error)


def _settings(params: Params) -> dict[str, Any]:
    return {
        "description": params.get("Description"),
        "end_date": None,
        "flexible_time_window": params["FlexibleTimeWindow"],
        "kms_key_arn": None,
        "schedule_expression": params["ScheduleExpression"],
        "schedule_expression_timezone": params.get("ScheduleExpressionTimezone"),
        "start_date": None,
        "state": params.get("State", "ENABLED"),
        "target": dict(params["Target"]),
    }
