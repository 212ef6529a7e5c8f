"""Invoking a function through the API: its own process, its own surroundings, its own log."""

import json
import os
import re
import select
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_aws.awslambda.logs import LogStream
from local_aws.awslambda.sandbox import Sandbox

PROBE = """
import importlib, logging, os, sys, time

STARTED = time.time_ns()

def handler(event, context):
    kind = event["do"]
    if kind == "context":
        return {
            "id": context.aws_request_id, "name": context.function_name,
            "memory": context.memory_limit_in_mb, "arn": context.invoked_function_arn,
            "group": context.log_group_name, "stream": context.log_stream_name,
            "version": context.function_version, "left": context.get_remaining_time_in_millis(),
            "custom": context.client_context and context.client_context.custom,
        }
    if kind == "environment":
        return {"environ": dict(os.environ), "path": sys.path, "cwd": os.getcwd()}
    if kind == "import":
        try:
            return importlib.import_module(event["name"]).__name__
        except ImportError:
            return None
    if kind == "identity":
        import boto3
        client = boto3.client("sts")
        return {"arn": client.get_caller_identity()["Arn"], "region": client.meta.region_name}
    if kind == "process":
        time.sleep(event.get("sleep", 0))
        return [os.getpid(), STARTED]
    if kind == "log":
        print("printed")
        logging.warning("two\\nlines")
        logging.getLogger("app").info("unseen")
        os.system("echo from a child")
        sys.stderr.write("no line end")
    return None
"""


@pytest.fixture(scope="module")
def probe(aws: Any) -> str:
    name: str = aws.deploy(PROBE, Environment={"Variables": {"COLOUR": "blue"}}, MemorySize=256)
    return name


def test_function_has_the_boto3_of_lambdas_runtime(aws: Any) -> None:
    """Not this environment's, which has a paginator that Lambda's has not."""
    name = aws.deploy(
        "import boto3, botocore\n"
        "def handler(e, c):\n"
        "    client = boto3.client('s3vectors')\n"
        "    paginated = client.can_paginate('query_vectors')\n"
        "    return [boto3.__version__, botocore.__version__, paginated]\n"
    )
    assert aws.invoke(name, {}).payload == ["1.42.97", "1.42.97", False]
    assert boto3.client("s3vectors", region_name="eu-west-1").can_paginate("query_vectors")


def test_invoke_returns_the_handlers_result(aws: Any) -> None:
    name = aws.deploy(
        {
            "app/__init__.py": "",
            "app/logic.py": "def twice(n):\n    return {'twice': n * 2}\n",
            "app/main.py": "from app.logic import twice\ndef go(e, c):\n    return twice(e['n'])\n",
        },
        Handler="app.main.go",
    )
    answer = aws.invoke(name, {"n": 21})
    assert (answer.payload, answer.error) == ({"twice": 42}, None)


def test_context_describes_the_invocation(aws: Any, probe: str) -> None:
    answer = aws.invoke(probe, {"do": "context"}, ClientContext="eyJjdXN0b20iOiB7ImEiOiAxfX0=")
    told = answer.payload
    assert told.pop("id") == answer.request_id
    assert 15_000 < told.pop("left") <= 20_000
    stream = told.pop("stream")
    assert stream.startswith(time.strftime("%Y/%m/%d/[$LATEST]", time.gmtime()))
    assert told == {
        "name": probe,
        "memory": "256",
        "arn": f"arn:aws:lambda:eu-west-1:123456789012:function:{probe}",
        "group": f"/aws/lambda/{probe}",
        "version": "$LATEST",
        "custom": {"a": 1},
    }


