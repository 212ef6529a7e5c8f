"""A child process ends as its program did, and nothing that it started is left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from local_aws.processes import Child
from local_aws.server import LocalAws
from local_aws_tests.awslambda.conftest import TRUST, Lambda
from tests.reliability import Tally

LINUX = sys.platform == "linux"
# starts a detached sleep, and writes its process id to the file
DETACHES = """
import os, subprocess, sys, time
def detach(path):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(path + ".new", "w") as file:
                file.write(str(os.getpid()))
            os.rename(path + ".new", path)
            for descriptor in range(3, 100):
                try:
                    os.close(descriptor)
                except OSError:
                    pass
            os.execv("/bin/sleep", ["sleep", "300"])
        os._exit(0)
    os.wait()
"""
SESSION = """
import os, subprocess, sys
def detach(path):
    started = subprocess.Popen(["/bin/sleep", "300"], start_new_session=True)
    with open(path + ".new", "w") as file:
        file.write(str(started.pid))
    os.rename(path + ".new", path)
"""
WAITS = "detach(sys.argv[1])\nimport time\ntime.sleep(300)\n"
WAYS = [
    pytest.param(SESSION, id="session"),
    pytest.param(
        DETACHES,
        id="second fork",
        marks=pytest.mark.skipif(not LINUX, reason="such a process is found on Linux only"),
    ),
]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    started: list[Child] = []

    def one(source: str, *arguments: str, **settings: Any) -> Child:
        program = tmp_path / "program.py"
        program.write_text(source)
        started.append(Child([str(program), *arguments], env={}, cwd=tmp_path, **settings))
        return started[-1]

    yield one
    for child in started:
        child.kill()


def detached(path: Path) -> int:
    """The process whose id a program has written."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(path.read_text())


def gone(pid: int) -> bool:
    """Whether it ends; one that stays is ended, for the test's sake."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return True
    _, left = psutil.wait_procs([process], timeout=10)
    for each in left:
        if each.status() == psutil.STATUS_ZOMBIE:  # of which nothing is left but the entry
            return True
        each.kill()
    return not left


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ["kill", "terminate", "by itself", "the program is killed"])
def test_detached_process_ends_with_its_program(
    start: Callable[..., Child], tmp_path: Path, tally: Tally, way: str, end: str
) -> None:
    tally("faults injected", "a program detaches a process")
    told = tmp_path / "told"
    # the program does not end before the process has written its id
    ends = "detach(sys.argv[1])\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
    source = way + (WAITS if end != "by itself" else f"import os, time\n{ends}")
    child = start(source, str(told))
    process = detached(told)
    if end == "kill":
        assert child.kill() == -signal.SIGKILL
    elif end == "terminate":
        assert child.terminate(60) == -signal.SIGTERM
    elif end == "by itself":
        assert child.wait(60) == 0
    else:
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(60) == -signal.SIGKILL
    assert gone(process)


@pytest.mark.parametrize("way", WAYS)
def test_detached_process_ends_when_the_parent_is_killed(
    tmp_path: Path, tally: Tally, way: str
) -> None:
    tally("faults injected", "a program detaches a process")
    program, told = tmp_path / "program.py", tmp_path / "told"
    program.write_text(way + WAITS)
    parent = (
        "import sys, time\nfrom pathlib import Path\nfrom local_aws.processes import Child\n"
        f"Child([{str(program)!r}, {str(told)!r}], env={{}}, cwd=Path.cwd())\ntime.sleep(300)\n"
    )
    started = subprocess.Popen([sys.executable, "-c", parent])
    process = detached(told)
    started.kill()
    started.wait()
    assert gone(process)


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("raise ValueError", 1),
        ("import os; os.kill(os.getpid(), 11)", -11),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.abort()", -6),
    ],
)
def test_child_ends_as_its_program_did(
    start: Callable[..., Child], source: str, status: int
) -> None:
    assert start(source, stderr=subprocess.DEVNULL).wait(60) == status


def test_command_ends_as_it_did(tmp_path: Path) -> None:
    child = Child(["--", "/bin/sh", "-c", "exit 7"], env={}, cwd=tmp_path)
    assert child.wait(60) == 7


def test_program_may_end_in_its_own_time_when_asked_to(
    start: Callable[..., Child], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    source = (
        "import signal, sys, time\nfrom pathlib import Path\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        f"Path({str(ready)!r}).write_text('')\ntime.sleep(300)\n"
    )
    child = start(source)
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert child.terminate(60) == 5


@pytest.mark.skipif(not LINUX, reason="a program does not follow its supervisor elsewhere")
def test_program_ends_with_its_supervisor(
    start: Callable[..., Child], tmp_path: Path, tally: Tally
) -> None:
    tally("faults injected", "the supervisor of a program is killed")
    told = tmp_path / "told"
    source = f"from pathlib import Path\nimport os, time\nPath({str(told)!r} + '.new').write_text("
    source += (
        f"str(os.getpid()))\nos.rename({str(told)!r} + '.new', {str(told)!r})\ntime.sleep(300)"
    )
    child = start(source)
    program = detached(told)
    assert program == child.pid != child.popen.pid
    child.popen.kill()
    assert gone(program)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ["timeout", "DeleteFunction", "the server ends"])
def test_process_that_a_function_detaches_ends_with_it(
    tmp_path: Path, tally: Tally, way: str, end: str
) -> None:
    tally("faults injected", "a program detaches a process")
    told = tmp_path / "told"
    waits = "time.sleep(60)" if end == "timeout" else "pass"
    handler = f"import time\ndef handler(event, context):\n    detach({str(told)!r})\n    {waits}\n"
    with LocalAws() as server:
        aws = Lambda(server.url, "")
        role = aws.client("iam").create_role(
            RoleName="functions", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        aws.role = role["Role"]["Arn"]
        name = aws.deploy(way + handler, Timeout=5)
        answer = aws.invoke(name)
        process = detached(told)
        assert (answer.error == "Unhandled") is (end == "timeout")
        if end == "DeleteFunction":
            assert psutil.pid_exists(process), "until then it may go on, as in AWS's sandbox"
            with suppress(ClientError):
                aws.client("lambda").delete_function(FunctionName=name)
        if end != "the server ends":
            assert gone(process)
    assert gone(process)
