"""HTTP APIs that answer: payloads, answers, routing, signatures, permissions, throttling, logs."""

import http.client
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.server import LocalAws
from tests.reliability import Tally

REGION, ACCOUNT = "eu-west-1", "123456789012"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
# Answers with what its event says: the event itself by default.
ECHO = """
import json
def handler(event, context):
    said = json.loads(event.get("body") or "{}")
    if "fail" in said:
        raise ValueError(said["fail"])
    return said.get("answer", event)
"""


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Aws:
    """The account, with one API before one function."""

    def __init__(self) -> None:
        self.gateway = clients.client("apigatewayv2", REGION)
        self.logs = clients.client("logs", REGION)
        role = clients.client("iam", REGION).create_role(
            RoleName="function", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("index.py", ECHO)
        self.function: str = clients.client("lambda", REGION).create_function(
            FunctionName="echo",
            Runtime="python3.14",
            Handler="index.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": archive.getvalue()},
        )["FunctionArn"]
        self.logs.create_log_group(logGroupName="visits")

    def api(self, *routes: str, source: str = "*/*", **stage: Any) -> tuple[str, str]:
        """Id and address of an API whose routes all lead to the function."""
        api = self.gateway.create_api(Name="api", ProtocolType="HTTP")
        name: str = api["ApiId"]
        integration = self.gateway.create_integration(
            ApiId=name,
            IntegrationType="AWS_PROXY",
            IntegrationUri=self.function,
            PayloadFormatVersion="2.0",
        )
        for route in routes:
            key, _, authorization = route.partition(" as ")
            self.gateway.create_route(
                ApiId=name,
                RouteKey=key,
                AuthorizationType=authorization or "NONE",
                Target=f"integrations/{integration['IntegrationId']}",
            )
        self.gateway.create_stage(ApiId=name, StageName="$default", AutoDeploy=True, **stage)
        clients.client("lambda", REGION).add_permission(
            FunctionName="echo",
            StatementId=name,
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{name}/{source}",
        )
        return name, api["ApiEndpoint"]


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with LocalAws():
        yield Aws()


def ask(
    url: str,
    body: Any = None,
    method: str = "GET",
    *,
    signed: clients.Credentials | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = AWSRequest(method, url, dict(headers or {}), data)
    if signed:
        keys = Credentials(signed.access_key_id, signed.secret_access_key)
        SigV4Auth(keys, "execute-api", REGION).add_auth(request)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=120)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, target, data, dict(request.headers))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text)


