"""A private bucket that is emptied and deleted with its stack."""

from dataclasses import dataclass
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.roles import Permission, acknowledge, writes_logs


@dataclass(frozen=True, kw_only=True)
class Store:
    """Provides permissions on parts of the bucket to roles of other stacks.

    Parts are patterns of keys, such as `object2vec/movielens/output/*`.
    """

    bucket_name: str
    bucket_arn: str
    key_arn: str | None

    def lists(self, *parts: str) -> list[Permission]:
        """Permissions to list parts; without any part, the whole bucket."""
        return [
            Permission(
                actions=["s3:ListBucket"],
                resources=[self.bucket_arn],
                conditions={"StringLike": {"s3:prefix": list(parts)}} if parts else {},
            )
        ]

    def reads(self, *parts: str) -> list[Permission]:
        """Permissions to read parts."""
        return [self._objects("s3:GetObject", parts), *self._with_key("kms:Decrypt")]

    def writes(self, *parts: str) -> list[Permission]:
        """Permissions to write parts; with a key, multipart uploads also need to decrypt."""
        return [
            self._objects("s3:PutObject", parts),
            *self._with_key("kms:Decrypt", "kms:GenerateDataKey"),
        ]

    def deletes(self, *parts: str) -> list[Permission]:
        """Permissions to delete parts."""
        return [self._objects("s3:DeleteObject", parts)]

    def _objects(self, action: str, parts: tuple[str, ...]) -> Permission:
        return Permission(
            actions=[action],
            resources=[f"{self.bucket_arn}/{part}" for part in parts],
            wildcard="Objects of one part of the deployment's bucket, with unknown names",
        )

    def _with_key(self, *actions: str) -> list[Permission]:
        return [Permission(actions=actions, resources=[self.key_arn])] if self.key_arn else []


class PrivateBucket(s3.Bucket):
    """Encrypted, TLS only, no public access, no ACLs, emptied when it is deleted."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        key: kms.IKey | None,
        logs_of_emptying: logs.LogGroup,
    ) -> None:
        """Create the bucket.

        Args:
            scope: the parent.
            id: the construct's id.
            key: the encryption key; None for S3's own key.
            logs_of_emptying: the log group of the function that empties the bucket.
        """
        super().__init__(
            scope,
            id,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=key is not None,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            auto_delete_objects=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            lifecycle_rules=[
                s3.LifecycleRule(abort_incomplete_multipart_upload_after=cdk.Duration.days(1))
            ],
        )
        # The CDK's emptying function would log to a group that Lambda creates and that remains.
        # It gets a declared group, and a role that cannot recreate the group.
        provider = cdk.Stack.of(self).node.find_child(
            "Custom::S3AutoDeleteObjectsCustomResourceProvider"
        )
        function = cast(cdk.CfnResource, provider.node.find_child("Handler"))
        function.add_property_override(
            "LoggingConfig", {"LogGroup": logs_of_emptying.log_group_name}
        )
        role = cast(cdk.CfnResource, provider.node.find_child("Role"))
        role.add_property_deletion_override("ManagedPolicyArns")
        logging = writes_logs(logs_of_emptying)
        statement = {
            "Effect": "Allow",
            "Action": list(logging.actions),
            "Resource": list(logging.resources),
        }
        role.add_property_override(
            "Policies",
            [
                {
                    "PolicyName": "Own",
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
                }
            ],
        )
        acknowledge(
            self,
            "Access logs would need a second bucket, which cannot log its own accesses; "
            "CloudTrail's data events log accesses if an account enables them",
            "AwsSolutions-S1",
        )
