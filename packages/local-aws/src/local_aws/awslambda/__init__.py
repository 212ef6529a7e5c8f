"""Lambda: functions that run, behind moto's Lambda API."""

from local_aws.awslambda.outcomes import AsyncOutcome, async_outcome

__all__ = ["AsyncOutcome", "async_outcome", "install"]


def install() -> None:
    """Put this Lambda in the place of moto's."""
    from moto.awslambda.models import lambda_backends

    from local_aws.awslambda.models import LocalLambdaBackend

    lambda_backends.backend = LocalLambdaBackend
