"""What a function or its caller may do without end, ends."""

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.awslambda.models import lambda_backends

from local_aws.awslambda import AsyncOutcome, engine, models, sandbox
from local_aws.awslambda.logs import LogStream
from local_aws.awslambda.models import LocalLambdaBackend
from local_aws.documents import DEPTH
from local_aws.lines import LONGEST
from local_aws.servicequotas import table
from local_aws.workers import Workers
from local_aws_tests.awslambda.conftest import REGION
from local_aws_tests.awslambda.test_async import send, settled
from tests.reliability import Tally


@pytest.fixture
def backend(aws: Any) -> LocalLambdaBackend:
    found = lambda_backends["123456789012"][REGION]
    assert isinstance(found, LocalLambdaBackend)
    return found


@pytest.mark.parametrize("end", ["\\n", ""], ids=["lines", "one line"])
def test_time_limit_holds_while_a_function_writes_faster_than_it_is_read(
    aws: Any, monkeypatch: pytest.MonkeyPatch, tally: Tally, end: str
) -> None:
    tally("faults injected", "a function writes without end")
    write = LogStream.write
    read = threading.Event()

    def slowly(stream: LogStream, lines: list[str]) -> None:
        read.wait(0.05)
        write(stream, [line[:100] for line in lines[:3]])

    monkeypatch.setattr(LogStream, "write", slowly)
    source = (
        "import sys\ndef handler(event, context):\n    while True:\n"
        f"        sys.stdout.write('x' * 1000 + '{end}')\n"
    )
    name = aws.deploy(source, Timeout=1)
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(aws.invoke(name)), daemon=True)
    caller.start()
    caller.join(60)
    assert answers, "the call does not end"
    assert "Task timed out after 1.00 seconds" in answers[0].payload["errorMessage"]


def test_long_line_is_several_events_of_the_size_that_cloudwatch_takes(aws: Any) -> None:
    name = aws.deploy("def handler(event, context):\n    print('x' * event)\n", Timeout=60)
    assert aws.invoke(name, 600_000).error is None
    lines = [line for line in aws.log(f"/aws/lambda/{name}") if line.startswith("x")]
    assert [len(line) for line in lines] == [LONGEST, LONGEST, 600_000 - 2 * LONGEST]


def test_event_that_a_halted_function_does_not_read_times_out(aws: Any, tally: Tally) -> None:
    """Larger than what the socket takes."""
    tally("faults injected", "a function is halted before an event")
    source = (
        "import os, signal, threading, time\n"
        "def handler(event, context):\n"
        "    if event == 'halt':\n"
        "        pid = os.getpid()\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(0.5)\n"
        "            os.kill(pid, signal.SIGSTOP)\n"
        "            os._exit(0)\n"
        "    return 1\n"
    )
    name = aws.deploy(source, Timeout=2)
    assert aws.invoke(name, "halt").payload == 1
    time.sleep(1)
    answers: list[Any] = []
    call = threading.Thread(
        target=lambda: answers.append(aws.invoke(name, "x" * 5_000_000)), daemon=True
    )
    call.start()
    call.join(60)
    assert answers, "the call does not end"
    assert "Task timed out" in answers[0].payload["errorMessage"]


def test_concurrent_creations_of_a_function_succeed_once(aws: Any, tally: Tally) -> None:
    code = aws.zipped({"index.py": ""})

    def create(name: str) -> str:
        try:
            aws.client("lambda").create_function(
                FunctionName=name,
                Code={"ZipFile": code},
                Runtime="python3.14",
                Role=aws.role,
                Handler="index.handler",
                Publish=True,
            )
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "created"

    with ThreadPoolExecutor(24) as pool:
        for number in range(4):
            name = f"raced-{number}"
            tally("calls under load", "CreateFunction of one name", 24)
            told = sorted(pool.map(create, [name] * 24))
            assert told == ["ResourceConflictException"] * 23 + ["created"]
            versions = aws.client("lambda").list_versions_by_function(FunctionName=name)["Versions"]
            assert [each["Version"] for each in versions] == ["$LATEST", "1"]


