"""What plain moto's CloudFormation claims without doing it; here it is done, or refused."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.sagemaker import images
from local_aws_tests.cloudformation.conftest import CAPABILITIES, Stacks, parameter

CDK_PARAMETERS = {
    "BootstrapVersion": {
        "Type": "AWS::SSM::Parameter::Value<String>",
        "Default": "/cdk-bootstrap/hnb659fds/version",
    }
}


def test_cdk_template_before_bootstrap_names_what_is_missing(stacks: Stacks) -> None:
    """moto: AttributeError: 'NoneType' object has no attribute 'value'."""
    with pytest.raises(ClientError) as error:
        stacks.create({"P": parameter("1")}, Declared=CDK_PARAMETERS)
    assert error.value.response["Error"]["Message"] == (
        "Unable to fetch parameters [/cdk-bootstrap/hnb659fds/version] from parameter store "
        "for this account."
    )


def test_unknown_types_are_named_before_creation(stacks: Stacks) -> None:
    """moto: a warning, skipped, and the stack completes."""
    with pytest.raises(ClientError) as error:
        stacks.create(
            {
                "P": {
                    "Type": "AWS::SSM::Parameter",
                    "Properties": {"Name": "/lies/p", "Type": "String", "Value": "1"},
                },
                "A": {"Type": "AWS::Redshift::Cluster"},
                "B": {"Type": "AWS::Synthetics::Canary"},
                "C": {"Type": "AWS::Nonsense::Thing"},
            },
            StackName="unknown-types",
        )
    message = error.value.response["Error"]["Message"]
    assert "Unrecognized resource types: [AWS::Nonsense::Thing]" in message
    assert "[AWS::Redshift::Cluster, AWS::Synthetics::Canary]" in message
    assert stacks.parameter("/lies/p") is None
    with pytest.raises(ClientError, match="does not exist"):
        stacks.api.describe_stacks(StackName="unknown-types")


def test_unknown_and_unsupported_properties_are_named(stacks: Stacks) -> None:
    """moto: ignored."""
    with pytest.raises(ClientError) as error:
        stacks.create(
            {
                "P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Valu": "1"}},
                "B": {"Type": "AWS::S3::Bucket", "Properties": {"ReplicationConfiguration": {}}},
            }
        )
    message = error.value.response["Error"]["Message"]
    assert "P (AWS::SSM::Parameter): unsupported property Valu" in message
    assert "P (AWS::SSM::Parameter): required key [Value] not found" in message
    assert "the local AWS does not implement ReplicationConfiguration" in message


def test_invalid_values_inside_a_property_fail_the_resource(stacks: Stacks) -> None:
    stack = stacks.create(
        {
            "B": {
                "Type": "AWS::S3::Bucket",
                "Properties": {"VersioningConfiguration": {"Status": "On", "Extra": 1}},
            }
        }
    )
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = stacks.reason(stack, "B", "CREATE_FAILED")
    assert "#/VersioningConfiguration: extraneous key [Extra] is not permitted" in reason
    assert "#/VersioningConfiguration/Status: On is not a valid enum value" in reason


def test_types_skipped_by_moto_are_created(stacks: Stacks) -> None:
    """moto: no model of a bucket's policy or of CDK's metadata: skipped."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": {"Fn::Sub": "${B.Arn}/*"},
        "Condition": {"Bool": {"aws:SecureTransport": False}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    stack = stacks.create(
        {
            "B": {"Type": "AWS::S3::Bucket"},
            "Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": {"Ref": "B"}, "PolicyDocument": policy},
            },
            "Meta": {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2:deflate64:x"}},
        }
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    s3, bucket = stacks.client("s3"), stacks.physical_id(stack, "B")
    stored = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    assert stored["Statement"][0]["Resource"] == f"arn:aws:s3:::{bucket}/*"
    s3.put_object(Bucket=bucket, Key="k", Body=b"a policy for TLS only does not lock it")
    s3.delete_object(Bucket=bucket, Key="k")
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"


def test_get_att_of_a_missing_attribute_is_an_error(stacks: Stacks) -> None:
    """moto: 'NoneType' object has no attribute 'has_cfn_attr'."""
    for attribute, message in (
        ("B.Nonsense", "resource B does not support attribute type Nonsense in Fn::GetAtt"),
        ("C.Arn", r"Unresolved resource dependencies \[C\] in the Outputs block"),
    ):
        with pytest.raises(ClientError, match=message):
            stacks.create(
                {"B": {"Type": "AWS::S3::Bucket"}},
                Outputs={"O": {"Value": {"Fn::GetAtt": attribute}}},
            )


ROLE = "arn:aws:iam::123456789012:role/sagemaker"


def _hosting(instance: str) -> dict[str, Any]:
    """A model, its configuration, a named endpoint and its scaling, as CDK writes them."""
    image = "382416733822.dkr.ecr.us-east-1.amazonaws.com/object2vec:1"
    variant = {
        "VariantName": "v",
        "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
        "InitialInstanceCount": 1,
        "InstanceType": instance,
        "InitialVariantWeight": 1,
    }
    return {
        "Model": {
            "Type": "AWS::SageMaker::Model",
            "Properties": {
                "ExecutionRoleArn": ROLE,
                "PrimaryContainer": {"Image": image, "ModelDataUrl": "s3://models/good.tar.gz"},
            },
        },
        "Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {"ProductionVariants": [variant]},
        },
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointName": "my-endpoint",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        },
        "Target": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "Properties": {
                "ServiceNamespace": "sagemaker",
                "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
                "ResourceId": {"Fn::Sub": "endpoint/${Endpoint.EndpointName}/variant/v"},
                "MinCapacity": 1,
                "MaxCapacity": "3",
                "RoleARN": ROLE,
            },
        },
        "Scaling": {
            "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
            "Properties": {
                "PolicyName": "by-calls",
                "PolicyType": "TargetTrackingScaling",
                "ScalingTargetId": {"Ref": "Target"},
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": 70,
                    "PredefinedMetricSpecification": {
                        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                    },
                },
            },
        },
    }


