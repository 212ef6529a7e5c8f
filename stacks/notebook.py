"""The stack of a notebook instance with the notebooks, and its role."""

from pathlib import Path
from shlex import quote
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.config import Config, Notebook
from stacks.constructs.log_group import LogGroup
from stacks.constructs.notebook_role import NotebookRole
from stacks.constructs.private_bucket import Store
from stacks.constructs.roles import Permission, acknowledge, writes_logs

_PROJECT: Final = Path(__file__).resolve().parent.parent
_CODE: Final = ("notebooks", "cost", "outputs.py", "packages")
_PACKAGES: Final = (
    "/packages/*",
    "!/packages/recsys",
    "/packages/recsys/*",
    "!/packages/recsys/src",
)
_ON_START: Final = _PROJECT / "notebooks" / "instance" / "on_start.sh"
_PLATFORM: Final = "notebook-al2023-v1"


class NotebookStack(cdk.Stack):
    """The instance, its start script, its role and its logs."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        notebook: Notebook,
        store: Store,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, description="A notebook instance for the notebooks", **kwargs)
        # A volume's key cannot be changed, so another key requires another instance, which is
        # created under another name before the old one is deleted.
        name = config.name("notebook-kms" if store.key_arn else "notebook")
        log_group = LogGroup(
            self, "Logs", name=f"/aws/sagemaker/NotebookInstances/{name}", days=config.log_days
        )
        code = s3_assets.Asset(
            self,
            "Code",
            path=str(_PROJECT),
            exclude=[
                "/*",
                *(f"!/{each}" for each in _CODE),
                *_PACKAGES,
                "__pycache__",
                ".ipynb_checkpoints",
            ],
            ignore_mode=cdk.IgnoreMode.GIT,
        )
        role = NotebookRole(
            self,
            "Role",
            config=config,
            store=store,
            permissions=[
                writes_logs(log_group),
                Permission(
                    actions=["s3:GetObject"],
                    resources=[code.bucket.arn_for_objects(code.s3_object_key)],
                ),
                Permission(
                    actions=["sagemaker:StopNotebookInstance"],
                    resources=[
                        self.format_arn(
                            service="sagemaker", resource="notebook-instance", resource_name=name
                        )
                    ],
                ),
            ],
        )
        on_start = sagemaker.CfnNotebookInstanceLifecycleConfig(
            self,
            "OnStart",
            on_start=[
                sagemaker.CfnNotebookInstanceLifecycleConfig.NotebookInstanceLifecycleHookProperty(
                    content=cdk.Fn.base64(
                        _script(
                            code.s3_object_url,
                            code.asset_hash[:8],
                            self.region,
                            config.prefix,
                            name,
                            log_group.log_group_name,
                            str(notebook.idle_minutes),
                        )
                    )
                )
            ],
        )
        imds = sagemaker.CfnNotebookInstance.InstanceMetadataServiceConfigurationProperty(
            minimum_instance_metadata_service_version="2"
        )
        instance = sagemaker.CfnNotebookInstance(
            self,
            "Instance",
            notebook_instance_name=name,
            instance_type=notebook.instance_type,
            volume_size_in_gb=notebook.volume_gb,
            role_arn=role.role_arn,
            platform_identifier=_PLATFORM,
            instance_metadata_service_configuration=imds,
            root_access="Disabled",
            direct_internet_access="Enabled",
            kms_key_id=store.key_arn,
            lifecycle_config_name=on_start.attr_notebook_instance_lifecycle_config_name,
        )
        acknowledge(
            instance,
            "It installs packages from their index and calls AWS's public endpoints; a separate "
            "network with a NAT gateway would cost as much as the instance",
            "AwsSolutions-SM1",
            "AwsSolutions-SM3",
        )
        if not store.key_arn:
            acknowledge(
                instance,
                "SageMaker encrypts the volume with its own key by default; the "
                "setting kms provides another",
                "AwsSolutions-SM2",
            )
        cdk.CfnOutput(self, "NotebookInstanceName", value=instance.attr_notebook_instance_name)


def _script(*arguments: str) -> str:
    """The script that SageMaker runs as root; it runs the project's script as the user."""
    words = " ".join(each if cdk.Token.is_unresolved(each) else quote(each) for each in arguments)
    body = _ON_START.read_text("utf-8")
    return f"#!/bin/bash\nsudo -u ec2-user -i bash -eu -s -- {words} <<'END'\n{body}END\n"
