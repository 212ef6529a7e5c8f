"""Amazon S3 Vectors over HTTP."""

from collections.abc import Callable

from local_aws.api import LocalResponse
from local_aws.s3vectors.errors import Invalid
from local_aws.s3vectors.models import Params, S3VectorsBackend, s3vectors_backends

_PAYLOAD = 20 << 20  # bytes


def _call(
    operation: Callable[[S3VectorsBackend], Callable[[Params], Params | None]],
) -> "Callable[[S3VectorsResponse], Params | None]":
    def answer(self: "S3VectorsResponse") -> Params | None:
        if len(self.raw_body) > _PAYLOAD:
            raise Invalid(f"The request's payload must have at most {_PAYLOAD} bytes")
        return operation(self.backend)(self.params)

    return answer


class S3VectorsResponse(LocalResponse):
    """The operations of vector buckets, indexes and vectors."""

    service = "s3vectors"

    @property
    def backend(self) -> S3VectorsBackend:
        """The backend of the caller's account and region."""
        return s3vectors_backends[self.current_account][self.region]

    create_vector_bucket = _call(lambda backend: backend.create_vector_bucket)
    get_vector_bucket = _call(lambda backend: backend.get_vector_bucket)
    delete_vector_bucket = _call(lambda backend: backend.delete_vector_bucket)
    list_vector_buckets = _call(lambda backend: backend.list_vector_buckets)
    create_index = _call(lambda backend: backend.create_index)
    get_index = _call(lambda backend: backend.get_index)
    delete_index = _call(lambda backend: backend.delete_index)
    list_indexes = _call(lambda backend: backend.list_indexes)
    put_vectors = _call(lambda backend: backend.put_vectors)
    get_vectors = _call(lambda backend: backend.get_vectors)
    delete_vectors = _call(lambda backend: backend.delete_vectors)
    list_vectors = _call(lambda backend: backend.list_vectors)
    query_vectors = _call(lambda backend: backend.query_vectors)
    tag_resource = _call(lambda backend: backend.tag_resource)
    untag_resource = _call(lambda backend: backend.untag_resource)
    list_tags_for_resource = _call(lambda backend: backend.list_tags_for_resource)
