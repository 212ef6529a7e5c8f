"""Roles with explicit permissions, and acknowledged findings of validations."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct, IConstruct


@dataclass(frozen=True, kw_only=True)
class Permission:
    """A permission for actions on resources.

    Attributes:
        actions: actions such as `s3:GetObject`.
        resources: ARNs of the resources.
        conditions: conditions as in IAM.
        wildcard: the reason why a resource ends in a wildcard, which is required for wildcards.
    """

    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Mapping[str, object] = field(default_factory=dict)
    wildcard: str = ""


class ServiceRole(iam.Role):
    """A role that one service assumes.

    Its policy is inline, so resources that refer to the role are created when the role already has
    its permissions. A separate policy would leave a gap between the two.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        service: str,
        permissions: Sequence[Permission],
        source_arn: str | None = None,
    ) -> None:
        """Create the role.

        Args:
            scope: the parent.
            id: the construct's id.
            service: the service that assumes the role, such as `lambda`.
            permissions: the role's permissions.
            source_arn: pattern of the resources for which the service may act, as aws:SourceArn;
                None for a service that is not documented to send this key. With a condition on a
                key that is not sent, the service could not assume the role (decision 15).
        """
        conditions = {"ArnLike": {"aws:SourceArn": source_arn}} if source_arn else None
        self._document = iam.PolicyDocument()
        self._service = f"{service}.amazonaws.com"
        super().__init__(
            scope,
            id,
            assumed_by=iam.ServicePrincipal(self._service, conditions=conditions),
            inline_policies={"Own": self._document},
        )
        self.allow(*permissions)

    @property
    def passing(self) -> Permission:
        """Permission to pass this role to its service."""
        return Permission(
            actions=["iam:PassRole"],
            resources=[self.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": self._service}},
        )

    def allow(self, *permissions: Permission) -> None:
        """Add permissions.

        Raises:
            ValueError: a resource contains a wildcard and no reason is given.
        """
        for permission in permissions:
            self._document.add_statements(
                iam.PolicyStatement(
                    actions=list(permission.actions),
                    resources=list(permission.resources),
                    conditions=dict(permission.conditions),
                )
            )
            wild = [resource for resource in permission.resources if "*" in resource]
            if wild and not permission.wildcard:
                raise ValueError(f"{self.node.path}: no reason for the wildcard in {wild}")
            for resource in wild:
                arn = _flat(cdk.Stack.of(self).resolve(resource))
                findings = [f"AwsSolutions-IAM5[Resource::{arn}]"]
                if arn == "*":
                    findings.append("Serverless-LambdaStarPermissions")
                acknowledge(self, permission.wildcard, *findings)


def all_of(scope: Construct, service: str) -> str:
    """Pattern of all ARNs of a service in the stack's account and region."""
    return cdk.Stack.of(scope).format_arn(
        service=service, resource="*", arn_format=cdk.ArnFormat.NO_RESOURCE_NAME
    )


def writes_logs(group: logs.ILogGroup) -> Permission:
    """Permission to write to an existing log group, but not to recreate it after deletion."""
    return Permission(
        actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[group.log_group_arn]
    )


def updates_own_stack(stack: cdk.Stack) -> list[Permission]:
    """Permissions to update the stack that has the role, by its parameters.

    The stack's own role, the CDK's, updates its resources.
    """
    arn = stack.format_arn(
        service="cloudformation", resource="stack", resource_name=f"{stack.stack_name}/*"
    )
    qualifier = (
        stack.synthesizer.bootstrap_qualifier or cdk.DefaultStackSynthesizer.DEFAULT_QUALIFIER
    )
    version = stack.format_arn(
        service="ssm", resource="parameter", resource_name=f"cdk-bootstrap/{qualifier}/version"
    )
    return [
        Permission(
            actions=["cloudformation:DescribeStacks", "cloudformation:UpdateStack"],
            resources=[arn],
            wildcard="A stack's ARN ends in an id that CloudFormation gives it",
        ),
        # CloudFormation reads the template's parameter BootstrapVersion for its caller.
        Permission(actions=["ssm:GetParameters"], resources=[version]),
    ]


def admit_alarms(key: kms.Key) -> None:
    """Allow CloudWatch's alarms of this account to use the key of an encrypted topic.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["kms:Decrypt", "kms:GenerateDataKey*"],
            resources=["*"],  # in a key's policy: this key
            conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(key).account}},
        )
    )


def acknowledge(construct: IConstruct, reason: str, *findings: str) -> None:
    """Acknowledge findings of a validation on a construct and its parts.

    Args:
        construct: the construct closest to the findings.
        reason: the reason why they are acceptable.
        findings: the ids of the findings.
    """
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=finding, reason=reason) for finding in findings)
    )


def _flat(value: object) -> str:
    """A resolved reference as cdk-nag writes it in a finding's id."""
    match value:
        case {"Fn::Join": [str(delimiter), list(parts)]}:
            return delimiter.join(_flat(part) for part in parts)
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([^}]+)\}", r"<\1>", text)
        case {"Fn::ImportValue": inner}:
            return _flat(inner)
        case {"Ref": name}:
            return f"<{name}>"
    return str(value)
