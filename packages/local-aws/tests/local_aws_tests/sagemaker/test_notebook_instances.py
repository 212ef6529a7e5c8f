"""Notebook instances: AWS's states and refusals, and CloudFormation's way with them."""

import base64
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.cloudformation.conftest import Stacks, role
from local_aws_tests.sagemaker.conftest import ROLE

NAME = "workshop"
SCRIPT = base64.b64encode(b"#!/bin/bash\n").decode()


def made(aws: Any, **settings: Any) -> dict[str, Any]:
    settings = {"InstanceType": "ml.t3.medium", "RoleArn": ROLE} | settings
    answer: dict[str, Any] = aws.sagemaker.create_notebook_instance(
        NotebookInstanceName=NAME, **settings
    )
    return answer


def states(aws: Any, last: str | None) -> list[str]:
    """The states of an instance until the last one, or until its deletion."""
    found: list[str] = []
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            shown = aws.sagemaker.describe_notebook_instance(NotebookInstanceName=NAME)
        except ClientError as error:
            if last is None and error.response["Error"]["Message"] == "RecordNotFound":
                return found
            raise
        if shown["NotebookInstanceStatus"] not in found:
            found.append(shown["NotebookInstanceStatus"])
        if found[-1] == last:
            return found
        time.sleep(0.02)
    raise TimeoutError(found)


def refusal(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(NotebookInstanceName=NAME, **parameters)
    return str(caught.value.response["Error"]["Message"])


def test_instance_is_created_stopped_changed_and_deleted(aws: Any) -> None:
    sagemaker = aws.sagemaker
    made(aws, Tags=[{"Key": "k", "Value": "v"}], VolumeSizeInGB=20)
    assert "Cannot create a duplicate" in refusal(
        sagemaker.create_notebook_instance, InstanceType="ml.t3.medium", RoleArn=ROLE
    )
    # what is on its way can neither be stopped nor deleted
    assert "Status (Pending) not in ([InService])" in refusal(sagemaker.stop_notebook_instance)
    assert states(aws, "InService") == ["Pending", "InService"]
    shown = sagemaker.describe_notebook_instance(NotebookInstanceName=NAME)
    assert (shown["VolumeSizeInGB"], shown["RootAccess"]) == (20, "Enabled")
    assert shown["PlatformIdentifier"] == "notebook-al2023-v1"
    listed = sagemaker.list_notebook_instances(StatusEquals="InService")["NotebookInstances"]
    assert [one["NotebookInstanceName"] for one in listed] == [NAME]
    assert sagemaker.list_tags(ResourceArn=shown["NotebookInstanceArn"])["Tags"] == [
        {"Key": "k", "Value": "v"}
    ]
    told = "Status (InService) not in ([Stopped, Failed]). Unable to transition to (Deleting)"
    assert told in refusal(sagemaker.delete_notebook_instance)
    assert "Unable to transition to (Updating)" in refusal(
        sagemaker.update_notebook_instance, InstanceType="ml.t3.large"
    )
    sagemaker.stop_notebook_instance(NotebookInstanceName=NAME)
    assert states(aws, "Stopped") == ["Stopping", "Stopped"]
    sagemaker.update_notebook_instance(NotebookInstanceName=NAME, InstanceType="ml.t3.large")
    assert states(aws, "Stopped") == ["Updating", "Stopped"]
    sagemaker.start_notebook_instance(NotebookInstanceName=NAME)
    assert states(aws, "InService") == ["Pending", "InService"]
    shown = sagemaker.describe_notebook_instance(NotebookInstanceName=NAME)
    assert (shown["InstanceType"], shown["VolumeSizeInGB"]) == ("ml.t3.large", 20)
    sagemaker.stop_notebook_instance(NotebookInstanceName=NAME)
    states(aws, "Stopped")
    sagemaker.delete_notebook_instance(NotebookInstanceName=NAME)
    assert states(aws, None) == ["Deleting"]
    assert sagemaker.list_notebook_instances()["NotebookInstances"] == []


def test_code_repositories_of_an_instance_are_kept_and_taken_away(aws: Any) -> None:
    repositories = {
        "DefaultCodeRepository": "https://github.com/aws-samples/amazon-personalize-samples.git",
        "AdditionalCodeRepositories": ["https://git.example.com/a"],
    }
    made(aws, **repositories)
    states(aws, "InService")
    [listed] = aws.sagemaker.list_notebook_instances()["NotebookInstances"]
    assert {name: listed[name] for name in repositories} == repositories
    aws.sagemaker.stop_notebook_instance(NotebookInstanceName=NAME)
    states(aws, "Stopped")
    aws.sagemaker.update_notebook_instance(
        NotebookInstanceName=NAME,
        DisassociateDefaultCodeRepository=True,
        AdditionalCodeRepositories=["https://git.example.com/b"],
    )
    states(aws, "Stopped")
    shown = aws.sagemaker.describe_notebook_instance(NotebookInstanceName=NAME)
    assert "DefaultCodeRepository" not in shown
    assert shown["AdditionalCodeRepositories"] == ["https://git.example.com/b"]
    aws.sagemaker.delete_notebook_instance(NotebookInstanceName=NAME)
    states(aws, None)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"InstanceType": "ml.p3.2xlarge"}, "does not run Amazon Linux 2023"),
        ({"PlatformIdentifier": "notebook-al2-v3"}, "has ended"),
        ({"LifecycleConfigName": "none"}, "Lifecycle Config does not exist"),
        ({"InstanceType": "ml.t3.giant"}, "Member must satisfy enum value set"),
        ({"RoleArn": ROLE + "-none"}, "Could not assume role"),
        ({"DirectInternetAccess": "Disabled"}, "needs a SubnetId"),
        ({"DefaultCodeRepository": "a-repository-of-sagemaker"}, "give its https address"),
        ({"AdditionalCodeRepositories": ["https://a", "b"]}, "the code repository b"),
    ],
)
def test_refused_instance_is_not_created(aws: Any, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ClientError, match=told):
        made(aws, **settings)
    assert aws.sagemaker.list_notebook_instances()["NotebookInstances"] == []


