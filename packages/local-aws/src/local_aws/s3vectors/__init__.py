"""Amazon S3 Vectors: vector buckets, indexes and their vectors, searched exactly.

What AWS does and this does not is refused by name: full-text and hybrid search, index modes other
than the one that new buckets have, policies of vector buckets.
"""


def install() -> None:
    """Put our backends in the place of moto's, which are one for all regions."""
    import moto.s3vectors

    from local_aws.s3vectors.models import s3vectors_backends

    moto.s3vectors.s3vectors_backends = s3vectors_backends  # type: ignore[attr-defined,assignment]
