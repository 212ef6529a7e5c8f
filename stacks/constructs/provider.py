"""Functions behind custom resources that take long: ours within the CDK's Provider."""

from collections.abc import Mapping, Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as stepfunctions
from aws_cdk import custom_resources
from constructs import Construct

from stacks.config import Config
from stacks.constructs.log_group import LogGroup
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.roles import Permission, ServiceRole, acknowledge, writes_logs


class Provider(Construct):
    """A package's `on_event`, which names things, and `is_complete`, which does the work.

    Attributes:
        name: of the function that does the work, and fails when that does.
        service_token: what a custom resource names as its provider.
        code_digest: of the functions' code.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        package: str,
        description: str,
        memory_mb: int = 256,
        timeout_seconds: int = 120,
        layers: Sequence[lambda_.LayerVersion] = (),
        environment: Mapping[str, str] | None = None,
        bundles: Sequence[str] = (),
    ) -> None:
        """Make the functions; what they may do comes by `allow`.

        Args:
            scope: the parent.
            id: the construct's id, which ends the name too.
            config: the deployment's settings.
            package: folder under lambdas/.
            description: what they are for.
            memory_mb: their memory.
            timeout_seconds: the longest that one call may take.
            layers: their layers.
            bundles: modules of recsys that their code takes along.
            environment: their variables.
        """
        super().__init__(scope, id)
        # One group for all that happens to the resources.
        self.name = f"{cdk.Stack.of(self).stack_name}-{id}"
        group = LogGroup(self, "Logs", name=f"/aws/lambda/{self.name}", days=config.log_days)

        def handler(id: str, entry: str, name: str | None = None) -> PythonFunction:  # noqa: A002
            return PythonFunction(
                self,
                id,
                package=package,
                handler=f"handler.{entry}",
                name=name,
                description=f"{description}: {entry}",
                architecture_name=config.architecture,
                memory_mb=memory_mb,
                timeout_seconds=timeout_seconds,
                log_group=group,
                layers=layers,
                bundles=bundles,
                environment=environment,
                tracing=config.operations.tracing,
            )

        on_event = handler("OnEvent", "on_event")
        self._is_complete = handler("IsComplete", "is_complete", self.name)
        self.code_digest = self._is_complete.code_digest
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