def test_presigned_url_is_refused(aws: Any) -> None:
    assert "does not implement" in refusal(aws.sagemaker.create_presigned_notebook_instance_url)


def resources(**settings: Any) -> dict[str, Any]:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {
        "Role": role(AssumeRolePolicyDocument={"Version": "2012-10-17", "Statement": [trust]}),
        "Scripts": {
            "Type": "AWS::SageMaker::NotebookInstanceLifecycleConfig",
            "Properties": {"OnStart": [{"Content": settings.pop("script", SCRIPT)}]},
        },
        "Notebook": {
            "Type": "AWS::SageMaker::NotebookInstance",
            "Properties": {
                "InstanceType": "ml.t3.medium",
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "LifecycleConfigName": {
                    "Fn::GetAtt": ["Scripts", "NotebookInstanceLifecycleConfigName"]
                },
                **settings,
            },
        },
    }


def test_cloudformation_stops_an_instance_to_change_and_to_delete_it(aws: Any) -> None:
    stacks = Stacks(aws.url)
    repositories = {"DefaultCodeRepository": "https://github.com/aws-samples/a.git"}
    stack = stacks.create(
        resources(NotebookInstanceName=NAME, RootAccess="Disabled", **repositories),
        Outputs={"Name": {"Value": {"Fn::GetAtt": ["Notebook", "NotebookInstanceName"]}}},
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    assert stacks.outputs(stack) == {"Name": NAME}
    before = aws.sagemaker.describe_notebook_instance(NotebookInstanceName=NAME)
    assert before["NotebookInstanceStatus"] == "InService"
    assert before["RootAccess"] == "Disabled"
    assert before["DefaultCodeRepository"] == "https://github.com/aws-samples/a.git"
    assert stacks.physical_id(stack, "Notebook") == before["NotebookInstanceArn"]

    other = base64.b64encode(b"#!/bin/sh\n").decode()
    wanted = resources(
        NotebookInstanceName=NAME,
        RootAccess="Disabled",
        InstanceType="ml.t3.large",
        script=other,
    )
    updated = stacks.update(stack["StackName"], wanted)
    assert updated["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(stack)
    after = aws.sagemaker.describe_notebook_instance(NotebookInstanceName=NAME)
    assert after["CreationTime"] == before["CreationTime"], "the disk stayed"
    assert (after["InstanceType"], after["NotebookInstanceStatus"]) == ("ml.t3.large", "InService")
    assert "DefaultCodeRepository" not in after
    scripts = aws.sagemaker.describe_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName=after["NotebookInstanceLifecycleConfigName"]
    )
    assert scripts["OnStart"] == [{"Content": other}]

    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    assert aws.sagemaker.list_notebook_instances()["NotebookInstances"] == []
    configs = aws.sagemaker.list_notebook_instance_lifecycle_configs(SortBy="LastModifiedTime")
    assert configs["NotebookInstanceLifecycleConfigs"] == []


def test_a_stopped_or_vanished_instance_is_deleted_too(aws: Any) -> None:
    stacks = Stacks(aws.url)
    for vanished in (False, True):
        stack = stacks.create(resources(NotebookInstanceName=NAME))
        assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
        aws.sagemaker.stop_notebook_instance(NotebookInstanceName=NAME)
        states(aws, "Stopped")
        if vanished:
            aws.sagemaker.delete_notebook_instance(NotebookInstanceName=NAME)
            states(aws, None)
        assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE", stacks.failures(stack)
