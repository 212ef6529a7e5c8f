"""Errors of functions are reported as by Lambda."""

from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_exception_is_described(aws: Any) -> None:
    name = aws.deploy("def handler(e, c):\n    inner()\ndef inner():\n    raise KeyError('k')\n")
    answer = aws.invoke(name)
    assert answer.error == "Unhandled"
    trace = answer.payload.pop("stackTrace")
    assert answer.payload == {
        "errorMessage": "'k'",
        "errorType": "KeyError",
        "requestId": answer.request_id,
    }
    assert ["line 2, in handler" in trace[0], "line 4, in inner" in trace[1]] == [True, True]
    assert len(trace) == 2
    assert "[ERROR] KeyError: 'k'\nTraceback (most recent call last):\n  File" in answer.log
    assert aws.invoke(name).error == "Unhandled"  # the process goes on


@pytest.mark.parametrize(
    ("source", "handler", "error_type", "message"),
    [
        (
            "import nowhere",
            "index.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'index': No module named 'nowhere'",
        ),
        (
            "",
            "index.handler",
            "Runtime.HandlerNotFound",
            "Handler 'handler' missing on module 'index'",
        ),
        (
            "def handler(:",
            "index.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'index': invalid syntax (index.py, line 1)",
        ),
        (
            "",
            "handler",
            "Runtime.MalformedHandlerName",
            "Bad handler 'handler': not enough values to unpack (expected 2, got 1)",
        ),
        ("raise ValueError('early')", "index.handler", "ValueError", "early"),
    ],
    ids=["import", "handler", "syntax", "name", "module"],
)
def test_failed_initialisation_is_described(
    aws: Any, source: str, handler: str, error_type: str, message: str
) -> None:
    name = aws.deploy(source, Handler=handler)
    answer = aws.invoke(name)
    assert answer.error == "Unhandled"
    assert (answer.payload["errorType"], answer.payload["errorMessage"]) == (error_type, message)
    lines = aws.log(f"/aws/lambda/{name}")
    assert any(line.startswith(f"[ERROR] {error_type}: {message}") for line in lines)
    assert any(line.startswith("INIT_REPORT Init Duration: ") for line in lines)


def test_result_that_is_not_json_is_refused(aws: Any) -> None:
    name = aws.deploy("def handler(e, c):\n    return {1, 2}\n")
    answer = aws.invoke(name)
    assert answer.payload["errorType"] == "Runtime.MarshalError"
    assert answer.payload["errorMessage"] == (
        "Unable to marshal response: Object of type set is not JSON serializable"
    )


def test_timeout_ends_the_process(aws: Any) -> None:
    source = (
        "import time\n"
        "CALLS = []\n"
        "def handler(e, c):\n"
        "    CALLS.append(1)\n"
        "    print('waiting')\n"
        "    time.sleep(e)\n"
        "    return len(CALLS)\n"
    )
    name = aws.deploy(source, Timeout=1)
    assert aws.invoke(name, 0).payload == 1
    answer = aws.invoke(name, 30)
    assert answer.error == "Unhandled"
    assert answer.payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {answer.request_id} Error: Task timed out after 1.00 seconds",
    }
    lines = answer.log.splitlines()
    assert lines[1] == "waiting"
    assert lines[2].endswith(f" {answer.request_id} Task timed out after 1.00 seconds")
    assert "Status: timeout" in lines[-1]
    assert aws.invoke(name, 0).payload == 1  # a new process, which remembers nothing


