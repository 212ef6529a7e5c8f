"""AWS Lambda: configurations, invocations, and how functions fail."""

import base64
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.cloud import Cloud, documented, policy, refused

_API = "https://docs.aws.amazon.com/lambda/latest/api/API_"
_GUIDE = "https://docs.aws.amazon.com/lambda/latest/dg/"
_ERRORS = _GUIDE + "python-exceptions.html"
PROBE = """
import os, sys, time

def handler(event, context):
    match event["do"]:
        case "return":
            return event
        case "raise":
            raise ValueError("no " + event["what"])
        case "exit":
            sys.exit(3)
        case "set":
            return {1, 2}
        case "sleep":
            time.sleep(5)
        case "large":
            return "x" * (6 * 1024 * 1024 + 101)
        case "context":
            return [context.function_name, context.memory_limit_in_mb, context.function_version]
        case "environment":
            names = "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "COLOUR", "AWS_EXECUTION_ENV"
            return [os.environ.get(name) for name in names]
        case "log":
            print("a line")
"""
BROKEN = {
    "Runtime.HandlerNotFound": ("handler.missing", "def handler(e, c): pass"),
    "Runtime.ImportModuleError": ("handler.handler", "import no_such_module"),
    "Runtime.UserCodeSyntaxError": ("handler.handler", "def handler(:"),
}


