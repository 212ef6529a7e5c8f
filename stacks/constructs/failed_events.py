"""What becomes of an asynchronous event that its function could not process."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.python_function import PythonFunction
from stacks.constructs.roles import Permission, acknowledge


class FailedEvents(Construct):
    """A dead-letter queue: events that a function failed for good, with its last answer.

    They are kept for 14 days, as long as SQS can.

    Attributes:
        name: of the queue; None where CloudFormation chooses.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        function: PythonFunction,
        max_age: cdk.Duration,
        name: str | None = None,
        key_arn: str | None = None,
    ) -> None:
        """Make the queue, and let the function send to it.

        Args:
            scope: the parent.
            id: the construct's id.
            function: whose events they are.
            max_age: after which an event is not tried again.
            name: of the queue.
            key_arn: what encrypts it; None for SQS's own key.
        """
        super().__init__(scope, id)
        self.name = name
        key = kms.Key.from_key_arn(self, "Key", key_arn) if key_arn else None
        queue = sqs.Queue(
            self,
            "Default",
            queue_name=name,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
            encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
            encryption_master_key=key,
        )
        acknowledge(
            queue,
            "What fails ends here; nothing takes it out that could fail again",
            "AwsSolutions-SQS3",
            "Serverless-SQSRedrivePolicy",
        )
        function.allow(Permission(actions=["sqs:SendMessage"], resources=[queue.queue_arn]))
        if key_arn:
            function.allow(
                Permission(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[key_arn])
            )
        lambda_.EventInvokeConfig(
            self,
            "Tries",
            function=function,
            max_event_age=max_age,
            on_failure=destinations.SqsDestination(queue),
        )
