"""A schedule of EventBridge that calls a function."""

import json
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from stacks.constructs.python_function import PythonFunction
from stacks.constructs.roles import Permission, ServiceRole


class Schedule(Construct):
    """A schedule, and the role with which it calls its function."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        name: str,
        description: str,
        expression: str,
        function: PythonFunction,
        event: Mapping[str, Any],
    ) -> None:
        """Create the schedule.

        Args:
            scope: the parent.
            id: the construct's id.
            name: the schedule's name.
            description: the schedule's description.
            expression: `rate(…)`, whose first time is at once, or `cron(…)` in UTC.
            function: what is called.
            event: what it is called with.
        """
        super().__init__(scope, id)
        role = ServiceRole(
            self,
            "Role",
            service="scheduler",
            permissions=[
                Permission(actions=["lambda:InvokeFunction"], resources=[function.function_arn])
            ],
            source_arn=cdk.Stack.of(self).format_arn(
                service="scheduler", resource="schedule-group", resource_name="default"
            ),
        )
        scheduler.CfnSchedule(
            self,
            "Default",  # its logical id is the construct's, so that it keeps its name
            name=name,
            description=description,
            schedule_expression=expression,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function.function_arn, role_arn=role.role_arn, input=json.dumps(dict(event))
            ),
        )
