"""The function that starts a retraining of the lists, and its schedule."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.config import Config
from stacks.constructs.log_group import LogGroup
from stacks.constructs.private_bucket import Store
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.roles import Permission, updates_own_stack
from stacks.constructs.schedule import Schedule
from stacks.retrain_settings import Retrain

GENERATIONS: Final = "lists/generations/"
"""The prefix of the data and the reports of generations."""


class Retraining(Construct):
    """The function `retraining`, which gathers events and updates its own stack (decision 21).

    Attributes:
        name: the function's name.
        trainer: the name of the function that trains and judges the new model.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        settings: Retrain,
        store: Store,
        table: dynamodb.Table,
        generation: cdk.CfnParameter,
        catalogue: str,
        layer: lambda_.LayerVersion,
        memory_mb: int,
        trainer: str,
    ) -> None:
        """Create the function, and the schedule if there is one.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            settings: the settings of retraining.
            store: the bucket.
            table: the histories.
            generation: the parameter that chooses what the lists learn from.
            catalogue: the key of catalogue.json.
            layer: numpy's.
            memory_mb: memory in MB.
            trainer: the name of the function that trains.
        """
        super().__init__(scope, id)
        self.trainer = trainer
        stack = cdk.Stack.of(self)
        self.name = config.name("Retraining")
        objects = f"{GENERATIONS}*"
        function = PythonFunction(
            self,
            "Function",
            package="retraining",
            name=self.name,
            description="Gathers events and lets the lists learn from them",
            config=config,
            memory_mb=memory_mb,
            timeout_seconds=900,
            log_group=LogGroup(self, "Logs", name=f"/aws/lambda/{self.name}", days=config.log_days),
            permissions=[
                Permission(actions=["dynamodb:Scan"], resources=[table.table_arn]),
                *store.lists(objects),
                *store.reads(catalogue, objects),
                *store.writes(objects),
                *store.deletes(objects),
                *updates_own_stack(stack),
            ],
            environment={
                "BUCKET_NAME": store.bucket_name,
                "CATALOGUE_KEY": catalogue,
                "GENERATIONS": GENERATIONS,
                "PARAMETER": generation.logical_id,
                "STACK_NAME": stack.stack_name,
                "TABLE_NAME": table.table_name,
            },
            layers=[layer],
            failures="A run that failed is replaced by the next one; an alarm tells of it",
        )
        cdk.CfnOutput(stack, "RetrainingFunctionName", value=function.function_name)
        if settings.schedule:
            Schedule(
                self,
                "Schedule",
                name=self.name,
                description="Starts a retraining of the lists",
                expression=settings.schedule,
                function=function,
                event={"scheduled": True},
            )