def test_environment_contains_only_the_functions_variables(
    aws: Any, probe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_USER", "x")
    aws.client("lambda").update_function_configuration(FunctionName=probe, Timeout=19)
    told = aws.invoke(probe, {"do": "environment"}).payload
    environ = told["environ"]
    assert environ["COLOUR"] == "blue"
    assert environ["AWS_ENDPOINT_URL"] == aws.url
    assert environ["AWS_REGION"] == environ["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert environ["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.14"
    assert environ["_HANDLER"] == "index.handler"
    assert environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environ["LAMBDA_TASK_ROOT"] == told["cwd"] == told["path"][0]
    assert "SECRET_OF_THE_USER" not in environ and "MOTO_PORT" not in environ
    assert environ["HOME"] != os.environ.get("HOME")
    here = os.getcwd()
    assert not [path for path in told["path"] if path.startswith(here) or "site-packages" in path]


@pytest.mark.parametrize(
    ("name", "there"),
    [("boto3", True), ("dateutil", True), ("moto", False), ("numpy", False), ("local_aws", False)],
)
def test_imports_are_limited_to_lambdas_packages(
    aws: Any, probe: str, name: str, there: bool
) -> None:
    assert (aws.invoke(probe, {"do": "import", "name": name}).payload == name) is there


def test_function_calls_aws_as_its_role_in_its_region(aws: Any, probe: str) -> None:
    told = aws.invoke(probe, {"do": "identity"}).payload
    assert told["arn"].startswith("arn:aws:sts::123456789012:assumed-role/functions/")
    assert told["region"] == "eu-west-1"


def test_log_contains_lambdas_and_the_functions_lines(aws: Any) -> None:
    name = aws.deploy(PROBE)
    answer = aws.invoke(name, {"do": "log"})
    lines = aws.log(f"/aws/lambda/{name}")
    version = ".".join(map(str, sys.version_info[:3]))
    request_id = answer.request_id
    assert lines[0] == f"INIT_START Runtime Version: python3.14, on this machine's Python {version}"
    assert lines[1:3] == [f"START RequestId: {request_id} Version: $LATEST", "printed"]
    level, _, logged_id, text = lines[3].split("\t")
    assert (level, logged_id, text) == ("[WARNING]", request_id, "two\nlines")
    assert lines[4:7] == ["from a child", "no line end", f"END RequestId: {request_id}"]
    report = lines[7].split("\t")
    assert report[0] == f"REPORT RequestId: {request_id}"
    figures = dict(part.split(": ") for part in report[1:] if part)
    assert list(figures) == [
        "Duration",
        "Billed Duration",
        "Memory Size",
        "Max Memory Used",
        "Init Duration",
    ]
    took = float(figures["Duration"].split()[0]) + float(figures["Init Duration"].split()[0])
    assert took <= int(figures["Billed Duration"].split()[0]) < took + 1.01
    assert 5 < int(figures["Max Memory Used"].split()[0]) <= 128
    assert answer.log.splitlines()[:2] == lines[1:3]
    assert "Init Duration" not in aws.invoke(name, {"do": "log"}).log  # warm


def test_log_tail_is_the_last_four_kilobytes(aws: Any) -> None:
    name = aws.deploy("def handler(e, c):\n    print('a' * 5000)\n    print('end')\n")
    tail = aws.invoke(name).log
    assert len(tail) == 4096
    assert tail.startswith("aaa") and "\nend\nEND RequestId" in tail


def test_structured_logs_go_to_their_group_by_level(aws: Any) -> None:
    source = (
        "import logging\n"
        "def handler(event, context):\n"
        "    log = logging.getLogger('app')\n"
        "    log.debug('no')\n"
        "    log.warning('careful', extra={'user': 7})\n"
        "    raise ValueError('boom')\n"
    )
    name = aws.deploy(
        source,
        LoggingConfig={
            "LogFormat": "JSON",
            "LogGroup": "shared",
            "ApplicationLogLevel": "WARN",
            "SystemLogLevel": "WARN",
        },
    )
    request_id = aws.invoke(name).request_id
    warning, error, report = (json.loads(line) for line in aws.log("shared"))
    assert warning.pop("timestamp").endswith("Z")
    assert warning == {
        "level": "WARNING",
        "message": "careful",
        "logger": "app",
        "user": 7,
        "requestId": request_id,
    }
    assert (error["level"], error["errorType"], error["errorMessage"]) == (
        "ERROR",
        "ValueError",
        "boom",
    )
    assert report["type"] == "platform.report"
    assert report["record"]["metrics"]["memorySizeMB"] == 128
    streams = aws.client("logs").describe_log_streams(logGroupName="shared")["logStreams"]
    assert f"/{name}[$LATEST]" in streams[0]["logStreamName"]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")


def test_log_group_deleted_during_a_call_stays_deleted(aws: Any) -> None:
    source = (
        "import boto3\n"
        "def handler(delete, c):\n"
        "    if delete:\n"
        "        boto3.client('logs').delete_log_group(logGroupName=c.log_group_name)\n"
        "    print('said')\n"
    )
    name = aws.deploy(source)
    group = f"/aws/lambda/{name}"

    def groups() -> list[str]:
        found = aws.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        return [one["logGroupName"] for one in found]

    aws.invoke(name, False)
    assert groups() == [group]
    assert aws.invoke(name, True).error is None
    assert groups() == []
    aws.invoke(name, False)
    assert "said" in aws.log(group)


def test_process_is_reused_for_one_call_at_a_time(aws: Any, probe: str) -> None:
    first = aws.invoke(probe, {"do": "process"}).payload
    assert aws.invoke(probe, {"do": "process"}).payload == first
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(aws.invoke, probe, {"do": "process", "sleep": 1.5}) for _ in range(2)]
        processes = [call.result().payload[0] for call in calls]
    assert processes[0] != processes[1]
    assert first[0] in processes


def test_changed_code_or_configuration_starts_a_new_process(aws: Any) -> None:
    source = "import os\nBIRTH = os.getpid()\ndef handler(e, c):\n    return [BIRTH, {!r}]\n"
    name = aws.deploy(source.format("old"))
    client = aws.client("lambda")
    old = aws.invoke(name).payload
    client.update_function_configuration(FunctionName=name, Description="the same program")
    assert aws.invoke(name).payload == old
    client.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"MODE": "1"}}
    )
    configured = aws.invoke(name).payload
    assert configured[0] != old[0]
    with pytest.raises(ProcessLookupError):
        os.kill(old[0], 0)
    client.update_function_code(
        FunctionName=name, ZipFile=aws.zipped({"index.py": source.format("new")})
    )
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    assert aws.invoke(name).payload[1] == "new"
    last = aws.invoke(name).payload[0]
    client.delete_function(FunctionName=name)
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)


