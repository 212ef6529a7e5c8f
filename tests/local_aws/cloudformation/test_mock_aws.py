"""The engine without a server: in one process, under moto's `mock_aws`."""

import json
import time

import boto3
from moto import mock_aws

from local_aws.install import install
from tests.local_aws.cloudformation.conftest import parameter


def test_a_stack_under_mock_aws() -> None:
    install()
    with mock_aws():
        api = boto3.client("cloudformation", region_name="eu-west-1")
        ssm = boto3.client("ssm", region_name="eu-west-1")
        body = json.dumps({"Resources": {"P": parameter("1")}})
        stack_id = api.create_stack(StackName="s", TemplateBody=body)["StackId"]
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            status = api.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
            if status != "CREATE_IN_PROGRESS":
                break
            time.sleep(0.02)
        assert status == "CREATE_COMPLETE"
        resources = api.describe_stack_resources(StackName="s")["StackResources"]
        name = resources[0]["PhysicalResourceId"]
        assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "1"