def test_initialisations_at_once_are_bounded(
    aws: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sandbox, "_STARTING", threading.BoundedSemaphore(1))
    source = (
        "import os, time\n"
        "def mark(what):\n"
        f"    with open({str(tmp_path / 'marks')!r}, 'a') as file:\n"
        "        file.write(what)\n"
        "mark('begin ')\n"
        "time.sleep(0.1)\n"
        "mark('end ')\n"
        "def handler(event, context):\n"
        "    time.sleep(0.3)\n"
    )
    name = aws.deploy(source, Timeout=60)
    with ThreadPoolExecutor(3) as pool:
        assert not any(one.error for one in pool.map(lambda _: aws.invoke(name), range(3)))
    marks = (tmp_path / "marks").read_text().split()
    assert marks == ["begin", "end"] * (len(marks) // 2)


def test_concurrently_published_versions_differ(aws: Any) -> None:
    content = [aws.zipped({"a.py": f"N = {number}"}) for number in range(16)]

    def publish(code: bytes) -> int:
        published = aws.client("lambda").publish_layer_version(
            LayerName="raced", Content={"ZipFile": code}
        )
        return int(published["Version"])

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(publish, content)) == list(range(1, 17))


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1),
        b"NaN",
        b"\xff",
    ],
    ids=["open", "closed", "objects", "just too deep", "NaN", "not UTF-8"],
)
def test_payload_that_is_not_json_is_refused(aws: Any, tally: Tally, payload: bytes) -> None:
    tally("inputs tried", "JSON that is none, or too deep")
    name = aws.deploy("def handler(event, context):\n    return 1\n")
    for kind in ("RequestResponse", "Event"):
        with pytest.raises(ClientError, match="Could not parse request body into json") as caught:
            aws.client("lambda").invoke(FunctionName=name, Payload=payload, InvocationType=kind)
        assert caught.value.response["Error"]["Code"] == "InvalidRequestContentException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_response_of_any_length_takes_no_more_memory_than_the_longest(aws: Any) -> None:
    # an answer that would be too long, and what is none of the runtime's, which the function writes
    # to the socket itself
    source = """
import json, socket, struct

def handler(event, context):
    if event is None:
        return "x" * (8 << 20)
    for descriptor in range(3, 4096):  # as many as the server itself may have
        try:
            socket.socket(fileno=descriptor).sendall(struct.pack(">II", *event) + b"[]" * 1000)
        except OSError:
            pass
"""
    name = aws.deploy(source, MemorySize=1024)
    answer = aws.invoke(name, None)
    assert answer.payload["errorType"] == "Function.ResponseSizeTooLarge"
    for lengths in ([2, 0], [2, 2**32 - 1], [2**32 - 1, 0]):
        assert aws.invoke(name, lengths).payload["errorType"] == "Runtime.ExitError"


def test_payload_at_the_maximum_depth_is_answered(aws: Any) -> None:
    name = aws.deploy("def handler(event, context):\n    return event\n")
    payload = "[" * DEPTH + "]" * DEPTH
    answer = aws.client("lambda").invoke(FunctionName=name, Payload=payload)
    assert answer["Payload"].read().decode() == payload


def test_many_events_are_queued_without_loss(
    aws: Any, backend: LocalLambdaBackend, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    monkeypatch.setattr(backend, "_events", Workers(3, "few-events"))
    lock = threading.Lock()
    running, most = 0, 0
    once = backend._once

    def counted(*told: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return once(*told)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(backend, "_once", counted)
    name = aws.deploy("def handler(event, context):\n    print('done', event)\n")
    events = [send(aws, name, number) for number in range(60)]
    tally("calls under load", "asynchronous events", len(events))
    assert sum(thread.name == "few-events" for thread in threading.enumerate()) <= 3
    fates = [settled(event) for event in events]
    lost = [fate for fate in fates if fate != AsyncOutcome("succeeded", attempts=1)]
    tally("calls lost", "asynchronous events", len(lost))
    assert lost == []
    assert most <= 3
    told = [line for line in aws.log(f"/aws/lambda/{name}") if line.startswith("done")]
    assert sorted(told) == sorted(f"done {number}" for number in range(60))


def test_events_beyond_the_queue_are_refused(
    aws: Any, backend: LocalLambdaBackend, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    monkeypatch.setattr(models, "QUEUED_BYTES", 10)
    name = aws.deploy("def handler(event, context): pass\n")
    tally("faults injected", "more events than are queued")
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        send(aws, name, "12345678901")
    for _ in range(3):  # a delivered event leaves its place to the next
        assert settled(send(aws, name, "123456")).status == "succeeded"


def test_throttled_event_is_retried_unless_too_old(
    aws: Any, backend: LocalLambdaBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_THROTTLED_RETRY_SECONDS", 0.05)
    name = aws.deploy("def handler(event, context):\n    return 1\n")
    client = aws.client("lambda")
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    event = send(aws, name)
    deadline = time.monotonic() + 60
    while (told := models.async_outcome(event)) == AsyncOutcome("pending"):
        assert time.monotonic() < deadline
    assert told is not None
    assert (told.status, told.attempts) == ("pending", 0)
    client.delete_function_concurrency(FunctionName=name)
    assert settled(event) == AsyncOutcome("succeeded", attempts=1)
    monkeypatch.setattr(models, "_OLDEST_EVENT_SECONDS", -1)
    assert settled(send(aws, name)) == AsyncOutcome(
        "failed", "The event was older than MaximumEventAgeInSeconds.", 0
    )


def test_client_context_of_any_depth_is_accepted(aws: Any, tally: Tally) -> None:
    tally("inputs tried", "JSON that is none, or too deep")
    name = aws.deploy("def handler(event, context):\n    return str(context.client_context)\n")
    deep = base64.b64encode(b"[" * 2_000).decode()
    answer = aws.client("lambda").invoke(FunctionName=name, ClientContext=deep)
    assert json.loads(answer["Payload"].read()) == "None"


def test_invocations_beyond_the_accounts_quota_are_throttled(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = aws.client("lambda")
    quota = aws.client("service-quotas").get_service_quota(
        ServiceCode="lambda", QuotaCode="L-B99A9384"
    )["Quota"]
    assert (quota["QuotaName"], quota["Value"]) == ("Concurrent executions", 1000)
    monkeypatch.setattr(table, "_profile", "new-account")
    assert client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 10
    monkeypatch.setattr(engine, "applied", lambda *_: 1.0)
    name = aws.deploy("import time\ndef handler(event, context):\n    time.sleep(event)\n")
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: _code(aws, name), range(4)))
    assert sorted(set(codes)) == ["TooManyRequestsException", "ran"]


def _code(aws: Any, name: str) -> str:
    try:
        aws.invoke(name, 3)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ran"
