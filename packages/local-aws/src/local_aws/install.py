"""Puts our services into moto, in its own shape: its server and `mock_aws` both use them."""

from local_aws import (
    apigatewayv2,
    applicationautoscaling,
    awslambda,
    cloudformation,
    cloudwatch,
    eventbridge,
    iam,
    logs,
    personalize,
    s3,
    s3vectors,
    sagemaker,
    sagemakerruntime,
    sns,
    sqs,
    stepfunctions,
    sts,
)


def install() -> None:
    """Replace the backends that moto lacks or fakes. Harmless when called again."""
    apigatewayv2.install()
    applicationautoscaling.install()
    awslambda.install()
    cloudformation.install()
    cloudwatch.install()
    eventbridge.install()
    iam.install()
    logs.install()
    personalize.install()
    s3.install()
    s3vectors.install()
    sagemaker.install()
    sagemakerruntime.install()
    sns.install()
    sqs.install()
    stepfunctions.install()
    sts.install()
