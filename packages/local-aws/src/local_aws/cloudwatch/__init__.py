"""CloudWatch: moto's, with alarms that look at their metrics, and our services' metrics."""


def install() -> None:
    """Put our backend into moto."""
    import moto.cloudwatch.models as moto

    from local_aws.cloudwatch.models import CloudWatchBackend

    moto.cloudwatch_backends.backend = CloudWatchBackend
