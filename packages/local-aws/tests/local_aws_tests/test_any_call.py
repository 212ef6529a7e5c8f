"""Whatever comes over the wire, every service answers as AWS does, and the server stays."""

import http.client
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from local_aws.server import LocalAws
from local_aws_tests.http_clients import dated, signed
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
    ("emr-serverless", "list_applications", {"maxResults": 3, "states": ["STARTED"]}),
    (
        "emr-serverless",
        "start_job_run",
        {
            "applicationId": "00abc",
            "clientToken": "token",
            "executionRoleArn": "arn:aws:iam::123456789012:role/r",
            "jobDriver": {"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}},
        },
    ),
    ("scheduler", "list_schedules", {"MaxResults": 3, "NamePrefix": "s"}),
    (
        "scheduler",
        "create_schedule",
        {
            "Name": "s",
            "ClientToken": "token",
            "ScheduleExpression": "cron(0 3 * * ? *)",
            "ScheduleExpressionTimezone": "Europe/Berlin",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
                "RoleArn": "arn:aws:iam::123456789012:role/r",
            },
        },
    ),
    ("logs", "filter_log_events", {"logGroupName": "g", "filterPattern": "a"}),
    ("cloudformation", "create_stack", {"StackName": "s", "TemplateBody": "{}"}),
    ("cloudwatch", "describe_alarms", {"MaxRecords": 3}),
    ("events", "put_rule", {"Name": "r", "ScheduleExpression": "rate(1 day)"}),
    (
        "glue",
        "create_table",
        {
            "DatabaseName": "d",
            "TableInput": {"Name": "t", "Parameters": {"classification": "json"}},
        },
    ),
    ("glue", "get_databases", {"MaxResults": 3}),
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
    connection = http.client.HTTPConnection(url.netloc, timeout=120)
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
        *(
            (operation, body.replace(b"AT", moment), "Serialization", "converted to timestamp")
            for operation, body in (
                ("personalize-events.put_events", b'{"eventList": [{"sentAt": AT}]}'),
                ("sagemaker.list_training_jobs", b'{"CreationTimeAfter": AT}'),
            )
            for moment in (b"1796000000000", b"-1e13", b"1e300", b'"yesterday"')
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


def ask(
    aws: LocalAws, method: str, target: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, str, bytes]:
    """The status, the kind and the body of the answer to a request with these headers alone."""
    connection = http.client.HTTPConnection(urlsplit(aws.url).netloc, timeout=60)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in dated({"Content-Length": str(len(body))} | headers).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.getheader("x-amzn-ErrorType") or "", answer.read()
    finally:
        connection.close()


HERE = {"Host": "127.0.0.1"}
JSON = {"Content-Type": "application/x-amz-json-1.0"}
MALFORMED: dict[str, tuple[str, str, dict[str, str], bytes, str]] = {
    "no host": ("GET", "/", {}, b"", "InvalidRequest"),
    "no number as length": ("POST", "/", HERE | {"Content-Length": "ten"}, b"", "BadRequest"),
    "nothing signed": (
        "GET",
        "/",
        HERE | {"Authorization": "AWS4-HMAC-SHA256"},
        b"",
        "AuthorizationHeaderMalformed",
    ),
    "no scheme": ("GET", "/", HERE | {"Authorization": "x"}, b"", "InvalidArgument"),
    "no authorization": ("POST", "/", HERE | {"Authorization": ""}, b"", ""),
    "unknown service": ("POST", "/", HERE | signed("nope"), b"", "Invalid"),
    "no service": ("POST", "/", HERE | signed(""), b"", "Invalid"),
    "unknown region": (
        *("POST", "/", HERE | JSON | signed("ssm", "moon-1"), b"{}"),
        "InvalidSignature",
    ),
    "no target": ("POST", "/", HERE | JSON | signed("dynamodb"), b"{}", "Inc"),
    "short target": (
        *("POST", "/", HERE | JSON | signed("dynamodb") | {"X-Amz-Target": "a"}),
        *(b"{}", "Incomplete"),
    ),
    "no region": ("POST", "/", HERE | JSON | signed("ssm", ""), b"{}", "InvalidSignature"),
    "nothing signed of a JSON service": (
        *("POST", "/", HERE | JSON | {"X-Amz-Target": "AmazonPersonalize.ListRecipes"}),
        *(b"{}", "MissingAuthenticationToken"),
    ),
    "target without a dot": ("POST", "/", HERE | JSON | {"X-Amz-Target": "a"}, b"{}", "Inc"),
    "broken form": (
        *("POST", "/", HERE | {"Content-Type": "application/x-www-form-urlencoded"}),
        *(b"\xff=%", ""),
    ),
    "broken XML": (
        *("PUT", "/malformed?tagging", HERE | signed("s3")),
        *(b"<Tagging>", "MalformedXML"),
    ),
    "no XML": ("PUT", "/other", HERE | signed("s3"), b"{}", "MalformedXML"),
    "broken path": ("GET", "/%ff%zz", HERE | signed("s3"), b"", ""),
    "broken query": ("GET", "/?a=%ff&&=%zz;", HERE | signed("iam"), b"", ""),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request_gets_an_error_of_aws(
    aws: LocalAws, tally: Tally, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    tally("faults injected", "malformed HTTP requests")
    client_of(aws, "s3").create_bucket(Bucket="malformed")
    method, target, headers, body, code = MALFORMED[name]
    status, kind, told = ask(aws, method, target, headers, body)
    assert 400 <= status < 500, told
    assert kind.startswith(code) or f"<Code>{code}</Code>".encode() in told, told
    assert b"<Code>" in told or b"__type" in told
    assert not [one for one in caplog.records if one.exc_info], "a stack trace in the log"


DEEP = "(" * 1_300 + "{}" + ")" * 1_300
PAST_MOTO: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "parentheses of a condition": (
        *("dynamodb", "put_item"),
        {
            **{"TableName": "past", "Item": {"k": {"S": "a"}}},
            "ConditionExpression": DEEP.format("attribute_exists(k)"),
        },
        "ValidationException",
    ),
    "parentheses of an update": (
        *("dynamodb", "update_item"),
        {
            **{"TableName": "past", "Key": {"k": {"S": "a"}}},
            "UpdateExpression": f"SET x = {DEEP.format('k')}",
        },
        "ValidationException",
    ),
    "overflow of a number": (
        *("dynamodb", "update_item"),
        {
            **{"TableName": "past", "Key": {"k": {"S": "a"}}, "UpdateExpression": "ADD n :v"},
            "ExpressionAttributeValues": {":v": {"N": "9.9E125"}},
        },
        "ValidationException",
    ),
    "brackets of a manifest": (
        *("ecr", "put_image"),
        {"repositoryName": "past", "imageManifest": "[" * 90_000},
        "ValidationException",
    ),
    "manifest that is no object": (
        *("ecr", "put_image"),
        {"repositoryName": "past", "imageManifest": "1"},
        "ValidationException",
    ),
    "manifest that is no JSON": (
        *("ecr", "put_image"),
        {"repositoryName": "past", "imageManifest": "x"},
        "ValidationException",
    ),
    "password of no characters": (
        *("secretsmanager", "get_random_password"),
        {f"Exclude{name}": True for name in ("Lowercase", "Uppercase", "Numbers", "Punctuation")},
        "ValidationException",
    ),
    **{
        f"filter policy {policy}": (
            *("sns", "subscribe"),
            {
                "TopicArn": "arn:aws:sns:us-east-1:123456789012:past",
                **{"Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:123456789012:past"},
                "Attributes": {"FilterPolicy": policy},
            },
            code,
        )
        for policy, code in (
            ('{"$or": [1]}', "InvalidParameter"),
            ('{"$or": [{"a": ["x"]}, 3]}', "InvalidParameter"),
            ('{"a": [{"anything-but": {"prefix": 1}}]}', "InvalidParameter"),
            ("[1]", "InvalidParameter"),
            ("{", "ValidationError"),
        )
    },
}


@pytest.fixture(scope="module")
def past(aws: LocalAws) -> None:
    """What the calls of `PAST_MOTO` are about."""
    table = client_of(aws, "dynamodb")
    table.create_table(
        TableName="past",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
    )
    table.put_item(TableName="past", Item={"k": {"S": "a"}, "n": {"N": "9.9E125"}})
    client_of(aws, "ecr").create_repository(repositoryName="past")
    client_of(aws, "sns").create_topic(Name="past")
    client_of(aws, "sqs").create_queue(QueueName="past")


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("name", PAST_MOTO)
def test_parameters_that_moto_cannot_process_get_a_client_error(
    aws: LocalAws, tally: Tally, name: str
) -> None:
    tally("inputs tried", "parameters that moto cannot process")
    service, operation, params, code = PAST_MOTO[name]
    with pytest.raises(ClientError) as error:
        getattr(client_of(aws, service), operation)(**params)
    told = error.value.response
    assert (told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Code"]) == (400, code)


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize(
    ("one", "operation", "other", "sum_"),
    [
        ("1E2", "n + :v", "5", "105"),
        ("0.1", "n - :v", "0.30", "-0.2"),
        ("1", "n + :v", "1E37", "1" + "0" * 36 + "1"),
    ],
)
def test_numbers_of_dynamodb_are_added_exactly(
    aws: LocalAws, one: str, operation: str, other: str, sum_: str
) -> None:
    table = client_of(aws, "dynamodb")
    table.put_item(TableName="past", Item={"k": {"S": "sum"}, "n": {"N": one}})
    found = table.update_item(
        TableName="past",
        Key={"k": {"S": "sum"}},
        UpdateExpression=f"SET n = {operation}",
        ExpressionAttributeValues={":v": {"N": other}},
        ReturnValues="ALL_NEW",
    )
    assert found["Attributes"]["n"]["N"] == sum_


def test_service_that_aws_has_and_this_lacks_is_refused_by_name(aws: LocalAws) -> None:
    headers = HERE | JSON | signed("braket")
    status, kind, told = ask(aws, "POST", "/", headers, b"{}")
    assert (status, kind) == (501, "NotImplementedByLocalAws")
    assert b"braket" in told


def test_half_sent_form_holds_up_no_one(aws: LocalAws, tally: Tally) -> None:
    tally("faults injected", "half-sent requests", 5)
    form = (
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nA"
    )
    place = urlsplit(aws.url)
    halves = [socket.create_connection((str(place.hostname), place.port or 0)) for _ in range(5)]
    try:
        for one in halves:
            one.sendall(form)
        for _ in range(3):
            assert client_of(aws, "sts").get_caller_identity()["Account"] == "123456789012"
    finally:
        for one in halves:
            one.close()


@pytest.mark.parametrize(
    "key", ["two\nlines", "\n", "a\r\nb", "tab\t", "//slashes//", "a/./../b", "\x01"]
)
def test_object_has_whatever_key(aws: LocalAws, key: str) -> None:
    s3 = client_of(aws, "s3")
    s3.create_bucket(Bucket="keys")
    s3.put_object(
        Bucket="keys", Key=key, Body=b"content", Metadata={"my_name": "a", "your-name": "b"}
    )
    try:
        found = s3.get_object(Bucket="keys", Key=key)
        assert found["Body"].read() == b"content"
        assert found["Metadata"] == {"my_name": "a", "your-name": "b"}
        assert [one["Key"] for one in s3.list_objects_v2(Bucket="keys")["Contents"]] == [key]
    finally:
        s3.delete_object(Bucket="keys", Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket="keys")


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
