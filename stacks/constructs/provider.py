"""Functions behind long-running custom resources, with the CDK's Provider."""

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
    """A package's `on_event`, which names resources, and `is_complete`, which does the work.

    Attributes:
        name: the name of the function that does the work and reports its failures.
        service_token: the service token for custom resources.
        code_digest: digest of the functions' code.
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
        """Create the functions; `allow` adds permissions.

        Args:
            scope: the parent.
            id: the construct's id, which is also the last part of the name.
            config: the deployment's settings.
            package: folder under lambdas/.
            description: the functions' description.
            memory_mb: memory in MB.
            timeout_seconds: the timeout of one call.
            layers: their layers.
            bundles: modules of recsys to bundle with their code.
            environment: their environment variables.
        """
        super().__init__(scope, id)
        # One log group for all events of the resources.
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
                config=config,
                memory_mb=memory_mb,
                timeout_seconds=timeout_seconds,
                log_group=group,
                layers=layers,
                bundles=bundles,
                environment=environment,
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
        """Add permissions to the function that does the work; the other one needs none."""
        self._is_complete.allow(*permissions)


def _acknowledge_framework(provider: custom_resources.Provider) -> None:
    """Acknowledge cdk-nag's findings in the CDK's Provider, which cannot be configured."""
    waiter = provider.node.find_child("waiter-state-machine")
    acknowledge(
        waiter,
        "Its functions log; its own logs would leave an account-wide policy behind",
        "AwsSolutions-SF1",
    )
    acknowledge(
        waiter,
        "It only calls one function until it reports completion",
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
