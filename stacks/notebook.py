"""A notebook instance with the notebooks on it, and a role that may do what they do."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.config import Config, Notebook
from stacks.constructs.log_group import LogGroup
from stacks.constructs.private_bucket import Store
from stacks.constructs.roles import Permission, ServiceRole, acknowledge, all_of, writes_logs
from stacks.prepared_data import KEYS, MACHINE_KEYS, PERSONALIZE

_PROJECT: Final = Path(__file__).resolve().parent.parent
_CODE: Final = ("notebooks", "recsys", "cost")
_ON_START: Final = _PROJECT / "notebooks" / "instance" / "on_start.sh"
_PLATFORM: Final = "notebook-al2023-v1"
_STACK_NAME: Final = 25  # characters of it that a role's generated name keeps at least

_DEPLOYMENTS: Final = "What the deployment made; its names begin with the prefix"
_OWN: Final = "What the notebooks make, and delete; its names begin with the prefix"
_NO_RESOURCES: Final = "The action knows no resources"
_LISTS: Final = "The notebooks count what an account holds, and so list all of a kind"
_TRACKERS: Final = "An event tracker's ARN ends in an id that Amazon Personalize gives it"


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
        # A volume keeps its key, so that another key takes another instance: made under another
        # name before the old one goes.
        name = config.name("notebook-kms" if store.key_arn else "notebook")
        log_group = LogGroup(
            self, "Logs", name=f"/aws/sagemaker/NotebookInstances/{name}", days=config.log_days
        )
        code = s3_assets.Asset(
            self,
            "Code",
            path=str(_PROJECT),
            exclude=["/*", *(f"!/{each}" for each in _CODE), "__pycache__", ".ipynb_checkpoints"],
            ignore_mode=cdk.IgnoreMode.GIT,
        )
        role = ServiceRole(
            self,
            "Role",
            service="sagemaker",
            source_arn=all_of(self, "sagemaker"),
            permissions=[
                writes_logs(log_group),
                Permission(
                    actions=["s3:GetObject"],
                    resources=[code.bucket.arn_for_objects(code.s3_object_key)],
                ),
                Permission(
                    actions=["sagemaker:StopNotebookInstance"],
                    resources=[self._arn("sagemaker", "notebook-instance", name)],
                ),
                *self._what_the_notebooks_do(config, store),
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
            "It installs its packages from their index and asks AWS by its public addresses; a "
            "network of its own with a NAT gateway would cost as much again as the instance",
            "AwsSolutions-SM1",
            "AwsSolutions-SM3",
        )
        if not store.key_arn:
            acknowledge(
                instance,
                "SageMaker encrypts the volume with a key of its own where none is named; the "
                "setting kms names one",
                "AwsSolutions-SM2",
            )
        cdk.CfnOutput(self, "NotebookInstanceName", value=instance.attr_notebook_instance_name)

    def _what_the_notebooks_do(self, config: Config, store: Store) -> Iterator[Permission]:
        """What notebooks/*.ipynb ask of AWS, service by service."""
        ours, made = f"{config.prefix}-*", f"{config.prefix}-*notebook-*"
        yield self._lists()
        yield self._on("cloudformation", ["GetTemplate"], ["stack"], f"{ours}/*")
        batch = f"{PERSONALIZE}/batch/notebook/*"
        # without s3:prefix, for a file that is missing shall be told so
        yield Permission(actions=["s3:ListBucket"], resources=[store.bucket_arn])
        yield from store.reads(f"{KEYS}/*", f"{PERSONALIZE}/*")
        if "factorization_machines" in config.engines:
            yield from store.reads(f"{MACHINE_KEYS}/input/*")
        yield from store.writes(batch)
        yield from store.deletes(batch)
        yield Permission(
            actions=["lambda:InvokeFunction"],
            resources=[
                self.format_arn(
                    service="lambda",
                    resource="function",
                    resource_name=config.name(name),
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
                for name in ("Recommendation_Engine_Object2Vec", "Movie_Retrieval_Object2Vec")
            ],
        )
        yield from self._trains_and_serves(config, ours, made)
        if config.personalize.groups:
            yield from self._personalizes(config, ours, f"{config.prefix}-notebook-*")

    def _lists(self) -> Permission:
        """To see what there is."""
        return Permission(
            actions=[
                "cloudformation:DescribeStacks",
                "iam:ListRoles",
                "lambda:ListFunctions",
                "logs:DescribeLogGroups",
                "s3:ListAllMyBuckets",
                "sagemaker:ListEndpointConfigs",
                "sagemaker:ListEndpoints",
                "sagemaker:ListModels",
                "sagemaker:ListNotebookInstances",
                "sagemaker:ListTrainingJobs",
                "states:ListStateMachines",
                "personalize:ListCampaigns",
                "personalize:ListDatasetGroups",
                "personalize:ListDatasets",
                "personalize:ListFilters",
                "personalize:ListRecommenders",
                "personalize:ListSchemas",
                "personalize:ListSolutions",
            ],
            resources=["*"],
            wildcard=_LISTS,
        )

    def _trains_and_serves(self, config: Config, ours: str, made: str) -> Iterator[Permission]:
        """To train and serve as the deployment does, by its roles, under names of one's own."""
        hosting = ["endpoint", "endpoint-config", "model"]
        yield self._on("sagemaker", ["DescribeTrainingJob"], ["training-job"], ours)
        yield self._on(
            "sagemaker", ["CreateTrainingJob", "DeleteTrainingJob"], ["training-job"], made, _OWN
        )
        yield self._on(
            "sagemaker",
            ["DescribeEndpoint", "DescribeEndpointConfig", "DescribeModel", "InvokeEndpoint"],
            hosting,
            ours,
        )
        yield self._on(
            "sagemaker",
            [
                f"{verb}{what}"
                for verb in ("Create", "Delete")
                for what in ("Endpoint", "EndpointConfig", "Model")
            ],
            hosting,
            made,
            _OWN,
        )
        engines = ["".join(map(str.capitalize, name.split("_"))) for name in config.engines]
        yield self._passes(config, "sagemaker", "Object2Vec", *engines)
        jobs = "/aws/sagemaker/TrainingJobs"
        yield self._on_logs(["DescribeLogStreams", "FilterLogEvents"], f"{jobs}:*")
        yield self._on_logs(
            ["DeleteLogStream"],
            f"{jobs}:log-stream:{made}",
        )
        yield self._on_logs(["DeleteLogGroup"], f"/aws/sagemaker/Endpoints/{made}")

    def _personalizes(self, config: Config, ours: str, made: str) -> Iterator[Permission]:
        """To go from an import to lists for everybody, and to ask what the deployment serves."""
        kinds = [
            "batch-inference-job",
            "campaign",
            "dataset",
            "dataset-group",
            "dataset-import-job",
            "filter",
            "schema",
            "solution",
        ]
        yield self._on(
            "personalize",
            [
                "CreateBatchInferenceJob",
                "CreateDatasetImportJob",
                "CreateEventTracker",  # takes permission on the group too
                "CreateSolutionVersion",
                *(
                    f"{verb}{kind}"
                    for verb in ("Create", "Delete")
                    for kind in (
                        "Campaign",
                        "Dataset",
                        "DatasetGroup",
                        "Filter",
                        "Schema",
                        "Solution",
                    )
                ),
            ],
            kinds,
            made,
            _OWN,
        )
        yield self._on(
            "personalize",
            [
                *(
                    f"Describe{kind}"
                    for kind in (
                        "BatchInferenceJob",
                        "Campaign",
                        "Dataset",
                        "DatasetGroup",
                        "DatasetImportJob",
                        "Filter",
                        "Recommender",
                        "Solution",
                        "SolutionVersion",
                    )
                ),
                "GetPersonalizedRanking",
                "GetRecommendations",
                "GetSolutionMetrics",
            ],
            [*kinds, "recommender"],
            ours,
        )
        yield self._on(
            "personalize",
            ["CreateEventTracker", "DeleteEventTracker", "DescribeEventTracker"],
            ["event-tracker"],
            "*",
            _TRACKERS,
        )
        yield Permission(actions=["personalize:PutEvents"], resources=["*"], wildcard=_NO_RESOURCES)
        yield self._passes(config, "personalize", "Personalize")

    def _passes(self, config: Config, service: str, *stacks: str) -> Permission:
        """To let a service work by other stacks' roles, whose names CloudFormation makes."""
        return Permission(
            actions=["iam:PassRole"],
            resources=[
                self.format_arn(
                    service="iam",
                    region="",
                    resource="role",
                    resource_name=f"{config.name(stack)[:_STACK_NAME]}*",
                )
                for stack in stacks
            ],
            conditions={"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}},
            wildcard="Only the service that each role trusts can use it, and for its own part",
        )

    def _on(
        self,
        service: str,
        actions: Sequence[str],
        kinds: Sequence[str],
        names: str,
        reason: str = _DEPLOYMENTS,
    ) -> Permission:
        return Permission(
            actions=[f"{service}:{action}" for action in actions],
            resources=[self._arn(service, kind, names) for kind in kinds],
            wildcard=reason,
        )

    def _on_logs(self, actions: Sequence[str], group: str) -> Permission:
        return Permission(
            actions=[f"logs:{action}" for action in actions],
            resources=[
                self.format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=group,
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
            wildcard="One group's streams, or those whose names tell that a notebook made them",
        )

    def _arn(self, service: str, kind: str, name: str) -> str:
        return self.format_arn(service=service, resource=kind, resource_name=name)


def _script(*arguments: str) -> str:
    """The script that SageMaker runs as root: ours, as the user whose notebooks they are."""
    words = " ".join(each if cdk.Token.is_unresolved(each) else quote(each) for each in arguments)
    body = _ON_START.read_text("utf-8")
    return f"#!/bin/bash\nsudo -u ec2-user -i bash -eu -s -- {words} <<'END'\n{body}END\n"
