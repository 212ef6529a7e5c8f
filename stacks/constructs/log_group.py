"""Log groups that are deleted with their stack."""

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct


class LogGroup(logs.LogGroup):
    """A declared log group, so that no service creates one that is left behind (decision 0003)."""

    def __init__(self, scope: Construct, id: str, *, name: str, days: int) -> None:  # noqa: A002
        """Create the group.

        Args:
            scope: the parent.
            id: the construct's id.
            name: the group's name.
            days: the retention in days.
        """
        super().__init__(scope, id, log_group_name=name, removal_policy=cdk.RemovalPolicy.DESTROY)
        cast(logs.CfnLogGroup, self.node.default_child).retention_in_days = days
