"""`local-aws -- COMMAND`: both end when either ends."""

import subprocess
import sys

import pytest

from local_aws.__main__ import main


def local_aws(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local_aws", "--port", "0", "--", *command],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_server_ends_with_its_command_and_has_its_status() -> None:
    program = "import os, sys; print(os.environ['AWS_ENDPOINT_URL']); sys.exit(3)"
    done = local_aws(sys.executable, "-c", program)
    assert done.returncode == 3, done.stderr
    told, printed = done.stdout.splitlines()[0], done.stdout.splitlines()
    assert told.startswith("The local AWS listens on http://127.0.0.1:")
    assert told.split()[5].rstrip(".") in printed


def test_command_that_does_not_exist_is_refused_before_the_server_starts() -> None:
    done = local_aws("no-such-command")
    assert done.returncode == 2
    assert "no-such-command: command not found" in done.stderr
    assert "listens" not in done.stdout


@pytest.mark.parametrize("port", ["80000", "-1"])
def test_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Linux would listen on its remainder."""
    with pytest.raises(SystemExit) as caught:
        main(["--port", port])
    assert caught.value.code == 2
    assert "from 0, for a free one, to 65535" in capsys.readouterr().err
