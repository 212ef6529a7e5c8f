"""The data plane of HTTP APIs: routes requests to functions.

Payloads in format 2.0, errors and routing as documented:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
"""

import base64
import contextlib
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from weakref import WeakKeyDictionary

from moto.apigatewayv2.models import Api, Route, Stage, apigatewayv2_backends
from moto.awslambda.models import lambda_backends
from moto.core.exceptions import ServiceException
from moto.core.request import Request
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import logs_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from local_aws.api import AwsError
from local_aws.apigatewayv2.models import PATH
from local_aws.awslambda.engine import CONCURRENCY, TooManyRequests
from local_aws.awslambda.models import Invocation, LocalLambdaBackend
from local_aws.cloudwatch.metrics import report
from local_aws.documents import read_json
from local_aws.iam import access, policies, signatures
from local_aws.iam.authentication import caller_of
from local_aws.sts.models import AccessDenied

_FUNCTION: Final = re.compile(r"arn:[\w-]+:lambda:[\w-]+:\d+:function:[\w-]+(?::[\w$-]+)?")
_VARIABLE: Final = re.compile(r"\$context\.([\w.]+)")
_STAGE: Final = "$default"
_LAST_STATUS: Final = 599
_TOKEN: Final = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
# headers that the server writes, whatever a function says
_OF_THE_CONNECTION: Final = frozenset(
    {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
_PAYLOAD: Final = 10 * 1024**2  # maximum bytes of a request's body
# a function that runs on after its call was answered keeps a thread: there are more than may run
_calls = ThreadPoolExecutor(2 * CONCURRENCY, thread_name_prefix="http-api")


class _Refused(Exception):
    """An error response of the gateway itself."""

    def __init__(self, status: int, message: str, why: str = "") -> None:
        super().__init__(message)
        self.status, self.why = status, why


@dataclass
class _Visit:
    """The context of a request.

    Attributes:
        context: the variables of access logs, by their names in `$context`.
    """

    request: Request
    path: str
    api: Api
    account: str
    region: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    context: dict[str, Any] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def milliseconds(self) -> float:
        """The elapsed time."""
        return (time.monotonic() - self._began) * 1000


class Gateway:
    """WSGI middleware that serves HTTP APIs in front of the server's application."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(  # noqa: D102
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith(PATH):
            return self._app(environ, start_response)
        return answer(Request(environ))(environ, start_response)


def answer(request: Request) -> Response:
    """Answer a request to an HTTP API."""
    api_id, _, rest = request.path.removeprefix(PATH).partition("/")
    visit = _visit(request, api_id, f"/{rest}")
    if visit is None:  # on AWS this host does not exist
        return _message(404, "Not Found")
    stage = visit.api.stages[_STAGE]
    try:
        response = _answered(visit, stage)
    except _Refused as refused:
        visit.context["integrationErrorMessage"] = refused.why or None
        visit.context["error.message"] = str(refused)
        response = _message(refused.status, str(refused))
    response.headers["apigw-requestid"] = visit.id
    _log(visit, stage, response)
    values = {
        "Count": (1.0, "Count"),
        "4xx": (float(400 <= response.status_code < 500), "Count"),
        "5xx": (float(response.status_code >= 500), "Count"),
        "Latency": (visit.milliseconds(), "Milliseconds"),
    }
    report(visit.account, visit.region, "AWS/ApiGateway", {"ApiId": api_id}, values)
    return response


def _visit(request: Request, api_id: str, path: str) -> _Visit | None:
    for account, regions in apigatewayv2_backends.items():
        for region, backend in regions.items():
            api = backend.apis.get(api_id)
            if api is not None and _STAGE in api.stages:
                return _Visit(request, path, api, account, region)
    return None


def _answered(visit: _Visit, stage: Stage) -> Response:
    if (visit.request.content_length or 0) > _PAYLOAD:
        raise _Refused(413, "Request Entity Too Large")
    found = _route(visit.api, visit.request.method, visit.path)
    if found is None:
        raise _Refused(404, "Not Found")
    route, parameters = found
    visit.context["routeKey"] = route.route_key
    if not _bucket(stage).take():
        raise _Refused(429, "Too Many Requests")
    authorizer = _authorized(visit) if route.authorization_type == "AWS_IAM" else None
    try:
        integration = visit.api.get_integration((route.target or "").removeprefix("integrations/"))
        function = _FUNCTION.search(integration.integration_uri)
        assert function, "checked when the integration was made"
        _check_permission(visit, route, function[0])
        event = json.dumps(_event(visit, route, parameters, authorizer)).encode()
        call = _calls.submit(_backend(visit).run, function[0], None, event, "RequestResponse")
        done = call.result((integration.timeout_in_millis or 30_000) / 1000)
    except TooSlow:
        raise _Refused(503, "Service Unavailable", "the function took too long") from None
    except TooManyRequests as error:
        raise _Refused(503, "Service Unavailable", str(error)) from None
    except (ServiceException, HTTPException) as error:  # no integration, no function
        raise _Refused(500, "Internal Server Error", str(error)) from None
    return _response(done)


def _variables(template: str, path: str) -> dict[str, str] | None:
    """The values of a route's variables in a path; None if the route does not match it.

    A variable is a whole segment; a greedy one is the last and takes all that is left.
    """
    wanted, given = template.split("/"), path.split("/")
    values: dict[str, str] = {}
    for at, part in enumerate(wanted):
        name = part[1:-1] if part.startswith("{") and part.endswith("}") else None
        if name and name.endswith("+"):
            values[name[:-1]] = "/".join(given[at:])
            return values if at == len(wanted) - 1 and values[name[:-1]] else None
        if at >= len(given) or (not given[at] if name else part != given[at]):
            return None
        if name:
            values[name] = given[at]
    return values if len(wanted) == len(given) else None


def _route(api: Api, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The most specific route that matches, and its parameters."""
    found: list[tuple[tuple[int, int, bool], Route, dict[str, str]]] = []
    default = None
    for route in api.routes.values():
        if route.route_key == "$default":
            default = (route, dict[str, str]())
            continue
        verb, _, template = route.route_key.partition(" ")
        values = _variables(template, path)
        if values is not None and verb in (method, "ANY"):
            greedy = int(template.endswith("+}"))
            found.append(((greedy, len(values), verb == "ANY"), route, values))
    if not found:
        return default
    _, best, values = min(found, key=lambda one: one[0])
    return best, values


class _Bucket:
    """A token bucket for throttling, with a burst and a rate per second."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether another request is allowed now."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


_buckets: WeakKeyDictionary[Stage, _Bucket] = WeakKeyDictionary()


def _bucket(stage: Stage) -> _Bucket:
    settings = stage.default_route_settings or {}
    rate = float(settings.get("throttlingRateLimit", 10_000))  # the account's default
    burst = float(settings.get("throttlingBurstLimit", 5_000))
    return _buckets.setdefault(stage, _Bucket(rate, burst))


def _authorized(visit: _Visit) -> dict[str, Any]:
    """The caller's identity, as passed to functions."""
    signatures.keep_body(visit.request)
    try:
        signed = signatures.read(visit.request, "execute-api")
    except ServiceException as error:
        raise _Refused(403, str(error)) from None
    if signed is None or signed.scope[2:3] != ("execute-api",):
        raise _Refused(403, "Forbidden")
    asked = policies.Request(
        "execute-api:Invoke",
        _place(visit, visit.request.method, visit.path),
        context={"aws:RequestedRegion": visit.region},
    )
    try:
        caller = caller_of(signed, visit.request, visit.account, visit.region)
        why = access.refusal(caller, asked)
    except ServiceException as error:  # a key that was valid once
        why = str(error)
    if why:
        raise _Refused(403, "Forbidden", why)
    backend = sts_backends[visit.account][get_partition(visit.region)]
    user_id, arn, account = backend.get_caller_identity(signed.access_key, visit.region)
    visit.context["identity.userArn"] = visit.context["identity.caller"] = arn
    return {
        "iam": {
            "accessKey": signed.access_key,
            "accountId": account,
            "callerId": user_id,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": arn,
            "userId": user_id,
        }
    }


def _check_permission(visit: _Visit, route: Route, function_arn: str) -> None:
    """Check that the function's policy allows this route of the API."""
    verb, _, template = route.route_key.partition(" ")
    verb, template = (verb, template) if template else ("*", f"/{_STAGE}")
    try:
        place = _place(visit, verb, template)
        _backend(visit).check_permission(function_arn, "apigateway", place)
    except AccessDenied:
        why = "The IAM role configured on the integration or API Gateway doesn't have permissions"
        raise _Refused(500, "Internal Server Error", f"{why} to call the integration.") from None


def _place(visit: _Visit, verb: str, path: str) -> str:
    """The ARN of a method and path, as in policies."""
    owner = f"arn:{get_partition(visit.region)}:execute-api:{visit.region}:{visit.account}"
    return f"{owner}:{visit.api.api_id}/{_STAGE}/{verb}{path}"


def _backend(visit: _Visit) -> LocalLambdaBackend:
    backend = lambda_backends[visit.account][visit.region]
    assert isinstance(backend, LocalLambdaBackend)
    return backend


def _event(
    visit: _Visit, route: Route, parameters: Mapping[str, str], authorizer: dict[str, Any] | None
) -> dict[str, Any]:
    request, body = visit.request, visit.request.get_data()
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    query = {name: ",".join(request.args.getlist(name)) for name in request.args}
    headers = {name.lower(): value for name, value in request.headers.items() if name != "Cookie"}
    cookies = [part.strip() for part in request.headers.get("Cookie", "").split(";") if part]
    optional = {
        "cookies": cookies,
        "queryStringParameters": query,
        "pathParameters": dict(parameters),
        "body": text,
    }
    return {
        "version": "2.0",
        "routeKey": route.route_key,
        "rawPath": visit.path,
        "rawQueryString": request.query_string.decode("latin-1"),
        "headers": headers,
        "requestContext": {
            "accountId": visit.account,
            "apiId": visit.api.api_id,
            **({"authorizer": authorizer} if authorizer else {}),
            "domainName": request.host,
            "domainPrefix": visit.api.api_id,
            "http": {
                "method": request.method,
                "path": visit.path,
                "protocol": request.environ["SERVER_PROTOCOL"],
                "sourceIp": request.remote_addr,
                "userAgent": request.headers.get("User-Agent", ""),
            },
            "requestId": visit.id,
            "routeKey": route.route_key,
            "stage": _STAGE,
            "time": f"{visit.began:%d/%b/%Y:%H:%M:%S +0000}",
            "timeEpoch": int(visit.began.timestamp() * 1000),
        },
        **{name: value for name, value in optional.items() if value},
        "isBase64Encoded": encoded,
    }


def _response(done: Invocation) -> Response:
    """Convert a function's result to an HTTP response; without a status code, it is the body."""
    try:
        told = read_json(done.payload)
        if done.error:
            raise _Refused(500, "Internal Server Error", str(told.get("errorMessage", told)))
        if not isinstance(told, dict) or "statusCode" not in told:
            text = told if isinstance(told, str) else done.payload
            return Response(text, 200, content_type="application/json")
        body = told.get("body") or ""
        content = base64.b64decode(body) if told.get("isBase64Encoded") else str(body).encode()
        status = int(told["statusCode"])
        if not HTTPStatus.OK <= status <= _LAST_STATUS:
            raise ValueError(f"the status {status}")
        response = Response(content, status)
        response.headers["Content-Type"] = "text/plain;charset=UTF-8"
        for name, value in (told.get("headers") or {}).items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"the header {name!r}")
            str(value).encode("latin-1")
            if name.lower() not in _OF_THE_CONNECTION:
                response.headers[name] = str(value)
        for cookie in told.get("cookies") or ():
            str(cookie).encode("latin-1")
            response.headers.add("Set-Cookie", str(cookie))
    except (AttributeError, TypeError, ValueError) as error:
        raise _Refused(500, "Internal Server Error", f"a malformed answer: {error}") from None
    return response


def _message(status: int, words: str) -> Response:
    return Response(json.dumps({"message": words}), status, content_type="application/json")


def _log(visit: _Visit, stage: Stage, response: Response) -> None:
    """Write a line to the access log, if there is one."""
    settings = stage.access_log_settings
    if not settings:
        return
    request, now = visit.request, datetime.now(UTC)
    context = {
        "accountId": visit.account,
        "apiId": visit.api.api_id,
        "domainName": request.host,
        "httpMethod": request.method,
        "identity.sourceIp": request.remote_addr,
        "identity.userAgent": request.headers.get("User-Agent"),
        "path": visit.path,
        "protocol": request.environ["SERVER_PROTOCOL"],
        "requestId": visit.id,
        "requestTime": f"{visit.began:%d/%b/%Y:%H:%M:%S +0000}",
        "requestTimeEpoch": int(visit.began.timestamp()),
        "responseLatency": int(visit.milliseconds()),
        "responseLength": response.content_length,
        "stage": _STAGE,
        "status": response.status_code,
        **visit.context,
    }
    line = _VARIABLE.sub(lambda name: _shown(context.get(name[1])), settings["format"])
    _, _, _, region, account, _, group = settings["destinationArn"].split(":", 6)
    backend = logs_backends[account][region]
    stream = f"{visit.api.api_id}/{now:%Y-%m-%d-%H}"
    # do not recreate a deleted group; what its key may not encrypt is lost
    with contextlib.suppress(ResourceNotFoundException, AwsError):
        group = group.removesuffix(":*")
        backend.ensure_log_stream(group, stream)
        event = {"timestamp": int(now.timestamp() * 1000), "message": line}
        backend.put_log_events(group, stream, [event])


def _shown(value: object) -> str:
    """Format a variable for the log; quotes are escaped for JSON formats."""
    return "-" if value is None else json.dumps(str(value))[1:-1]
