"""The stack with the bucket of prepared data."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_s3_deployment as s3_deployment
from constructs import Construct

from stacks.config import Config
from stacks.constructs.log_group import LogGroup
from stacks.constructs.private_bucket import PrivateBucket, Store
from stacks.constructs.retraining import GENERATIONS
from stacks.constructs.roles import (
    Permission,
    ServiceRole,
    acknowledge,
    admit_alarms,
    all_of,
    writes_logs,
)
from stacks.constructs.transform import PAIRS
from stacks.prepared_data import Keys, PreparedData


class DataStack(cdk.Stack):
    """The bucket with the prepared data.

    Attributes:
        store: permissions on the bucket for other stacks. They import only its name and its key,
            which exist as long as the stack.
    """

    def __init__(self, scope: Construct, id: str, *, config: Config, **kwargs: Any) -> None:  # noqa: A002
        super().__init__(scope, id, description="The bucket with the ratings", **kwargs)
        key = kms.Key(self, "Key", enable_key_rotation=True) if config.kms else None
        bucket = PrivateBucket(
            self, "Bucket", key=key, logs_of_emptying=self._logs("EmptyBucket", config)
        )
        if config.files:
            self._upload(bucket, key, config.files, config)
        if config.personalize.groups:
            self._admit_personalize(bucket, key, config)
        if key and config.operations.told:
            admit_alarms(key)
        if key and config.neighbours == "s3vectors":
            self._admit_s3_vectors(key)

        name_export = f"{self.stack_name}-BucketName"
        cdk.CfnOutput(self, "BucketName", value=bucket.bucket_name, export_name=name_export)
        if config.files:
            self._tell_keys(config.files.keys)
        bucket_name = cdk.Fn.import_value(name_export)
        key_arn = None
        if key:
            key_export = f"{self.stack_name}-KeyArn"
            cdk.CfnOutput(self, "KeyArn", value=key.key_arn, export_name=key_export)
            key_arn = cdk.Fn.import_value(key_export)
        self.store = Store(
            bucket_name=bucket_name,
            bucket_arn=f"arn:{cdk.Aws.PARTITION}:s3:::{bucket_name}",
            key_arn=key_arn,
        )

    def _tell_keys(self, keys: Keys) -> None:
        """Outputs with the places of the prepared data."""
        for output, value in (
            ("CatalogueKey", keys.catalogue),
            ("RatingsKey", keys.ratings),
            ("HeldOutKey", keys.held_out),
            *(
                [("ValidationKey", keys.input["rating"]["validation"])]
                if "rating" in keys.input
                else []
            ),
            ("IdsKey", keys.ids),
            ("EmbeddingsPrefix", keys.embeddings),
        ):
            cdk.CfnOutput(self, output, value=value)

    def _upload(
        self, bucket: PrivateBucket, key: kms.Key | None, files: PreparedData, config: Config
    ) -> None:
        """Upload the prepared data, and delete objects that are no longer part of it."""
        own = Store(
            bucket_name=bucket.bucket_name,
            bucket_arn=bucket.bucket_arn,
            key_arn=key.key_arn if key else None,
        )
        content = s3_assets.Asset(
            self, "Content", path=str(files.folder), exclude=list(config.left_out)
        )
        log_group = self._logs("Upload", config)
        role = ServiceRole(
            self,
            "UploadRole",
            service="lambda",
            permissions=[
                writes_logs(log_group),
                # not only this one: a change of the role would hold too late for the upload
                Permission(
                    actions=["s3:GetObject"],
                    resources=[content.bucket.arn_for_objects("*.zip")],
                    wildcard="The archives that the CDK uploads; each version of the data is one",
                ),
                *own.lists("*"),
                *own.writes("*"),
                *own.deletes("*"),
            ],
        )
        memory_mb, disk = _upload_size(config.upload)
        s3_deployment.BucketDeployment(
            self,
            "Upload",
            sources=[s3_deployment.Source.bucket(content.bucket, content.s3_object_key)],
            destination_bucket=bucket,
            role=role.without_policy_updates(),
            log_group=log_group,
            memory_limit=memory_mb,
            ephemeral_storage_size=disk,
            prune=True,
            exclude=_written_by_others(files.keys),
        )
        for child in self.node.children:
            if child.node.id.startswith("Custom::CDKBucketDeployment"):
                acknowledge(
                    child,
                    "The CDK's own function, called by CloudFormation alone, in the runtime that "
                    "it is tested with",
                    "AwsSolutions-L1",
                    "Serverless-LambdaLatestVersion",
                    "Serverless-LambdaDLQ",
                    "Serverless-LambdaTracing",
                )

    def _admit_personalize(
        self, bucket: PrivateBucket, key: kms.Key | None, config: Config
    ) -> None:
        """Allow Amazon Personalize to access its part of the bucket, for jobs of this account only.

        The service requires a bucket policy in addition to the permissions of a job's role.
        """
        keys = config.data.keys
        objects = {"s3:GetObject": bucket.arn_for_objects(f"{keys.personalize}*")}
        if config.personalize.batch:
            objects["s3:PutObject"] = bucket.arn_for_objects(f"{keys.batch}*")
        conditions = {
            "StringEquals": {"aws:SourceAccount": self.account},
            "ArnLike": {"aws:SourceArn": all_of(self, "personalize")},
        }
        principal = iam.ServicePrincipal("personalize.amazonaws.com")
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[principal],
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions=conditions,  # its documentation lists the bucket without a prefix
            )
        )
        for action, resource in objects.items():
            bucket.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[principal],
                    actions=[action],
                    resources=[resource],
                    conditions=conditions,
                )
            )
        if key:
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[principal],
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=["*"],  # in a key's policy: this key
                    conditions=conditions,
                )
            )

    def _admit_s3_vectors(self, key: kms.Key) -> None:
        """Allow Amazon S3 Vectors to use the key for its indexes."""
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("indexing.s3vectors.amazonaws.com")],
                actions=["kms:Decrypt"],
                resources=["*"],  # in a key's policy: this key
                conditions={
                    "StringEquals": {"aws:SourceAccount": self.account},
                    "ArnLike": {
                        "aws:SourceArn": self.format_arn(
                            service="s3vectors", resource="bucket", resource_name="*"
                        )
                    },
                    "ForAnyValue:StringEquals": {
                        "kms:EncryptionContextKeys": [
                            "aws:s3vectors:arn",
                            "aws:s3vectors:resource-id",
                        ]
                    },
                },
            )
        )

    def _logs(self, part: str, config: Config) -> LogGroup:
        name = f"/aws/lambda/{self.stack_name}-{part}"
        return LogGroup(self, f"{part}Logs", name=name, days=config.log_days)


def _written_by_others(keys: Keys) -> list[str]:
    """The parts of the bucket that others write, which an upload does not touch."""
    outputs = (
        keys.output[engine]
        for engine in ("object2vec", "deep_mf", "factorization_machines", "lists")
    )
    reports = "experiments/"  # of `python -m experiment`
    others = (*outputs, keys.embeddings, keys.batch, GENERATIONS, PAIRS, reports)
    return [f"{prefix}*" for prefix in others]


def _upload_size(size: int) -> tuple[int, cdk.Size]:
    """Memory in MB, and disk size, of the function that unpacks and uploads `size` bytes."""
    memory_mb = 512 if size < 64 << 20 else 1024 if size < 512 << 20 else 2048
    disk_mb = (size * 2 >> 20) + 256  # the archive and its contents
    return memory_mb, cdk.Size.mebibytes(max(512, disk_mb))
