"""SageMaker's data plane: InvokeEndpoint, answered by the endpoint's own process."""

from typing import Any

from moto.core.base_backend import BackendDict


def install() -> None:
    """Put our backend into moto."""
    import moto.sagemakerruntime.models

    from local_aws.sagemakerruntime.models import SageMakerRuntimeBackend

    backends: BackendDict[Any] = moto.sagemakerruntime.models.sagemakerruntime_backends
    backends.backend = SageMakerRuntimeBackend
