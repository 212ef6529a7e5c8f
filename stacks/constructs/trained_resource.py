"""A trained thing as a resource: started, waited for, deleted (decision 0001)."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as stepfunctions
from aws_cdk import custom_resources
from constructs import Construct

from stacks.config import WAIT_MINUTES, Config
from stacks.constructs.log_group import LogGroup
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.roles import Permission, ServiceRole, acknowledge, writes_logs


class Trainer(Construct):
    """The functions behind a stack's trained resources: ours within the CDK's Provider.

    Attributes:
        name: of the function that does the work, and fails when a training does.
        service_token: what a custom resource names as its provider.
    """

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:  # noqa: A002
        """Make the functions; what they may do comes with each `TrainedResource`."""
        super().__init__(scope, id)
        # One group for all that happens to the stack's trained resources.
        self.name = f"{cdk.Stack.of(self).stack_name}-Trainer"
        group = LogGroup(self, "Logs", name=f"/aws/lambda/{self.name}", days=config.log_days)

        def handler(id: str, entry: str, name: str | None = None) -> PythonFunction:  # noqa: A002
            return PythonFunction(
                self,
                id,
                package="trained_resource",
                handler=f"handler.{entry}",
                name=name,
                description=f"Trained resources: {entry}",
                architecture_name=config.architecture,
                memory_mb=256,
                timeout_seconds=120,
                log_group=group,
                tracing=config.operations.tracing,
            )

        on_event = handler("OnEvent", "on_event")
        self._is_complete = handler("IsComplete", "is_complete", self.name)
        calls = Permission(
            actions=["lambda:InvokeFunction", "lambda:GetFunction"],
            resources=[on_event.function_arn, self._is_complete.function_arn],
        )
        roles = {
            name: ServiceRole(self, name, service="lambda", permissions=[writes_logs(group), calls])
            for name in ("FrameworkOnEventRole", "FrameworkIsCompleteRole")
        }
        provider = custom_resources.Provider(
            self,
            "Provider",
            on_event_handler=on_event,
            is_complete_handler=self._is_complete,
            query_interval=cdk.Duration.seconds(5),
            total_timeout=cdk.Duration.minutes(58),
            log_group=group,
            framework_on_event_role=roles["FrameworkOnEventRole"].without_policy_updates(),
            framework_complete_and_timeout_role=roles[
                "FrameworkIsCompleteRole"
            ].without_policy_updates(),
        )
        waiter = provider.node.find_child("waiter-state-machine")
        trust = cast(iam.CfnRole, waiter.node.find_child("Role").node.default_child)
        trust.add_property_override(
            "AssumeRolePolicyDocument.Statement.0.Condition",
            {"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
        )
        state_machine = cast(stepfunctions.CfnStateMachine, waiter.node.find_child("Resource"))
        roles["FrameworkOnEventRole"].allow(
            Permission(actions=["states:StartExecution"], resources=[state_machine.attr_arn])
        )
        _acknowledge_framework(provider)
        self.service_token = provider.service_token

    def allow(self, *permissions: Permission) -> None:
        """Let the function that does the work do more; the other only names things."""
        self._is_complete.allow(*permissions)


class TrainedResource(Construct):
    """Something that takes an hour to train: a start, then a chain of waiters.

    The start names it by a hash of the request and the inputs: the same again finds what is
    trained already. A waiter other than the last hands on when its time is over.

    Attributes:
        name_prefix: begins the thing's name.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        trainer: Trainer,
        kind: str,
        name_prefix: str,
        request: Mapping[str, Any],
        inputs: str,
        waits: int,
        permissions: Sequence[Permission],
    ) -> None:
        """Make the resources.

        Args:
            scope: the parent.
            id: the construct's id.
            trainer: the functions that do the work.
            kind: an entry in the trained_resource function's table, such as `TrainingJob`.
            name_prefix: begins the thing's name.
            request: parameters of the call that creates it, all but the name.
            inputs: digest of what it learns from.
            waits: length of the chain of waiters.
            permissions: what it takes to create, describe, stop and delete it.
        """
        super().__init__(scope, id)
        self.name_prefix = name_prefix
        trainer.allow(*permissions)
        start = cdk.CustomResource(
            self,
            "Start",
            service_token=trainer.service_token,
            resource_type="Custom::TrainedStart",
            properties={
                "Kind": kind,
                "NamePrefix": name_prefix,
                "Request": request,
                "Inputs": inputs,
            },
        )
        self._last = start
        for number in range(1, waits + 1):
            wait = cdk.CustomResource(
                self,
                f"Wait{number}",
                service_token=trainer.service_token,
                resource_type="Custom::TrainedWait",
                properties={
                    "Kind": kind,
                    "Arn": start.get_att_string("Arn"),
                    "Seconds": WAIT_MINUTES * 60,
                    "Final": number == waits,
                },
            )
            if number > 1:
                wait.node.add_dependency(self._last)
            self._last = wait

    def attribute(self, name: str) -> str:
        """An attribute of the trained thing, known when the last waiter has seen it ready."""
        return self._last.get_att_string(name)


def _acknowledge_framework(provider: custom_resources.Provider) -> None:
    """What cdk-nag finds in the CDK's own part, of which the Provider lets nothing be changed."""
    waiter = provider.node.find_child("waiter-state-machine")
    acknowledge(
        waiter,
        "Its functions log; logs of its own would leave a policy of the whole account behind",
        "AwsSolutions-SF1",
    )
    acknowledge(
        waiter,
        "It only calls one function until that says it is done",
        "AwsSolutions-SF2",
        "Serverless-StepFunctionStateMachineXray",
    )
    for entry in ("onEvent", "isComplete", "onTimeout"):
        function = cast(lambda_.Function, provider.node.find_child(f"framework-{entry}"))
        acknowledge(
            function,
            "The CDK's own function: it passes a request on and answers CloudFormation",
            "Serverless-LambdaDLQ",
            "Serverless-LambdaTracing",
            "Serverless-LambdaDefaultMemorySize",
        )
        logical_id = cdk.Stack.of(provider).resolve(function.function_arn)["Fn::GetAtt"][0]
        acknowledge(
            waiter.node.find_child("Role"),
            "The versions of one function, granted by the CDK's Provider",
            f"AwsSolutions-IAM5[Resource::<{logical_id}.Arn>:*]",
        )
