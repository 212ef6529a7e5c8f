"""The real CDK CLI, no flags that a user would not give, with a stack small enough to be quick.

The cloud assembly is written by hand, as CDK's default synthesizer writes it, which spares the test
the start of jsii. The tests go in order.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_aws.server import LocalAws
from rehearsal.cdk import CdkError, cdk

VERSION = "55.0.0"
IN_PLACE = "${AWS::AccountId}-${AWS::Region}"


class Cli:
    """Runs the CLI on an assembly of one stack, `Tiny`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = {**os.environ, **environment}

    def run(self, *arguments: str, assembly: Path | None = None) -> str:
        """What the CLI says; `CdkError` if it fails."""
        log = self.folder / "cdk.log"
        log.unlink(missing_ok=True)
        app = ["--app", str(assembly)] if assembly else ["--app", ""]
        cdk(*arguments, *app, "--no-notices", log=log, environment=self._environment)
        return log.read_text()

    def assembly(self, days: int, *, broken: bool = False) -> Path:
        """The stack with log groups of so many days, one of which may not be made."""
        folder = self.folder / f"assembly-{days}-{broken}"
        folder.mkdir(exist_ok=True)
        template = json.dumps(_template(days, broken))
        digest = hashlib.sha256(template.encode()).hexdigest()
        roles = {
            name: f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/cdk-hnb659fds-{name}-role"
            f"-{IN_PLACE}"
            for name in ("deploy", "cfn-exec", "file-publishing", "lookup")
        }
        bucket = f"cdk-hnb659fds-assets-{IN_PLACE}"
        destination = {
            "bucketName": bucket,
            "objectKey": f"{digest}.json",
            "assumeRoleArn": roles["file-publishing"],
        }
        source = {"path": "Tiny.template.json", "packaging": "file"}
        asset = {"source": source, "destinations": {"current": destination}}
        assets = {"version": VERSION, "files": {digest: asset}, "dockerImages": {}}
        bootstrap = {
            "requiresBootstrapStackVersion": 6,
            "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/hnb659fds/version",
        }
        stack = {
            "templateFile": "Tiny.template.json",
            "validateOnSynth": False,
            "tags": {"project": "tiny"},
            "assumeRoleArn": roles["deploy"],
            "cloudFormationExecutionRoleArn": roles["cfn-exec"],
            "lookupRole": {"arn": roles["lookup"], **bootstrap},
            "stackTemplateAssetObjectUrl": f"s3://{bucket}/{digest}.json",
            "additionalDependencies": ["Tiny.assets"],
            **bootstrap,
        }
        artifacts = {
            "Tiny.assets": {
                "type": "cdk:asset-manifest",
                "properties": {"file": "Tiny.assets.json", **bootstrap},
            },
            "Tiny": {
                "type": "aws:cloudformation:stack",
                "environment": "aws://unknown-account/unknown-region",
                "properties": stack,
                "dependencies": ["Tiny.assets"],
                "displayName": "Tiny",
            },
        }
        (folder / "Tiny.template.json").write_text(template)
        (folder / "Tiny.assets.json").write_text(json.dumps(assets))
        manifest = json.dumps({"version": VERSION, "artifacts": artifacts})
        (folder / "manifest.json").write_text(manifest)
        return folder


def _template(days: int, broken: bool) -> dict[str, Any]:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [{"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::Sub": "${Bucket.Arn}/*"}],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    resources: dict[str, Any] = {
        "Bucket": {"Type": "AWS::S3::Bucket", "UpdateReplacePolicy": "Delete"},
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "Bucket"},
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            },
        },
        "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": days}},
    }
    if broken:
        resources["Taken"] = {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": {"Ref": "Log"}},
        }
    version = {"Fn::Contains": [["1", "2", "3", "4", "5"], {"Ref": "BootstrapVersion"}]}
    assertion = {"Assert": {"Fn::Not": [version]}, "AssertDescription": "Please bootstrap."}
    return {
        "Resources": resources,
        "Outputs": {"BucketName": {"Value": {"Ref": "Bucket"}}},
        "Parameters": {
            "BootstrapVersion": {
                "Type": "AWS::SSM::Parameter::Value<String>",
                "Default": "/cdk-bootstrap/hnb659fds/version",
            }
        },
        "Rules": {"CheckBootstrapVersion": {"Assertions": [assertion]}},
    }


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with LocalAws() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        yield Cli(tmp_path_factory.mktemp("cli"), aws.environment())


def _retention() -> list[int]:
    return [
        group["retentionInDays"]
        for group in boto3.client("logs").describe_log_groups()["logGroups"]
        if "Tiny" in group["logGroupName"]
    ]


def test_bootstrap_creates_the_toolkit_stack(cli: Cli) -> None:
    said = cli.run("bootstrap", "aws://123456789012/us-east-1")
    assert "bootstrapped" in said
    stack = boto3.client("cloudformation").describe_stacks(StackName="CDKToolkit")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    assert outputs["BucketName"] == "cdk-hnb659fds-assets-123456789012-us-east-1"


def test_deploy_shows_each_resource_and_the_outputs(cli: Cli) -> None:
    said = cli.run("deploy", assembly=cli.assembly(7))
    for kind in ("AWS::S3::Bucket ", "AWS::S3::BucketPolicy ", "AWS::Logs::LogGroup "):
        assert [line for line in said.splitlines() if "CREATE_COMPLETE" in line and kind in line]
    bucket = next(line for line in said.splitlines() if "Tiny.BucketName = " in line)
    boto3.client("s3").head_bucket(Bucket=bucket.split(" = ")[1])
    assert _retention() == [7]


def test_deploy_without_changes_reports_none(cli: Cli) -> None:
    assert "no changes" in cli.run("deploy", assembly=cli.assembly(7))


def test_diff_shows_the_change_that_deploy_makes(cli: Cli) -> None:
    said = cli.run("diff", assembly=cli.assembly(14))
    assert "RetentionInDays" in said
    assert "Number of stacks with differences: 1" in said
    assert _retention() == [7]
    cli.run("deploy", assembly=cli.assembly(14))
    assert _retention() == [14]


def test_failed_update_is_rolled_back_with_the_reason(cli: Cli) -> None:
    with pytest.raises(CdkError, match="already exists"):
        cli.run("deploy", assembly=cli.assembly(30, broken=True))
    stack = boto3.client("cloudformation").describe_stacks(StackName="Tiny")["Stacks"][0]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert _retention() == [14]


def test_destroy_removes_the_stack(cli: Cli) -> None:
    assert "destroyed" in cli.run("destroy", "--force", assembly=cli.assembly(14))
    assert _retention() == []
    assert [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]] == [
        "cdk-hnb659fds-assets-123456789012-us-east-1"
    ]
