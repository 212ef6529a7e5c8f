"""A stack is made with its caller's permissions, whoever the caller is, and reads with them."""

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.server import LocalAws

pytestmark = pytest.mark.slow
REGION = "us-east-1"
WAITS = {"W": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as server:
        owner = clients.client
        owner("s3", REGION).create_bucket(Bucket="secret")
        owner("s3", REGION).put_object(
            Bucket="secret", Key="t.json", Body=json.dumps({"Resources": WAITS}).encode()
        )
        owner("s3", REGION).put_object(Bucket="secret", Key="rows/a.json", Body=b"{}")
        owner("ssm", REGION).put_parameter(Name="/p", Value="hidden", Type="String")
        yield server


def limited(aws: LocalAws, *actions: str) -> Any:
    """Clients of an IAM user who may do nothing else."""
    iam = clients.client("iam", REGION)
    name = f"user-{time.monotonic_ns()}"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return lambda service: boto3.client(
        service,
        endpoint_url=aws.url,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def outcome(api: Any, **request: Any) -> str:
    stack = api.create_stack(**request)["StackId"]
    while True:
        status = str(api.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
        if not status.endswith("_IN_PROGRESS"):
            return status
        time.sleep(0.05)


def test_stack_of_a_user_has_no_more_than_the_users_permissions(aws: LocalAws) -> None:
    queue = json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}})
    refused = limited(aws, "cloudformation:*")("cloudformation")
    assert outcome(refused, StackName="refused", TemplateBody=queue) == "ROLLBACK_COMPLETE"
    allowed = limited(aws, "cloudformation:*", "sqs:*")("cloudformation")
    assert outcome(allowed, StackName="allowed", TemplateBody=queue) == "CREATE_COMPLETE"


def test_template_in_s3_is_read_with_the_callers_permissions(aws: LocalAws) -> None:
    url = "https://secret.s3.amazonaws.com/t.json"
    with pytest.raises(ClientError, match="S3 error"):
        limited(aws, "cloudformation:*")("cloudformation").validate_template(TemplateURL=url)
    limited(aws, "cloudformation:*", "s3:GetObject")("cloudformation").validate_template(
        TemplateURL=url
    )


def test_parameters_of_ssm_are_read_with_the_callers_permissions(aws: LocalAws) -> None:
    stored = {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/p"}}
    output = {"O": {"Value": {"Ref": "P"}}}
    body = json.dumps({"Parameters": stored, "Resources": WAITS, "Outputs": output})
    with pytest.raises(ClientError, match="Unable to fetch parameters"):
        limited(aws, "cloudformation:*")("cloudformation").create_stack(
            StackName="stored", TemplateBody=body
        )
    dynamic = {"O": {"Value": "{{resolve:ssm:/p}}"}}
    body = json.dumps({"Resources": WAITS, "Outputs": dynamic})
    api = limited(aws, "cloudformation:*")("cloudformation")
    assert outcome(api, StackName="dynamic", TemplateBody=body) != "CREATE_COMPLETE"
    api = limited(aws, "cloudformation:*", "ssm:GetParameter")("cloudformation")
    assert outcome(api, StackName="dynamic-2", TemplateBody=body) == "CREATE_COMPLETE"


def test_parameters_of_ssm_are_read_with_the_permissions_of_the_caller_and_not_of_the_role(
    aws: LocalAws,
) -> None:
    """As the CDK's bootstrap template notes at its deploy role: a change set reads them with it."""
    trust = {"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}}
    trust["Action"] = "sts:AssumeRole"
    role = clients.client("iam", REGION).create_role(
        RoleName="of-stacks",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    stored = {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/p"}}
    body = json.dumps({"Parameters": stored, "Resources": WAITS})
    request = {"TemplateBody": body, "RoleARN": role}
    reader = limited(aws, "cloudformation:*", "iam:PassRole", "ssm:GetParameters")("cloudformation")
    assert outcome(reader, StackName="read", **request) == "CREATE_COMPLETE"
    other = limited(aws, "cloudformation:*", "iam:PassRole", "ssm:GetParameter")("cloudformation")
    with pytest.raises(ClientError, match="Unable to fetch parameters"):
        other.create_stack(StackName="unread", **request)


def test_table_is_imported_from_a_bucket_that_the_caller_may_read(aws: LocalAws) -> None:
    request = {
        "S3BucketSource": {"S3Bucket": "secret", "S3KeyPrefix": "rows/"},
        "InputFormat": "DYNAMODB_JSON",
        "TableCreationParameters": {
            "TableName": "table",
            "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    }
    with pytest.raises(ClientError, match="not authorized to perform: s3:"):
        limited(aws, "dynamodb:*", "logs:*")("dynamodb").import_table(**request)
    limited(aws, "dynamodb:*", "logs:*", "s3:GetObject", "s3:ListBucket")("dynamodb").import_table(
        **request
    )
