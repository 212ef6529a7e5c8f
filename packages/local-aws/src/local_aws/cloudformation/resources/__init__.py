"""The resource types of the stack engine, one module per service.

A new type is a `Handler` with its supported properties, listed in its module's HANDLERS.
Replacement, required properties and attributes of Fn::GetAtt come from CloudFormation's own
schemas.
"""

from local_aws.cloudformation.resources import (
    apigatewayv2,
    applicationautoscaling,
    awslambda,
    budgets,
    cdk,
    cloudwatch,
    custom,
    dynamodb,
    ecr,
    emrserverless,
    events,
    glue,
    iam,
    kms,
    logs,
    personalize,
    s3,
    s3vectors,
    sagemaker,
    scheduler,
    sns,
    sqs,
    ssm,
    stacks,
    stepfunctions,
)
from local_aws.cloudformation.resources.base import Handler as Handler
from local_aws.cloudformation.template import is_custom

_MODULES = (
    apigatewayv2,
    applicationautoscaling,
    awslambda,
    budgets,
    cdk,
    cloudwatch,
    custom,
    dynamodb,
    ecr,
    emrserverless,
    events,
    glue,
    iam,
    kms,
    logs,
    personalize,
    s3,
    s3vectors,
    sagemaker,
    scheduler,
    sns,
    sqs,
    ssm,
    stacks,
    stepfunctions,
)
_HANDLERS: dict[str, Handler] = {
    handler.type: handler() for module in _MODULES for handler in module.HANDLERS
}


def find(resource_type: str) -> Handler | None:
    """The handler of a resource type, or None if the type is not supported."""
    if is_custom(resource_type):
        return _HANDLERS[custom.CustomResource.type]
    return _HANDLERS.get(resource_type)
