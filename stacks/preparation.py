"""The stack that prepares ratings in a bucket by Spark, for data larger than one machine."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_emrserverless as emrserverless
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.config import Config
from stacks.constructs.archive import Archive, Files, of_recsys
from stacks.constructs.log_group import LogGroup
from stacks.constructs.private_bucket import Store
from stacks.constructs.roles import Permission, ServiceRole
from stacks.constructs.trained_resource import TrainedResource, Trainer

RELEASE: Final = "emr-7.9.0"
"""Of EMR Serverless, with Spark 3.5.5: `requirements-spark.in` has the same."""

OUTPUT: Final = "prepared/"
"""Prefix of what jobs write; each writes below a hash of its source, settings and code."""

SIZES: Final = "SourceBytes"
"""The template's metadata from which `cost` estimates the job."""

_PROJECT: Final = Path(__file__).resolve().parents[1]
_MODULES: Final = (
    "recsys/__init__.py",
    "recsys/fields.py",
    "recsys/hashing.py",
    "recsys/text.py",
    "recsys/spark/*.py",
)
_ENTRY: Final = _PROJECT / "scripts" / "spark" / "prepare.py"
_IDLE_MINUTES: Final = 1  # after which the application stops; workers are released before
_SMALL: Final = 4 << 20  # bytes of a source for which optimized code costs more than it saves
_WORKER_VCPUS: Final = 4  # EMR Serverless's default worker, with 16 GB and 20 GB of disk
_OURS: Final = "The service gives applications and job runs their IDs"


def _zip(archive: Path, files: Files) -> None:
    with zipfile.ZipFile(archive, "w") as packed:
        for name, path in sorted(files.items()):
            packed.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)


def _compiling(sizes: Mapping[str, int]) -> list[str]:
    """Options for a small source: no C2, Java's second compiler, which takes much of its time."""
    if sum(sizes.values()) > _SMALL:
        return []
    option = "extraJavaOptions=-XX:TieredStopAtLevel=1"
    return [f"--conf spark.{kind}.{option}" for kind in ("driver", "executor")]


