"""Puts our services into moto, in its own shape: its server and `mock_aws` both use them."""

from moto.core.config import default_user_config

from local_aws import (
    applicationautoscaling,
    awslambda,
    cloudformation,
    personalize,
    sagemaker,
    sagemakerruntime,
)


def install() -> None:
    """Replace the backends that moto lacks or fakes. Harmless when called again."""
    # the Provider framework's waiter is a state machine: it has to run, not to be remembered
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    applicationautoscaling.install()
    awslambda.install()
    cloudformation.install()
    personalize.install()
    sagemaker.install()
    sagemakerruntime.install()
