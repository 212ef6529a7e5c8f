"""Whatever comes over the wire, every service answers as AWS does, and the server stays."""

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from hypothesis import given
from hypothesis import strategies as st

from local_aws.server import LocalAws
from tests.inputs import damaged
from tests.reliability import Tally

ARN = "arn:aws:personalize:us-east-1:123456789012"
EVENT = {"eventType": "Watch", "sentAt": 1, "itemId": "1", "properties": '{"a": 1}'}
CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("personalize", "create_schema", {"name": "s", "schema": "{}"}),
    ("personalize", "create_dataset_group", {"name": "g", "domain": "ECOMMERCE"}),
    ("personalize", "list_solutions", {"maxResults": 3}),
    (
        "personalize-events",
        "put_events",
        {"trackingId": "t", "userId": "u", "sessionId": "s", "eventList": [EVENT]},
    ),
    (
        "personalize-events",
        "put_items",
        {"datasetArn": f"{ARN}:dataset/g/ITEMS", "items": [{"itemId": "1", "properties": "{}"}]},
    ),
    (
        "personalize-events",
        "put_users",
        {"datasetArn": f"{ARN}:dataset/g/USERS", "users": [{"userId": "1", "properties": "{}"}]},
    ),
    (
        "personalize-runtime",
        "get_recommendations",
        {"campaignArn": f"{ARN}:campaign/c", "userId": "1", "numResults": 3},
    ),
    (
        "personalize-runtime",
        "get_personalized_ranking",
        {"campaignArn": f"{ARN}:campaign/c", "userId": "1", "inputList": ["1"]},
    ),
    ("sagemaker", "list_training_jobs", {"MaxResults": 3}),
    ("sagemaker", "describe_endpoint", {"EndpointName": "e"}),
    (
        "sagemaker-runtime",
        "invoke_endpoint",
        {"EndpointName": "e", "Body": b"{}", "ContentType": "application/json"},
    ),
    ("lambda", "invoke", {"FunctionName": "f", "Payload": b"{}"}),
    ("lambda", "list_functions", {"MaxItems": 3}),
    (
        "s3vectors",
        "query_vectors",
        {
            "vectorBucketName": "bucket",
            "indexName": "index",
            "topK": 3,
            "queryVector": {"float32": [1.0]},
            "filter": {"a": 1},
        },
    ),
    ("logs", "filter_log_events", {"logGroupName": "g", "filterPattern": "a"}),
    ("cloudformation", "create_stack", {"StackName": "s", "TemplateBody": "{}"}),
    ("cloudwatch", "describe_alarms", {"MaxRecords": 3}),
    ("events", "put_rule", {"Name": "r", "ScheduleExpression": "rate(1 day)"}),
    ("apigatewayv2", "create_api", {"Name": "a", "ProtocolType": "HTTP"}),
    (
        "sts",
        "assume_role",
        {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "session"},
    ),
)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        yield running


@pytest.fixture(scope="module")
def requests(aws: LocalAws) -> dict[str, AWSPreparedRequest]:
    """What boto3 would send, by service and operation."""
    return {f"{call[0]}.{call[1]}": prepared(aws, *call) for call in CALLS}


def client_of(aws: LocalAws, service: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=aws.url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # pragma: allowlist secret
    )


def prepared(
    aws: LocalAws, service: str, operation: str, params: dict[str, Any]
) -> AWSPreparedRequest:
    client = client_of(aws, service)
    sent: list[AWSPreparedRequest] = []

    def keep(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        sent.append(request)
        raise InterruptedError

    client.meta.events.register("before-send", keep)
    with pytest.raises(InterruptedError):
        getattr(client, operation)(**params)
    return sent[0]


def content(request: AWSPreparedRequest) -> bytes:
    body: Any = request.body or b""
    return bytes(body) if isinstance(body, (bytes, bytearray)) else str(body).encode()


def send(request: AWSPreparedRequest, body: bytes, **changed: str) -> tuple[int, bytes]:
    """The status and the body of the answer to a request with another body and headers."""
    url = urlsplit(request.url)
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    headers |= {"Content-Length": str(len(body)), **changed}
    connection = http.client.HTTPConnection(url.netloc, timeout=20)
    try:
        connection.request(request.method, f"{url.path}?{url.query}", body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@given(st.sampled_from(sorted(f"{call[0]}.{call[1]}" for call in CALLS)), st.data())
def test_damaged_body(
    tally: Tally, requests: dict[str, AWSPreparedRequest], name: str, data: st.DataObject
) -> None:
    tally("inputs tried", "calls of AWS over HTTP, damaged")
    status, told = send(requests[name], data.draw(damaged(content(requests[name]))))
    assert status < 500 or b"NotImplementedByLocalAws" in told, told


@pytest.mark.parametrize(
    ("name", "body", "code", "words"),
    [
        ("personalize.create_schema", b"\x80{}", "Serialization", "not UTF-8 text"),
        ("personalize.create_schema", b"[]", "Serialization", "LIST value at the body"),
        ("personalize.create_schema", b"null", "Serialization", "NULL value at the body"),
        ("personalize.create_schema", b'{"name": NaN}', "Serialization", "no JSON number"),
        ("personalize.create_schema", b"[" * 9_000, "Serialization", "nested too deeply"),
        (
            "personalize.list_solutions",
            b'{"maxResults": []}',
            "Serialization",
            "LIST value at the body.maxResults cannot be converted to integer",
        ),
        (
            "personalize-runtime.get_recommendations",
            b'{"numResults": 1e999}',
            "Serialization",
            "NUMBER value at the body.numResults cannot be converted to integer",
        ),
        (
            "personalize-runtime.get_personalized_ranking",
            b'{"inputList": 1.5}',
            "Serialization",
            "NUMBER value at the body.inputList cannot be converted to list",
        ),
        (
            "personalize-events.put_events",
            b'{"eventList": [{"sentAt": true}]}',
            "Serialization",
            "BOOLEAN value at the body.eventList[0].sentAt cannot be converted to timestamp",
        ),
        ("cloudformation.create_stack", b"Action=Nope", "InvalidAction", "no such action"),
    ],
)
def test_a_body_that_cannot_be_read(
    requests: dict[str, AWSPreparedRequest], name: str, body: bytes, code: str, words: str
) -> None:
    status, told = send(requests[name], body)
    assert 400 <= status < 500
    assert code.encode() in told
    assert words.encode() in told


def test_headers_that_say_nothing(requests: dict[str, AWSPreparedRequest]) -> None:
    request = requests["personalize.create_schema"]
    _, told = send(request, b"{}", **{"X-Amz-Target": "AmazonPersonalize.Nope"})
    assert b"UnknownOperationException" in told
    _, told = send(request, b"{}", Authorization="AWS4-HMAC-SHA256 Credential=a/b, Signature=c")
    assert b"AuthorizationHeaderMalformed" in told  # of S3, for no service is named
    assert b"got 'a/b'" in told


def test_a_compressed_body_is_read(aws: LocalAws) -> None:
    """As boto3 sends the metrics of a training, from 10 KB on."""
    cloudwatch = client_of(aws, "cloudwatch")
    sent: list[Any] = []
    cloudwatch.meta.events.register(
        "before-send", lambda request, **_: sent.append(request.headers.get("Content-Encoding"))
    )
    data = [{"MetricName": "epoch", "Value": float(number)} for number in range(900)]
    cloudwatch.put_metric_data(Namespace="Trainings", MetricData=data)
    found = cloudwatch.list_metrics(Namespace="Trainings")["Metrics"]
    assert sent[0] == b"gzip"
    assert {metric["MetricName"] for metric in found} == {"epoch"}