class PreparationStack(cdk.Stack):
    """An application of EMR Serverless, and the job that prepares the source.

    Attributes:
        output: the prefix of what the job writes, which is there once the stack is.
        lists: the prefix of what DynamoDB imports, a list for every user; None without a table.
        digest: of all that `output` depends on.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, description="Preparation of data in a bucket", **kwargs)
        assert config.source
        source, name = config.source, config.name("preparation")
        self.template_options.metadata = {SIZES: source.sizes}
        arm = config.architecture == "arm64"
        application = emrserverless.CfnApplication(
            self,
            "Application",
            name=name,
            type="SPARK",
            release_label=RELEASE,
            architecture="ARM64" if arm else "X86_64",
            auto_start_configuration=emrserverless.CfnApplication.AutoStartConfigurationProperty(
                enabled=True
            ),
            auto_stop_configuration=emrserverless.CfnApplication.AutoStopConfigurationProperty(
                enabled=True, idle_timeout_minutes=_IDLE_MINUTES
            ),
            maximum_capacity=emrserverless.CfnApplication.MaximumAllowedResourcesProperty(
                cpu=f"{source.max_vcpus} vCPU",
                memory=f"{4 * source.max_vcpus} GB",
                disk=f"{20 * source.max_vcpus // _WORKER_VCPUS} GB",
            ),
        )
        entry = s3_assets.Asset(self, "Entry", path=str(_ENTRY))
        modules = Archive(
            self,
            "Modules",
            folder=_ENTRY.parent,
            files=of_recsys(_MODULES),
            name="recsys.zip",
            pack=_zip,
        )
        arguments = {
            "--source": source.uri,
            "--columns": source.columns,
            "--most-bad": str(source.most_bad / 100),
            "--lists": str(source.lists or ""),
        }
        options = [text for pair in arguments.items() if pair[1] for text in pair]
        options += ["--table"] if source.table else []
        inputs = [options, RELEASE, source.digest, entry.asset_hash, modules.asset_hash]
        self.digest = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
        # Not the job's attribute: another stack could not import it, once it changes
        self.output = f"{OUTPUT}{self.digest[:16]}/"
        self.lists = f"{self.output}table/" if source.table else None
        logs = LogGroup(self, "Logs", name=f"/aws/emr-serverless/{name}", days=config.log_days)
        role = self._role(config, store, logs, entry, modules)
        trainer = self._trainer(config, store)
        TrainedResource(
            self,
            "Job",
            trainer=trainer,
            kind="JobRun",
            name_prefix=name,
            request={
                "applicationId": application.attr_application_id,
                "executionRoleArn": role.role_arn,
                "executionTimeoutMinutes": config.training.max_minutes,
                "jobDriver": {
                    "sparkSubmit": {
                        "entryPoint": entry.s3_object_url,
                        "entryPointArguments": [
                            *options,
                            "--out",
                            f"s3://{store.bucket_name}/{self.output}",
                        ],
                        "sparkSubmitParameters": " ".join(
                            [f"--py-files {modules.s3_object_url}", *_compiling(source.sizes)]
                        ),
                    }
                },
                "configurationOverrides": {
                    "monitoringConfiguration": {
                        "cloudWatchLoggingConfiguration": {
                            "enabled": True,
                            "logGroupName": logs.log_group_name,
                        },
                        "managedPersistenceMonitoringConfiguration": {"enabled": False},
                    }
                },
            },
            inputs=source.digest,
            waits=config.training.waits,
            role=role,
        )
        cdk.CfnOutput(self, "PreparedPrefix", value=self.output)
        if source.lists:
            uri = f"s3://{store.bucket_name}/{self.output}lists/"
            cdk.CfnOutput(self, "ListsForAllUsers", value=uri)
        cdk.CfnOutput(self, "ApplicationId", value=application.attr_application_id)

    def _role(
        self,
        config: Config,
        store: Store,
        logs: LogGroup,
        entry: s3_assets.Asset,
        modules: s3_assets.Asset,
    ) -> ServiceRole:
        """The role of the job: it reads the source and writes below `OUTPUT`."""
        assert config.source
        bucket = f"arn:{cdk.Aws.PARTITION}:s3:::{config.source.bucket}"
        prefix = config.source.prefix
        return ServiceRole(
            self,
            "JobRole",
            service="emr-serverless",
            permissions=[
                Permission(actions=["s3:ListBucket"], resources=[bucket]),
                Permission(
                    actions=["s3:GetObject"],
                    # Spark also asks whether the prefix itself is an object
                    resources=[
                        f"{bucket}/{prefix}*",
                        *([f"{bucket}/{prefix[:-1]}"] if prefix else []),
                    ],
                    wildcard="The source's objects, of which nothing here knows the names",
                ),
                Permission(
                    actions=["s3:GetObject"],
                    resources=[
                        asset.bucket.arn_for_objects(asset.s3_object_key)
                        for asset in (entry, modules)
                    ],
                ),
                # The whole bucket: without it, S3 does not tell that a key does not exist
                *store.lists(),
                *store.reads(f"{OUTPUT}*"),
                *store.writes(f"{OUTPUT}*"),
                *store.deletes(f"{OUTPUT}*"),
                # Documented for logging to CloudWatch Logs
                Permission(
                    actions=["logs:DescribeLogGroups"],
                    resources=["*"],
                    wildcard="The action lists groups",
                ),
                Permission(
                    actions=[
                        "logs:CreateLogStream",
                        "logs:DescribeLogStreams",
                        "logs:PutLogEvents",
                    ],
                    resources=[logs.log_group_arn],
                ),
            ],
        )

    def _trainer(self, config: Config, store: Store) -> Trainer:
        """The functions that run jobs.

        Their permissions do not name the application: after a replacement, they still have to
        remove what the one before has left.
        """
        applications = self.format_arn(
            service="emr-serverless", resource="/applications", resource_name="*"
        )
        return Trainer(
            self,
            "Trainer",
            config=config,
            permissions=[
                Permission(
                    actions=[
                        f"emr-serverless:{action}"
                        for action in (
                            "StartJobRun",
                            "ListJobRuns",
                            "GetJobRun",
                            "CancelJobRun",
                            "GetApplication",
                            "StopApplication",
                        )
                    ],
                    resources=[applications],
                    wildcard=_OURS,
                ),
                *store.lists(f"{OUTPUT}*"),
                *store.deletes(f"{OUTPUT}*"),
            ],
        )
