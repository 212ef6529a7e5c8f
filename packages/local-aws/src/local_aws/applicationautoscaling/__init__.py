"""Application Auto Scaling: moto's bookkeeping, for endpoint variants that exist."""


def install() -> None:
    """Put our backend into moto."""
    import moto.applicationautoscaling.models as moto

    from local_aws.applicationautoscaling.models import ApplicationAutoScalingBackend

    moto.applicationautoscaling_backends.backend = ApplicationAutoScalingBackend
