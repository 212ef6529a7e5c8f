"""The function that starts trainings of Amazon Personalize's solutions, and its schedule."""

import aws_cdk as cdk
from constructs import Construct

from stacks.config import Config
from stacks.constructs.log_group import LogGroup
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.roles import updates_own_stack
from stacks.constructs.schedule import Schedule
from stacks.schedule_settings import MANUAL


class PersonalizeTraining(Construct):
    """The function `personalize_training`, which updates its own stack (decision 6).

    Attributes:
        name: the function's name.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        training: cdk.CfnParameter,
    ) -> None:
        """Create the function, and the schedule if there is one.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            training: the parameter that names the training.
        """
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        self.name = config.name("PersonalizeTraining")
        function = PythonFunction(
            self,
            "Function",
            package="personalize_training",
            name=self.name,
            description="Starts trainings of Amazon Personalize's solutions",
            config=config,
            memory_mb=256,
            timeout_seconds=60,
            log_group=LogGroup(self, "Logs", name=f"/aws/lambda/{self.name}", days=config.log_days),
            permissions=updates_own_stack(stack),
            environment={"PARAMETER": training.logical_id, "STACK_NAME": stack.stack_name},
            failures="A run that failed is replaced by the next one; an alarm tells of it",
        )
        cdk.CfnOutput(stack, "TrainingFunctionName", value=function.function_name)
        if config.personalize.schedule != MANUAL:
            Schedule(
                self,
                "Schedule",
                name=self.name,
                description="Starts trainings of Amazon Personalize's solutions",
                expression=config.personalize.schedule,
                function=function,
                event={"scheduled": True},
            )
