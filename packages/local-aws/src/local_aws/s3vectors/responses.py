"""Amazon S3 Vectors over HTTP."""

from collections.abc import Callable
from typing import Any

from moto.core.utils import camelcase_to_underscores, get_service_model

from local_aws.api import LocalResponse
from local_aws.s3vectors.errors import Invalid
from local_aws.s3vectors.models import S3VectorsBackend, s3vectors_backends

_PAYLOAD = 20 << 20  # bytes


class S3VectorsResponse(LocalResponse):
    """One operation after the other is the backend's method of the same name."""

    service = "s3vectors"

    @property
    def backend(self) -> S3VectorsBackend:
        """The backend of the caller's account and region."""
        return s3vectors_backends[self.current_account][self.region]


def _call(operation: str) -> Callable[[S3VectorsResponse], Any]:
    def answer(self: S3VectorsResponse) -> Any:
        if len(self.raw_body) > _PAYLOAD:
            raise Invalid(f"The request's payload must have at most {_PAYLOAD} bytes")
        return getattr(self.backend, operation)(self.params)

    return answer


for _name in map(camelcase_to_underscores, get_service_model("s3vectors").operation_names):
    if hasattr(S3VectorsBackend, _name):
        setattr(S3VectorsResponse, _name, _call(_name))
