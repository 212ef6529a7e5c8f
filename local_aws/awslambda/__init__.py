"""Lambda: functions that run, behind moto's Lambda API."""


def install() -> None:
    """Put this Lambda in the place of moto's."""
    from moto.awslambda.models import lambda_backends

    from local_aws.awslambda import waiter
    from local_aws.awslambda.models import LocalLambdaBackend

    lambda_backends.backend = LocalLambdaBackend
    waiter.install()
