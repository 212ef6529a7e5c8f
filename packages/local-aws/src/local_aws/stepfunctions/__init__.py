"""Step Functions: moto's interpreter, mended when it is first used.

The interpreter imports moto's Batch and EC2, which take longer than all that a local AWS imports
besides; where no state machine is, it is never imported.
"""

from wrapt import when_imported


def install() -> None:
    """Run state machines, instead of remembering them, by our backend."""
    from moto.core.config import default_user_config

    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    when_imported("moto.stepfunctions.parser.models")(_install)


def _install(_: object) -> None:
    from local_aws.stepfunctions.models import install

    install()