def test_request_reaches_the_function_in_format_2(aws: Aws) -> None:
    name, url = aws.api("POST /films/{film}/views")
    got = ask(
        f"{url}/films/a%20b/views?tag=x&tag=y&q=1",
        {},
        "POST",
        headers={"X-Mood": "calm", "Cookie": "a=1; b=2", "User-Agent": "test"},
    )
    assert got.status == 200
    assert got.headers["content-type"] == "application/json"
    event = got.json
    assert event["version"] == "2.0"
    assert event["routeKey"] == "POST /films/{film}/views"
    assert event["rawPath"] == "/films/a b/views"
    assert event["rawQueryString"] == "tag=x&tag=y&q=1"
    assert event["queryStringParameters"] == {"tag": "x,y", "q": "1"}
    assert event["pathParameters"] == {"film": "a b"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-mood"] == "calm"
    assert "cookie" not in event["headers"]
    assert (event["body"], event["isBase64Encoded"]) == ("{}", False)
    context = event["requestContext"]
    assert (context["accountId"], context["apiId"], context["stage"]) == (
        *(ACCOUNT, name, "$default"),
    )
    assert context["http"]["method"] == "POST"
    assert context["http"]["path"] == "/films/a b/views"
    assert context["http"]["userAgent"] == "test"
    assert context["requestId"] == got.headers["apigw-requestid"]
    assert "authorizer" not in context


def test_function_result_becomes_an_http_response(aws: Aws) -> None:
    _, url = aws.api("POST /say")

    def say(answer: Any) -> Answer:
        return ask(f"{url}/say", {"answer": answer}, "POST")

    plain = say("We recommend the user this movie.")
    assert (plain.status, plain.body) == (200, "We recommend the user this movie.")
    whole = say(
        {
            **{"statusCode": 418, "body": "aGk=", "isBase64Encoded": True},
            **{"headers": {"X-Pot": "tea"}, "cookies": ["a=1"]},
        }
    )
    assert (whole.status, whole.body) == (418, "hi")
    assert (whole.headers["x-pot"], whole.headers["set-cookie"]) == ("tea", "a=1")
    assert say({"statusCode": 204}).body == ""
    own = {"Transfer-Encoding": "chunked", "Content-Length": "9", "Connection": "upgrade"}
    assert say({"statusCode": 200, "headers": own, "body": "whole"}).body == "whole"
    failed = ask(f"{url}/say", {"fail": "a secret"}, "POST")
    assert (failed.status, failed.json) == (500, {"message": "Internal Server Error"})


@pytest.mark.parametrize(
    "answer",
    [
        *({"statusCode": status} for status in ("soon", -1, 99, 100, 101, 600, 10**30)),
        *({"statusCode": 200, "headers": {name: "x"}} for name in ("", "a b", "a:b", "a\r\nb")),
        *({"statusCode": 200, "headers": {"X": text}} for text in ("\u20ac", "a\r\nSet-Cookie: b")),
        {"statusCode": 200, "cookies": ["\u20ac"]},
    ],
    ids=str,
)
def test_malformed_result_is_an_error_of_the_gateway(
    aws: Aws, broken: str, tally: Tally, answer: dict[str, Any]
) -> None:
    got = ask(f"{broken}/say", {"answer": answer}, "POST")
    assert (got.status, got.json) == (500, {"message": "Internal Server Error"})
    tally("inputs tried", "malformed results of functions")


@pytest.fixture(scope="module")
def broken(aws: Aws) -> str:
    return aws.api("POST /say")[1]


def test_body_above_the_quota_is_refused(aws: Aws) -> None:
    _, url = aws.api("POST /say")
    refused = ask(f"{url}/say", b"{}" + b" " * 10 * 1024**2, "POST")
    assert (refused.status, refused.json) == (413, {"message": "Request Entity Too Large"})
    assert ask(f"{url}/say", {"answer": "ok"}, "POST").body == "ok"


def test_most_specific_route_answers(aws: Aws) -> None:
    keys = ("GET /a/{x}", "ANY /a/b", "GET /a/b", "GET /{rest+}", "$default")
    _, url = aws.api(*keys)
    for method, path, key in (
        ("GET", "/a/b", "GET /a/b"),
        ("PUT", "/a/b", "ANY /a/b"),
        ("GET", "/a/c", "GET /a/{x}"),
        ("GET", "/a/c/d", "GET /{rest+}"),
        ("DELETE", "/a/c", "$default"),
    ):
        assert ask(url + path, method=method).json["routeKey"] == key, path
    _, narrow = aws.api("GET /only")
    assert ask(f"{narrow}/other").json == {"message": "Not Found"}
    assert ask(f"{narrow}/only", method="PUT").status == 404
    assert ask(f"{url.rsplit('/', 1)[0]}/nosuchapi/only").status == 404


def test_iam_route_requires_a_signature(aws: Aws) -> None:
    _, url = aws.api("GET /mine as AWS_IAM")
    assert (ask(f"{url}/mine").status, ask(f"{url}/mine").json) == (403, {"message": "Forbidden"})
    got = ask(f"{url}/mine", signed=clients.OWNER)
    assert got.status == 200
    who = got.json["requestContext"]["authorizer"]["iam"]
    assert (who["accountId"], who["accessKey"]) == (ACCOUNT, clients.OWNER.access_key_id)
    wrong = clients.Credentials(clients.OWNER.access_key_id, "another")
    assert ask(f"{url}/mine", signed=wrong).status == 403


def test_iam_route_requires_the_permission(aws: Aws) -> None:
    name, url = aws.api("GET /films/{film} as AWS_IAM")
    iam = clients.client("iam", REGION)
    iam.create_user(UserName="anna")
    key = iam.create_access_key(UserName="anna")["AccessKey"]
    anna = clients.Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    assert ask(f"{url}/films/1", signed=anna).json == {"message": "Forbidden"}
    statement = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{name}/$default/GET/films/1",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="anna", PolicyName="films", PolicyDocument=document)
    got = ask(f"{url}/films/1", signed=anna)
    assert got.status == 200
    assert got.json["requestContext"]["authorizer"]["iam"]["userArn"].endswith(":user/anna")
    assert ask(f"{url}/films/2", signed=anna).status == 403


def test_route_requires_the_functions_permission(aws: Aws) -> None:
    name, url = aws.api("GET /open", "GET /shut", source="*/*/open")
    assert ask(f"{url}/open").status == 200
    aws.gateway.create_route(ApiId=name, RouteKey="GET /idle")  # leads nowhere
    for path in ("shut", "idle"):
        got = ask(f"{url}/{path}")
        assert (got.status, got.json) == (500, {"message": "Internal Server Error"})


def test_requests_above_the_burst_are_refused_and_logged(aws: Aws) -> None:
    form = '{"at":"$context.routeKey","status":$context.status,"why":"$context.error.message"}'
    name, url = aws.api(
        "GET /a",
        DefaultRouteSettings={"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 3},
        AccessLogSettings={
            "DestinationArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:visits",
            "Format": form,
        },
    )
    assert [ask(f"{url}/a").status for _ in range(5)] == [200, 200, 200, 429, 429]
    assert ask(f"{url}/a").json == {"message": "Too Many Requests"}
    lines = [
        json.loads(event["message"])
        for event in aws.logs.filter_log_events(logGroupName="visits")["events"]
    ]
    assert [line["status"] for line in lines] == [200, 200, 200, 429, 429, 429]
    assert lines[0] == {"at": "GET /a", "status": 200, "why": "-"}
    assert lines[3]["why"] == "Too Many Requests"
    settings = {"ThrottlingRateLimit": 1000, "ThrottlingBurstLimit": 1000}
    aws.gateway.update_stage(ApiId=name, StageName="$default", DefaultRouteSettings=settings)
    assert ask(f"{url}/a").status == 200
    assert aws.gateway.get_stage(ApiId=name, StageName="$default")["AccessLogSettings"]


def test_unsupported_settings_are_refused_by_name(aws: Aws) -> None:
    name, _ = aws.api()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("create_api", {"Name": "x", "ProtocolType": "WEBSOCKET"}),
        ("create_api", {"Name": "x", "ProtocolType": "HTTP", "CorsConfiguration": {"MaxAge": 1}}),
        ("create_stage", {"ApiId": name, "StageName": "test", "AutoDeploy": True}),
        ("create_route", {"ApiId": name, "RouteKey": "GET /", "AuthorizationType": "JWT"}),
        ("create_integration", {"ApiId": name, "IntegrationType": "HTTP_PROXY"}),
        *(
            (
                "update_stage",
                {
                    **{"ApiId": name, "StageName": "$default"},
                    "AccessLogSettings": {"DestinationArn": arn, "Format": "$context.status"},
                },
            )
            for arn in (
                "x:logs:",
                f"arn:aws:logs:mars:{ACCOUNT}:log-group:visits",
                f"arn:aws:logs:{REGION}:999999999999:log-group:visits",
            )
        ),
        ("create_vpc_link", {"Name": "x", "SubnetIds": ["a"]}),
    ]
    for call, parameters in calls:
        with pytest.raises(ClientError) as caught:
            getattr(aws.gateway, call)(**parameters)
        assert caught.value.response["Error"]["Code"] == "NotImplementedByLocalAws", call


def test_requests_are_counted_in_cloudwatch(aws: Aws) -> None:
    name, url = aws.api("POST /films")
    for body, path in (({}, "films"), ({"fail": "now"}, "films"), ({}, "nowhere")):
        ask(f"{url}/{path}", body, "POST")
    now = datetime.now(UTC)

    def total(metric: str) -> float:
        found = clients.client("cloudwatch", REGION).get_metric_statistics(
            Namespace="AWS/ApiGateway",
            MetricName=metric,
            Dimensions=[{"Name": "ApiId", "Value": name}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in found))

    assert (total("Count"), total("4xx"), total("5xx")) == (3, 1, 1)
    assert total("Latency") > 0


def test_rest_api_operations_share_the_host(aws: Aws) -> None:
    second, first = aws.gateway, clients.client("apigateway", REGION)
    made = second.create_api(Name="second", ProtocolType="HTTP")["ApiId"]
    rest = first.create_rest_api(name="first")["id"]
    assert [one["name"] for one in first.get_rest_apis()["items"]] == ["first"]
    names = [one["Name"] for one in second.get_apis()["Items"]]
    assert "second" in names and "first" not in names
    first.delete_rest_api(restApiId=rest)
    second.delete_api(ApiId=made)