def zipped(source: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        entry = zipfile.ZipInfo("handler.py")
        entry.external_attr = 0o644 << 16
        made.writestr(entry, source)
    return archive.getvalue()


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Any:
    return cloud.client("lambda")


@pytest.fixture(scope="module")
def deploy(cloud: Cloud, api: Any, role: Callable[..., str]) -> Callable[..., str]:
    """Create a function; returns its name."""
    logs = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    arn = role("function", policy(logs), service="lambda.amazonaws.com")

    def make(name: str, source: str, handler: str = "handler.handler", **more: Any) -> str:
        name = f"{cloud.prefix}-{name}"
        request = {
            "FunctionName": name,
            "Role": arn,
            "Handler": handler,
            "Runtime": "python3.13",
            "Code": {"ZipFile": zipped(source)},
            **more,
        }
        cloud.settled(lambda: api.create_function(**request))
        cloud.undo(name, lambda: api.delete_function(FunctionName=name))
        group, client = f"/aws/lambda/{name}", cloud.client("logs")
        cloud.undo(group, lambda: client.delete_log_group(logGroupName=group))
        api.get_waiter("function_active_v2").wait(FunctionName=name)
        return name

    return make


@pytest.fixture(scope="module")
def probe(deploy: Callable[..., str]) -> str:
    return deploy("probe", PROBE, Timeout=2, Environment={"Variables": {"COLOUR": "blue"}})


def invoked(api: Any, name: str, **event: Any) -> tuple[Any, str | None]:
    told = api.invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(told["Payload"].read() or "null"), told.get("FunctionError")


@documented(_API + "CreateFunction.html")
def test_function_has_the_documented_defaults(api: Any, deploy: Callable[..., str]) -> None:
    told = api.get_function_configuration(FunctionName=deploy("defaults", PROBE))
    assert (told["Timeout"], told["MemorySize"], told["Version"]) == (3, 128, "$LATEST")
    assert (told["PackageType"], told["Architectures"]) == ("Zip", ["x86_64"])
    assert told["EphemeralStorage"] == {"Size": 512}
    assert told["TracingConfig"] == {"Mode": "PassThrough"}


@documented(_API + "Invoke.html")
def test_invocation_returns_the_handlers_result(api: Any, probe: str) -> None:
    told = api.invoke(FunctionName=probe, Payload=b'{"do": "return", "n": [1, 2.5, null]}')
    assert json.loads(told["Payload"].read()) == {"do": "return", "n": [1, 2.5, None]}
    assert (told["StatusCode"], told["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in told


@documented(_GUIDE + "python-context.html")
def test_context_tells_the_function(api: Any, probe: str) -> None:
    assert invoked(api, probe, do="context") == ([probe, 128, "$LATEST"], None) or invoked(
        api, probe, do="context"
    ) == ([probe, "128", "$LATEST"], None)


@documented(_GUIDE + "configuration-envvars.html")
def test_environment_has_lambdas_variables_and_ones_own(cloud: Cloud, api: Any, probe: str) -> None:
    told, _ = invoked(api, probe, do="environment")
    assert told == [probe, cloud.region, "blue", "AWS_Lambda_python3.13"]


@documented(_ERRORS)
def test_exception_is_told_with_type_message_and_trace(api: Any, probe: str) -> None:
    told, error = invoked(api, probe, do="raise", what="sugar")
    assert error == "Unhandled"
    assert (told["errorType"], told["errorMessage"]) == ("ValueError", "no sugar")
    assert "raise ValueError" in "".join(told["stackTrace"])
    assert told["requestId"]


@documented(_ERRORS)
def test_result_that_is_no_json_is_a_marshal_error(api: Any, probe: str) -> None:
    told, error = invoked(api, probe, do="set")
    assert (told["errorType"], error) == ("Runtime.MarshalError", "Unhandled")
    assert "set is not JSON serializable" in told["errorMessage"]


@documented(_GUIDE + "runtimes-custom.html")
def test_process_that_exits_is_an_exit_error(api: Any, probe: str) -> None:
    told, error = invoked(api, probe, do="exit")
    assert (told["errorType"], error) == ("Runtime.ExitError", "Unhandled")
    assert "exit status 3" in told["errorMessage"]


@documented(_GUIDE + "configuration-timeout.html")
def test_call_over_the_timeout_ends(api: Any, probe: str) -> None:
    told, error = invoked(api, probe, do="sleep")
    assert error == "Unhandled"
    assert "Task timed out after 2.00 seconds" in told["errorMessage"]


@documented(_GUIDE + "gettingstarted-limits.html")
def test_response_over_six_megabytes_is_an_error(api: Any, probe: str) -> None:
    told, error = invoked(api, probe, do="large")
    assert (told["errorType"], error) == ("Function.ResponseSizeTooLarge", "Unhandled")


@documented(_API + "Invoke.html")
def test_log_tail_has_start_end_and_report(api: Any, probe: str) -> None:
    told = api.invoke(FunctionName=probe, Payload=b'{"do": "log"}', LogType="Tail")
    lines = base64.b64decode(told["LogResult"]).decode().splitlines()
    starts = [line.split(" ")[0] for line in lines if line]
    assert [one for one in starts if one.isupper()][-3:] == ["START", "END", "REPORT"]
    assert "a line" in lines


@documented(_API + "Invoke.html")
@pytest.mark.parametrize(("kind", "status"), [("Event", 202), ("DryRun", 204)])
def test_invocation_of_another_type_is_accepted(
    api: Any, probe: str, kind: str, status: int
) -> None:
    told = api.invoke(FunctionName=probe, InvocationType=kind, Payload=b'{"do": "return"}')
    assert told["StatusCode"] == status
    assert told["Payload"].read() == b""


@documented(_ERRORS)
@pytest.mark.parametrize("kind", BROKEN)
def test_function_that_cannot_start_tells_why(
    api: Any, deploy: Callable[..., str], kind: str
) -> None:
    handler, source = BROKEN[kind]
    name = deploy(kind.split(".")[1], source, handler)
    told, error = invoked(api, name)
    assert (told["errorType"], error) == (kind, "Unhandled")


REFUSED: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "a missing function": (
        *("GetFunction", "ResourceNotFoundException", "get_function"),
        {"FunctionName": "missing-function"},
    ),
    "the invocation of a missing function": (
        *("Invoke", "ResourceNotFoundException", "invoke"),
        {"FunctionName": "missing-function"},
    ),
    "the deletion of a missing function": (
        *("DeleteFunction", "ResourceNotFoundException", "delete_function"),
        {"FunctionName": "missing-function"},
    ),
    "a missing version": (
        *("Invoke", "ResourceNotFoundException", "invoke"),
        {"Qualifier": "77"},
    ),
    "a missing alias": (
        *("GetAlias", "ResourceNotFoundException", "get_alias"),
        {"Name": "missing"},
    ),
    "a payload that is no JSON": (
        *("Invoke", "InvalidRequestContentException", "invoke"),
        {"Payload": b"{"},
    ),
    "a payload over six megabytes": (
        *("Invoke", "RequestTooLargeException", "invoke"),
        {"Payload": b'"' + b"x" * 6_291_600 + b'"'},
    ),
    "the policy of a function without one": (
        *("GetPolicy", "ResourceNotFoundException", "get_policy"),
        {},
    ),
    "a variable with a reserved name": (
        *("UpdateFunctionConfiguration", "InvalidParameterValueException"),
        *("update_function_configuration", {"Environment": {"Variables": {"AWS_REGION": "x"}}}),
    ),
    "a role that cannot be assumed": (
        *("UpdateFunctionConfiguration", "InvalidParameterValueException"),
        *("update_function_configuration", {"Role": "UNTRUSTED"}),
    ),
    "code that is no zip file": (
        *("UpdateFunctionCode", "InvalidParameterValueException", "update_function_code"),
        {"ZipFile": b"no zip"},
    ),
    "a missing layer": (
        *("GetLayerVersion", "ResourceNotFoundException", "get_layer_version"),
        {"LayerName": "missing", "VersionNumber": 1},
    ),
}


@pytest.mark.parametrize(
    ("code", "operation", "request_"),
    [
        pytest.param(code, operation, request, id=case, marks=documented(f"{_API}{page}.html"))
        for case, (page, code, operation, request) in REFUSED.items()
    ],
)
def test_request_is_refused(
    api: Any,
    probe: str,
    role: Callable[..., str],
    code: str,
    operation: str,
    request_: dict[str, Any],
) -> None:
    if request_.get("Role"):
        request_ = {"Role": role("untrusted")}
    name = {} if "LayerName" in request_ else {"FunctionName": probe}
    with refused(code):
        getattr(api, operation)(**name | request_)


@documented(_API + "CreateFunction.html")
def test_function_that_exists_is_refused(api: Any, probe: str, deploy: Callable[..., str]) -> None:
    with refused("ResourceConflictException", "already exist"):
        deploy("probe", PROBE)


@documented(_API + "AddPermission.html")
def test_statement_that_exists_is_refused(api: Any, probe: str) -> None:
    request = {
        "FunctionName": probe,
        "StatementId": "once",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
    }
    told = json.loads(api.add_permission(**request)["Statement"])
    assert told["Principal"] == {"Service": "events.amazonaws.com"}
    with refused("ResourceConflictException"):
        api.add_permission(**request)
