"""The data plane holds nothing: the endpoints are the control plane's."""

from moto.core.base_backend import BaseBackend


class SageMakerRuntimeBackend(BaseBackend):
    """Where moto finds this service's addresses."""