def test_versions_and_aliases_keep_their_code(aws: Any) -> None:
    source = "def handler(e, c):\n    return [{}, c.function_version, c.invoked_function_arn]\n"
    name = aws.deploy(source.format(1))
    client = aws.client("lambda")
    version = client.publish_version(FunctionName=name)["Version"]
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    client.update_function_code(
        FunctionName=name, ZipFile=aws.zipped({"index.py": source.format(2)})
    )
    arn = f"arn:aws:lambda:eu-west-1:123456789012:function:{name}"
    assert aws.invoke(name).payload == [2, "$LATEST", arn]
    assert aws.invoke(name, Qualifier="live").payload == [1, "1", f"{arn}:live"]
    assert aws.invoke(f"{arn}:1").payload == [1, "1", f"{arn}:1"]
    with pytest.raises(ClientError, match="Function not found"):
        aws.invoke(name, Qualifier="2")


def test_reserved_concurrency_throttles(aws: Any, tmp_path: Path) -> None:
    source = (
        "import pathlib, time\n"
        "def handler(e, c):\n"
        "    if e:\n"
        "        (pathlib.Path(e) / 'begun').touch()\n"
        "        while not (pathlib.Path(e) / 'over').exists():\n"
        "            time.sleep(0.01)\n"
        "    return 1\n"
    )
    name = aws.deploy(source, Timeout=300)
    client = aws.client("lambda")
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    slow = threading.Thread(target=aws.invoke, args=(name, str(tmp_path)))
    aws.invoke(name)
    slow.start()
    while not (tmp_path / "begun").exists():
        assert slow.is_alive()
        time.sleep(0.05)
    with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
        aws.invoke(name)
    assert caught.value.response["Error"]["Message"] == "Rate Exceeded."
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    (tmp_path / "over").touch()
    slow.join()
    assert aws.invoke(name).payload == 1


