"""CloudFormation as a stack engine: order, progress, replacement, rollback and honest failures."""


def install() -> None:
    """Put our CloudFormation in the place of moto's. Harmless when called again."""
    import moto.cloudformation.models

    from local_aws.cloudformation.models import CloudFormationBackend

    moto.cloudformation.models.cloudformation_backends.backend = CloudFormationBackend