@pytest.fixture
def models(stacks: Stacks, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where two models' artifacts are, `good` and `broken`, served by a stand-in."""
    fake = images.Program("object2vec", command=(str(Path(__file__).with_name("fake_model.py")),))
    monkeypatch.setitem(images.PROGRAMS, "object2vec", fake)
    s3 = stacks.client("s3")
    s3.create_bucket(Bucket="models")
    for name in ("good", "broken"):
        artifact = io.BytesIO()
        with tarfile.open(fileobj=artifact, mode="w:gz") as tar:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
        s3.put_object(Bucket="models", Key=f"{name}.tar.gz", Body=artifact.getvalue())
    return "s3://models"


def test_endpoint_follows_its_replaced_configuration(stacks: Stacks, models: str) -> None:
    """moto: the name is ignored, and the endpoint points to the deleted old configuration."""
    sagemaker = stacks.client("sagemaker")
    trust = {
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
            }
        ]
    }
    stacks.client("iam").create_role(
        RoleName="sagemaker", AssumeRolePolicyDocument=json.dumps(trust)
    )
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/*"}
    stacks.client("iam").put_role_policy(
        RoleName="sagemaker",
        PolicyName="models",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": read}),
    )
    stack = stacks.create(_hosting("ml.m5.large"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    scaling = stacks.client("application-autoscaling")
    targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert [(t["ResourceId"], t["MaxCapacity"]) for t in targets] == [
        ("endpoint/my-endpoint/variant/v", 3)
    ]
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert [p["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] for p in policies] == [70]
    first = sagemaker.describe_endpoint(EndpointName="my-endpoint")
    assert first["EndpointStatus"] == "InService"
    updated = stacks.update(stack["StackName"], _hosting("ml.m5.xlarge"))
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    second = sagemaker.describe_endpoint(EndpointName="my-endpoint")
    assert second["EndpointArn"] == first["EndpointArn"]
    assert second["EndpointConfigName"] != first["EndpointConfigName"]
    config = sagemaker.describe_endpoint_config(EndpointConfigName=second["EndpointConfigName"])
    assert config["ProductionVariants"][0]["InstanceType"] == "ml.m5.xlarge"
    with pytest.raises(ClientError, match="Could not find"):
        sagemaker.describe_endpoint_config(EndpointConfigName=first["EndpointConfigName"])

    # a configuration that cannot be brought up: everything goes back, the reason is shown
    doomed = _hosting("ml.m5.large")
    container = doomed["Model"]["Properties"]["PrimaryContainer"]
    container["ModelDataUrl"] = f"{models}/broken.tar.gz"
    failed = stacks.update(stack["StackName"], doomed)
    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "ping health check" in stacks.reason(stack, "Endpoint", "UPDATE_FAILED")
    third = sagemaker.describe_endpoint(EndpointName="my-endpoint")
    assert third["EndpointConfigName"] == second["EndpointConfigName"]
    assert third["EndpointStatus"] == "InService"
    assert len(sagemaker.list_models()["Models"]) == 1
    assert len(sagemaker.list_endpoint_configs()["EndpointConfigs"]) == 1
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_models()["Models"] == []
    left = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert left == []


def test_outputs_remain_after_a_change_set(stacks: Stacks) -> None:
    """moto: lost, because the outputs are worked out before the template is there."""
    body = stacks.body({"P": parameter("1")}, {"Outputs": {"O": {"Value": {"Ref": "P"}}}})
    made = stacks.api.create_change_set(
        StackName="outputs",
        ChangeSetName="c",
        ChangeSetType="CREATE",
        TemplateBody=body,
        Capabilities=CAPABILITIES,
    )
    stacks.api.execute_change_set(ChangeSetName=made["Id"])
    assert "O" in stacks.outputs(stacks.settled("outputs"))


def test_missing_code_fails_the_function(stacks: Stacks) -> None:
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"S3Bucket": "cdk-hnb659fds-assets", "S3Key": "no.zip"},
            "Role": ROLE,
            "Handler": "index.handler",
            "Runtime": "python3.14",
        },
    }
    stack = stacks.create({"F": function})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "bucket" in stacks.reason(stack, "F", "CREATE_FAILED").lower()
