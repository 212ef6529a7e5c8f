"""The server is killed in the middle of everything."""

import io
import json
import signal
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.reliability import Tally

ASLEEP = "import time\ndef handler(event, context):\n    time.sleep(60)\n"


def function(aws: Any, name: str, source: str) -> None:
    """Create one with its own role."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("index.py", source)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    trust["Action"] = "sts:AssumeRole"
    role = aws.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )["Role"]["Arn"]
    aws.client("lambda").create_function(
        FunctionName=name,
        Code={"ZipFile": archive.getvalue()},
        Runtime="python3.14",
        Handler="index.handler",
        Role=role,
        Timeout=120,
    )


def test_killed_server_leaves_no_process_and_the_next_removes_its_files(
    tmp_path: Path, start: Callable[..., Any], tally: Tally
) -> None:
    server = start(tmp_path, "--fake", "--", "sleep", "600")
    aws = server.aws
    aws.train("deaf", HyperParameters={"seconds": "600", "deaf": "yes"})
    aws.model("m")
    aws.config("c", "m")
    assert aws.endpoint("e", "c")["EndpointStatus"] == "InService"
    function(aws, "asleep", ASLEEP)

    def call() -> None:
        with suppress(BotoCoreError, ClientError):
            aws.client("lambda").invoke(FunctionName="asleep")

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    wanted = ("fake_container.py train", "fake_container.py serve", "bootstrap.py", "sleep 600")
    deadline = time.monotonic() + 120
    running: list[psutil.Process] = []
    commands = ""
    while not all(each in commands for each in wanted):
        assert time.monotonic() < deadline, commands
        running = server.processes()
        commands = "\n".join(" ".join(process.cmdline()) for process in running)
    server.end(signal.SIGKILL)
    tally("faults injected", "the server is killed at work")
    _, left = psutil.wait_procs(running, timeout=60)
    tally("leftovers found", "processes of a killed server", len(left))
    assert left == []
    with pytest.raises(BotoCoreError, match="Could not connect"):
        aws.sagemaker.list_endpoints()
    assert len(list(tmp_path.glob("local-aws-*"))) == 1

    again = start(tmp_path, "--fake")
    assert again.aws.sagemaker.list_endpoints()["Endpoints"] == []
    assert len(list(tmp_path.glob("local-aws-*"))) == 1, "its own"
    again.end()
    left_files = list(tmp_path.iterdir())
    tally("leftovers found", "files of a killed server, after the next", len(left_files))
    assert left_files == []


def test_concurrent_servers_keep_each_others_files(
    tmp_path: Path, start: Callable[..., Any]
) -> None:
    first = start(tmp_path, "--fake")
    start(tmp_path, "--fake").end()
    first.aws.model("m")
    first.aws.config("c", "m")
    assert first.aws.endpoint("e", "c")["EndpointStatus"] == "InService"
