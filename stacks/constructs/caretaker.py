"""The hourly function that measures the models' age and deletes idle stacks."""

from collections.abc import Iterator, Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from stacks.config import Config
from stacks.constructs.failed_events import FailedEvents
from stacks.constructs.log_group import LogGroup
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.roles import Permission, acknowledge
from stacks.constructs.sagemaker import VARIANT

NAMESPACE: Final = "RecommendationEngine"
_STACK_ID: Final = "A stack's ARN ends in an id that CloudFormation gives it"
_NO_RESOURCES: Final = "The action does not support resources"


class Caretaker(Construct):
    """The function `caretaker` and its schedule (decision 0007).

    Attributes:
        name: the function's name.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        stacks: Sequence[str],
        expiring: Sequence[str],
        endpoints: Sequence[str],
        topic_arn: str | None,
        key_arn: str | None,
    ) -> None:
        """Create the function and its schedule.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            stacks: names of the stacks with trained resources.
            expiring: names of the stacks that it may delete.
            endpoints: names of SageMaker endpoints.
            topic_arn: the topic for notices of deletions; None for none.
            key_arn: the key of the topic and, with `kms`, of the queue; None for neither.
        """
        super().__init__(scope, id)
        self.name = config.name("Caretaker")
        function = PythonFunction(
            self,
            "Function",
            package="caretaker",
            name=self.name,
            description="Measures the models' age and deletes idle stacks",
            config=config,
            memory_mb=256,
            timeout_seconds=60,
            log_group=LogGroup(self, "Logs", name=f"/aws/lambda/{self.name}", days=config.log_days),
            permissions=[
                *self._permissions(stacks, expiring, topic_arn),
                *self._uses_key(None if config.kms else key_arn),  # else the queue's too
            ],
            failures="Failed runs are sent to a queue with the function's last response",
            environment={
                "NAMESPACE": NAMESPACE,
                "DEPLOYMENT": config.prefix,
                "STACKS": ",".join(stacks),
                "EXPIRING": ",".join(expiring),
                "ENDPOINTS": ",".join(endpoints),
                "VARIANT": VARIANT,
                "IDLE_HOURS": str(config.operations.idle_hours),
                "TOPIC": topic_arn or "",
            },
        )
        FailedEvents(
            self,
            "Failed",
            function=function,
            max_age=cdk.Duration.hours(1),  # the next run does the same work as an older one
            key_arn=key_arn if config.kms else None,
        )
        rule = events.Rule(
            self,
            "Hourly",
            schedule=events.Schedule.rate(cdk.Duration.hours(1)),
            description="Hourly run of the caretaker",
        )
        rule.add_target(targets.LambdaFunction(function))
        acknowledge(rule, "The next hourly run replaces a lost one", "Serverless-EventBusDLQ")

    @staticmethod
    def _uses_key(key_arn: str | None) -> list[Permission]:
        actions = ["kms:Decrypt", "kms:GenerateDataKey"]
        return [Permission(actions=actions, resources=[key_arn])] if key_arn else []

    def _permissions(
        self, stacks: Sequence[str], expiring: Sequence[str], topic_arn: str | None
    ) -> Iterator[Permission]:
        yield Permission(
            actions=["cloudformation:DescribeStacks", "cloudformation:ListStackResources"],
            resources=[self._stack_arn(name) for name in stacks],
            wildcard=_STACK_ID,
        )
        yield Permission(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": NAMESPACE}},
            wildcard=_NO_RESOURCES,
        )
        if not expiring:
            return
        # The stack's own role deletes its resources.
        yield Permission(
            actions=["cloudformation:DeleteStack"],
            resources=[self._stack_arn(name) for name in expiring],
            wildcard=_STACK_ID,
        )
        yield Permission(
            actions=["cloudwatch:GetMetricData"], resources=["*"], wildcard=_NO_RESOURCES
        )
        if topic_arn:
            yield Permission(actions=["sns:Publish"], resources=[topic_arn])

    def _stack_arn(self, name: str) -> str:
        return cdk.Stack.of(self).format_arn(
            service="cloudformation", resource="stack", resource_name=f"{name}/*"
        )
