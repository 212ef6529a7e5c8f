"""The server itself."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients, server
from local_aws.server import LocalAws
from local_aws_tests import raw
from tests.reliability import Tally

pytestmark = pytest.mark.slow


def test_there_is_one_at_a_time_in_a_process() -> None:
    with LocalAws() as first:
        with pytest.raises(RuntimeError, match=f"already, at {first.url}"), LocalAws():
            pass
        assert clients.endpoint_url() == first.url
        clients.client("s3", "us-east-1").create_bucket(Bucket="books")
    with LocalAws():
        assert clients.client("s3", "us-east-1").list_buckets()["Buckets"] == []


def test_service_that_is_motos_alone_is_refused(tally: Tally) -> None:
    calls: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("bedrock-runtime", "invoke_model", {"modelId": "any", "body": b"{}"}),
        ("athena", "start_query_execution", {"QueryString": "SELECT 1"}),
        ("comprehend", "detect_sentiment", {"Text": "good", "LanguageCode": "en"}),
        ("firehose", "list_delivery_streams", {}),
        ("batch", "describe_job_queues", {}),
        ("ec2", "describe_vpcs", {}),
    )
    with LocalAws():
        for service, operation, request in calls:
            client = clients.client(service, "us-east-1")
            name = client.meta.service_model.signing_name
            with pytest.raises(ClientError, match=f"the service {name}; use it in an") as error:
                getattr(client, operation)(**request)
            assert error.value.response["Error"]["Code"] == "NotImplementedByLocalAws"
            tally("inputs tried", "services that are moto's alone")


def test_service_that_aws_has_not_in_a_region_is_refused_there() -> None:
    with LocalAws():
        with pytest.raises(ClientError, match="personalize in mx-central-1") as error:
            clients.client("personalize", "mx-central-1").list_recipes()
        assert error.value.response["Error"]["Code"] == "NotImplementedByLocalAws"
        assert clients.client("personalize", "us-east-1").list_recipes()["recipes"]
        for region in ("mx-central-1", "cn-north-1"):
            assert clients.client("iam", region).list_users()["Users"] == []
            assert clients.client("s3", region).list_buckets()["Buckets"] == []


def test_body_beyond_what_a_service_takes_is_refused_whatever_the_signature_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "BODY", 1000)
    misleading = (
        "Credential=x/1/us-east-1/s3 Credential=a/20261130/us-east-1/lambda/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )
    body = b"x" * 1001
    with LocalAws():
        for target, headers in (
            ("/cloudformation_us-east-1/response/none", {}),
            ("/2015-03-31/functions", {"Authorization": misleading}),
        ):
            answer = raw.request("x", "POST", target, body=body, headers=headers, credentials=None)
            assert (answer.status, "EntityTooLarge" in answer.text) == (400, True)
        s3 = clients.client("s3", "us-east-1")
        s3.create_bucket(Bucket="books")
        s3.put_object(Bucket="books", Key="a", Body=body)
        assert s3.get_object(Bucket="books", Key="a")["Body"].read() == body


def test_operation_without_an_address_is_refused_by_name() -> None:
    with LocalAws():
        with pytest.raises(ClientError, match="POST /Groups") as error:
            clients.client("xray", "us-east-1").get_groups()
        assert error.value.response["Error"]["Code"] == "NotImplementedByLocalAws"
        answer = raw.request("s3", "PROPFIND", "/books/a")
        assert (answer.status, "<Code>MethodNotAllowed</Code>" in answer.text) == (405, True)
