"""The resource types that the stack engine knows, one module a service."""

from local_aws.cloudformation.resources import cdk, iam, logs, s3, ssm
from local_aws.cloudformation.resources.base import Handler as Handler

_HANDLERS: dict[str, Handler] = {
    handler.type: handler() for module in (cdk, iam, logs, s3, ssm) for handler in module.HANDLERS
}


def find(resource_type: str) -> Handler | None:
    """The handler of a resource type, or None where the local AWS has none."""
    return _HANDLERS.get(resource_type)
