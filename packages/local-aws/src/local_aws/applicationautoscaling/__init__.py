"""Application Auto Scaling: moto's bookkeeping, for endpoint variants that exist."""

from typing import Any

from wrapt import when_imported


def install() -> None:
    """Put our backend into moto's when it is first used, for it imports ECS and EC2."""
    when_imported("moto.applicationautoscaling.models")(_replace)


def _replace(moto: Any) -> None:
    from local_aws.applicationautoscaling.models import ApplicationAutoScalingBackend

    moto.applicationautoscaling_backends.backend = ApplicationAutoScalingBackend
