"""Amazon SQS: moto's, with queues that keep their policies."""

from moto.sqs.models import sqs_backends

from local_aws.sqs.models import LocalSqsBackend


def install() -> None:
    """Replace moto's backend. Harmless when called again."""
    sqs_backends.backend = LocalSqsBackend