def test_exceeded_memory_ends_the_process(aws: Any) -> None:
    source = (
        "import time\n"
        "def handler(e, c):\n"
        "    held = b'x' * (e << 20)\n"
        "    time.sleep(1)\n"
        "    return len(held) >> 20\n"
    )
    name = aws.deploy(source, MemorySize=128)
    assert aws.invoke(name, 20).payload == 20
    answer = aws.invoke(name, 300)
    assert answer.payload["errorType"] == "Runtime.OutOfMemory"
    assert answer.payload["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert "Max Memory Used: 128 MB" in answer.log


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("sys.exit(3)", "Runtime exited with error: exit status 3"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 11)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_exit_is_reported(aws: Any, how: str, words: str) -> None:
    name = aws.deploy(f"import os, sys\ndef handler(e, c):\n    print('last', end='')\n    {how}\n")
    answer = aws.invoke(name)
    assert answer.payload == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {answer.request_id} Error: {words}",
    }
    if how.startswith("sys"):
        assert "\nlast\n" in answer.log  # what was written before is not lost


def test_slow_start_counts_against_the_timeout(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_aws.awslambda.sandbox.INIT_SECONDS", 0.5)
    name = aws.deploy("import time\ntime.sleep(60)\ndef handler(e, c):\n    pass\n", Timeout=1)
    answer = aws.invoke(name)
    assert answer.payload["errorType"] == "Sandbox.Timedout"
    lines = aws.log(f"/aws/lambda/{name}")
    assert "INIT_REPORT Init Duration: 500.00 ms\tPhase: init\tStatus: timeout" in lines


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"Runtime": "python3.6"}, "InvalidParameterValue", "python3.6 is no longer supported"),
        ({"Runtime": "python9.9"}, "InvalidParameterValue", "Value python9.9 at 'runtime' failed"),
        ({"Timeout": 901}, "ValidationException", "less than or equal to 900"),
        ({"FunctionName": "a b"}, "ValidationException", "'a b' at 'functionName' failed"),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            "InvalidParameterValue",
            "Reserved keys used in this request: AWS_REGION",
        ),
        (
            {"Environment": {"Variables": {"BIG": "x" * 5000}}},
            "InvalidParameterValue",
            "exceeded the 4KB limit",
        ),
        (
            {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:eu-west-1:123456789012:q"}},
            "NotImplementedByLocalAws",
            "DeadLetterConfig",
        ),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "NotImplementedByLocalAws", "SnapStart"),
        (
            {"LoggingConfig": {"LogFormat": "Text", "SystemLogLevel": "WARN"}},
            "InvalidParameterValue",
            "you must set LogFormat to JSON",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_invalid_function_is_refused_at_creation(
    aws: Any, settings: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(ClientError) as caught:
        aws.deploy("", **settings)
    error = caught.value.response["Error"]
    assert error["Code"].startswith(code)
    assert words in error["Message"]


def test_missing_or_invalid_zip_is_refused(aws: Any) -> None:
    client = aws.client("lambda")
    settings = {"Role": aws.role, "Runtime": "python3.13", "Handler": "a.b"}
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="unzip"):
        client.create_function(FunctionName="none", Code={"ZipFile": b"no zip"}, **settings)
    aws.client("s3").create_bucket(
        Bucket="code", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="NoSuchKey"):
        client.create_function(
            FunctionName="none", Code={"S3Bucket": "code", "S3Key": "no"}, **settings
        )
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="NoSuchBucket"):
        client.publish_layer_version(LayerName="l", Content={"S3Bucket": "none", "S3Key": "no"})
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="unzip"):
        client.publish_layer_version(LayerName="l", Content={"ZipFile": b"no zip"})
    assert client.list_layers()["Layers"] == []


def test_unsupported_settings_are_refused(aws: Any) -> None:
    name = aws.deploy("")
    client = aws.client("lambda")
    destination = {"OnSuccess": {"Destination": "arn:aws:sqs:eu-west-1:123456789012:q"}}
    refused: list[tuple[str, dict[str, Any]]] = [
        ("create_function_url_config", {"AuthType": "NONE"}),
        ("put_function_event_invoke_config", {"DestinationConfig": destination}),
        (
            "put_provisioned_concurrency_config",
            {"Qualifier": "1", "ProvisionedConcurrentExecutions": 1},
        ),
    ]
    for call, parameters in refused:
        with pytest.raises(ClientError, match="NotImplementedByLocalAws"):
            getattr(client, call)(FunctionName=name, **parameters)
