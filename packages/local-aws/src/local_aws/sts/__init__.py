"""Sessions of roles: trust checked, and what each may do remembered."""


def install() -> None:
    """Put our STS in the place of moto's. Harmless when called again."""
    from moto.sts.models import sts_backends

    from local_aws.sts.models import LocalSTSBackend

    sts_backends.backend = LocalSTSBackend
