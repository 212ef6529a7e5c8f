"""CloudFormation as a stack engine: order, progress, replacement, rollback and honest failures."""


def install() -> None:
    """Put our CloudFormation in the place of moto's. Harmless when called again."""
    import moto.cloudformation.models
    from moto.core.config import default_user_config

    from local_aws.cloudformation.models import CloudFormationBackend

    backends = moto.cloudformation.models.cloudformation_backends
    backends.backend = CloudFormationBackend  # type: ignore[assignment]
    # the managed policies of AWS's own that a template's roles attach
    default_user_config["iam"] = {"load_aws_managed_policies": True}
