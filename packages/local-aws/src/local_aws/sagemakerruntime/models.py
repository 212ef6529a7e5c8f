"""The data plane's backend, which is empty: endpoints belong to the control plane."""

from moto.core.base_backend import BaseBackend


class SageMakerRuntimeBackend(BaseBackend):
    """The service's URLs for moto."""