def test_dry_run_does_not_run_the_function(aws: Any, probe: str) -> None:
    answer = aws.client("lambda").invoke(FunctionName=probe, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.client("lambda").invoke(FunctionName="nobody", InvocationType="DryRun")


def test_payload_limits_are_enforced(aws: Any) -> None:
    name = aws.deploy("def handler(e, c):\n    return 'x' * e if isinstance(e, int) else len(e)\n")
    client = aws.client("lambda")
    limit = 6_291_556
    assert aws.invoke(name, "x" * (limit - 2)).payload == limit - 2
    with pytest.raises(client.exceptions.RequestTooLargeException):
        aws.invoke(name, "x" * (limit - 1))
    with pytest.raises(client.exceptions.RequestTooLargeException):
        client.invoke(
            FunctionName=name, InvocationType="Event", Payload=json.dumps("x" * 1_048_576)
        )
    assert len(aws.invoke(name, limit - 2).payload) == limit - 2
    answer = aws.invoke(name, limit)
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Function.ResponseSizeTooLarge"


def test_event_that_is_not_json_is_refused(aws: Any, probe: str) -> None:
    client = aws.client("lambda")
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName=probe, Payload=b"{not json")


def test_other_sdk_clients_can_call_it(aws: Any, probe: str) -> None:
    """Any credentials are accepted; the client escapes the ARN in the path."""
    stranger = boto3.client(
        "lambda",
        region_name="eu-west-1",
        endpoint_url=aws.url,
        aws_access_key_id="any",
        aws_secret_access_key="any",  # pragma: allowlist secret
    )
    arn = stranger.get_function(FunctionName=probe)["Configuration"]["FunctionArn"]
    answer = stranger.invoke(FunctionName=arn, Payload=b'{"do": "nothing"}')
    assert answer["Payload"].read() == b"null"
    assert answer["ExecutedVersion"] == "$LATEST"


def test_function_is_found_by_name_arn_and_partial_arn(aws: Any) -> None:
    name = aws.deploy("def handler(event, context): return 'here'")
    client = aws.client("lambda")
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    part = f"123456789012:function:{name}"
    client.create_alias(FunctionName=part, Name="live", FunctionVersion="$LATEST")
    for asked in (name, arn, part):
        assert aws.invoke(asked).payload == "here"
        assert client.get_function(FunctionName=asked)["Configuration"]["FunctionArn"] == arn
        versions = client.list_versions_by_function(FunctionName=asked)["Versions"]
        assert [one["Version"] for one in versions] == ["$LATEST"]
        aliases = client.list_aliases(FunctionName=asked)["Aliases"]
        assert [one["Name"] for one in aliases] == ["live"]
    other = part.replace("123456789012", "210987654321")
    with pytest.raises(ClientError, match="AccessDenied"):
        client.get_function(FunctionName=other)


def test_duration_of_a_call_whose_log_is_slow_to_copy_is_the_handlers(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = aws.deploy("def handler(event, context):\n    print('told by the handler')\n")
    aws.invoke(name)
    answered: list[float] = []
    sandboxes: list[Sandbox] = []
    write, receive = LogStream.write, Sandbox._receive

    def remembered(sandbox: Sandbox, deadline: float) -> Any:
        sandboxes.append(sandbox)
        return receive(sandbox, deadline)

    def slow(stream: LogStream, lines: list[str]) -> None:
        if "told by the handler" in lines:
            select.select([sandboxes[0]._socket], [], [], 60)  # until the function has answered
            answered.append(time.monotonic())
            time.sleep(1)
        write(stream, lines)

    monkeypatch.setattr(LogStream, "write", slow)
    monkeypatch.setattr(Sandbox, "_receive", remembered)
    began = time.monotonic()
    log = aws.invoke(name).log
    told = re.search(r"Duration: ([\d.]+) ms", log)
    assert told and answered
    assert began + float(told[1]) / 1000 <= answered[0] + 0.001  # of rounding
