"""What the CDK CLI does for every deployment, done in this process: it is quicker than the CLI.

The CLI starts a Python, a Node and a jsii kernel for each synthesis. Tests whose subject is what is
deployed, and not the CLI's commands, spare them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
import boto3
import pytest

import app
from rehearsal.cdk import PROJECT

_BOOTSTRAP: Final = PROJECT / "node_modules/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml"


def bootstrap() -> None:
    """Create the toolkit stack, as `cdk bootstrap` does."""
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName="CDKToolkit",
        TemplateBody=_BOOTSTRAP.read_text("utf-8"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName="CDKToolkit", WaiterConfig={"Delay": 1, "MaxAttempts": 600})


def synthesize(folder: Path, settings: Mapping[str, str], *, deploys: bool = True) -> None:
    """Write the cloud assembly, as `cdk synth` does.

    Args:
        folder: receives the assembly.
        settings: of the deployment.
        deploys: for a command that deploys, for which assets are bundled.
    """
    context: dict[str, Any] = {
        **json.loads((PROJECT / "cdk.json").read_text("utf-8"))["context"],
        "aws:cdk:enable-path-metadata": True,
        "aws:cdk:enable-asset-metadata": True,
        "aws:cdk:disable-version-reporting": True,
        "aws:cdk:bundling-stacks": ["**"] if deploys else [],
        **settings,
    }
    made = cdk.App(
        outdir=str(folder),
        context=context,
        analytics_reporting=False,
        builtin_cloud_formation_validation=False,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_DEFAULT_REGION", boto3.Session().region_name or "")
        app.synthesize(made)
