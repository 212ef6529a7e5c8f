"""SageMaker's data plane: InvokeEndpoint, answered by the endpoint's own process."""


def install() -> None:
    """Put our backend into moto."""
    import moto.sagemakerruntime.models

    from local_aws.sagemakerruntime.models import SageMakerRuntimeBackend

    moto.sagemakerruntime.models.sagemakerruntime_backends.backend = SageMakerRuntimeBackend
