"""CloudFormation as a stack engine: order, progress, replacement, rollback and honest failures."""

import sys
from importlib.util import find_spec, module_from_spec


def install() -> None:
    """Put our CloudFormation in the place of moto's. Harmless when called again.

    moto's own, which imports every service that a template may name, is never run: that would take
    longer than all other imports together. Only its package is made, for submodules such as its
    exceptions.
    """
    import moto
    from moto.core.config import default_user_config

    from local_aws.cloudformation.models import cloudformation_backends

    name = "moto.cloudformation"
    if name not in sys.modules:
        spec = find_spec(name)
        assert spec is not None
        sys.modules[name] = moto.cloudformation = module_from_spec(spec)  # type: ignore[attr-defined]
    moto.cloudformation.cloudformation_backends = cloudformation_backends  # type: ignore[attr-defined]
    # the managed policies of AWS's own that a template's roles attach
    default_user_config["iam"] = {"load_aws_managed_policies": True}
