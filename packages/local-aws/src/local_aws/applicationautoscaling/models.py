"""Scalable targets; the scaling itself is not done here."""

import re
from typing import Any, cast

from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.applicationautoscaling.models import ApplicationAutoscalingBackend as MotoBackend
from moto.sagemaker.models import sagemaker_backends

from local_aws.sagemaker.models import SageMakerBackend

_VARIANT = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")


class ApplicationAutoScalingBackend(MotoBackend):
    """moto's backend, which also checks that SageMaker's variants exist."""

    def register_scalable_target(
        self, namespace: str, r_id: str, *arguments: Any, **further: Any
    ) -> Any:
        """Register a target; an error if its endpoint variant does not exist."""
        if namespace == "sagemaker" and not self._is_variant(r_id):
            raise AWSValidationException(f"SageMaker endpoint variant doesn't exist: {r_id}")
        return super().register_scalable_target(namespace, r_id, *arguments, **further)

    def _is_variant(self, resource: str) -> bool:
        match = _VARIANT.fullmatch(resource)
        backend = cast(SageMakerBackend, sagemaker_backends[self.account_id][self.region_name])
        endpoint = backend.hosted.find(match["endpoint"]) if match else None
        return endpoint is not None and match is not None and endpoint.has(match["variant"])
