"""Amazon SNS: moto's, whose topics call no other function than the one that subscribed."""

from moto.sns.models import sns_backends

from local_aws.sns.models import LocalSnsBackend


def install() -> None:
    """Replace moto's backend. Harmless when called again."""
    sns_backends.backend = LocalSnsBackend
