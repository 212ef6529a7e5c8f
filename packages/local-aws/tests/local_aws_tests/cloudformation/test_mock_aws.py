"""The engine without a server: in one process, under moto's `mock_aws`."""

import json
import time

import boto3
import pytest
from moto import mock_aws

from local_aws.moto_patches import install
from local_aws_tests.cloudformation.conftest import parameter

pytestmark = pytest.mark.slow


def _query_vectors() -> None:
    """A service of which moto has a part: all of ours is there, too."""
    api = boto3.client("s3vectors", region_name="eu-west-1")
    bucket = api.create_vector_bucket(vectorBucketName="vectors")["vectorBucketArn"]
    index = api.create_index(
        vectorBucketArn=bucket,
        indexName="index",
        dataType="float32",
        dimension=1,
        distanceMetric="euclidean",
    )["indexArn"]
    api.put_vectors(
        indexArn=index, vectors=[{"key": str(n), "data": {"float32": [n]}} for n in range(3)]
    )
    answer = api.query_vectors(indexArn=index, topK=1, queryVector={"float32": [1.75]})
    assert answer["vectors"] == [{"key": "2"}]


def test_stack_under_mock_aws_is_created() -> None:
    install()
    with mock_aws():
        api = boto3.client("cloudformation", region_name="eu-west-1")
        ssm = boto3.client("ssm", region_name="eu-west-1")
        body = json.dumps({"Resources": {"P": parameter("1")}})
        stack_id = api.create_stack(StackName="s", TemplateBody=body)["StackId"]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            status = api.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
            if status != "CREATE_IN_PROGRESS":
                break
            time.sleep(0.02)
        assert status == "CREATE_COMPLETE"
        resources = api.describe_stack_resources(StackName="s")["StackResources"]
        name = resources[0]["PhysicalResourceId"]
        assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "1"
        _query_vectors()
