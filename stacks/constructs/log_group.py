"""Logs that go when the stack goes."""

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct


class LogGroup(logs.LogGroup):
    """A declared log group, so that none is made on the fly and left behind (decision 0003)."""

    def __init__(self, scope: Construct, id: str, *, name: str, days: int) -> None:  # noqa: A002
        """Make the group.

        Args:
            scope: the parent.
            id: the construct's id.
            name: the group's name.
            days: how long its lines are kept.
        """
        super().__init__(scope, id, log_group_name=name, removal_policy=cdk.RemovalPolicy.DESTROY)
        cast(logs.CfnLogGroup, self.node.default_child).retention_in_days = days
