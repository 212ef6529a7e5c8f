"""Runs the real CDK CLI as a user would, shows its progress and logs its output."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local_aws.environment import led

PROJECT = Path(__file__).resolve().parent.parent
_EVENT = re.compile(r"^(\S+) \|\s*(\d+)/(\d+) \| \S+(?: [AP]M)? \| (\S+)\s+\| (\S+)\s+\| (.*)$")


class CdkError(RuntimeError):
    """The CDK CLI ended with an error; the message contains the end of its output."""


def cdk(
    *arguments: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Run `npx cdk ARGUMENTS` from the project's root.

    Args:
        arguments: the command and its options.
        log: file that receives everything the CLI prints.
        tell: is told which resource of which stack is being made.
        environment: replaces this process's environment; PATH is completed, and of AWS's settings
            only credentials, region and endpoint are passed on.

    Raises:
        CdkError: the CLI failed.
    """
    inherited = os.environ if environment is None else environment
    bin_folder = Path(sys.executable).parent
    variables = {
        **led(inherited),
        "PATH": f"{bin_folder}{os.pathsep}{inherited.get('PATH', os.defpath)}",
        "JSII_NODE": str(bin_folder / "node"),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "NODE_NO_WARNINGS": "1",
    }
    command = [
        str(bin_folder / "node"),
        str(PROJECT / "node_modules" / "aws-cdk" / "bin" / "cdk"),
        *arguments,
        *(["--progress=events"] if arguments[0] == "deploy" else []),
        "--no-color",
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            cwd=PROJECT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        kept.write(f"$ cdk {' '.join(arguments)}\n")
        assert process.stdout is not None
        lines = []
        try:
            for line in process.stdout:
                if event := _EVENT.match(line):
                    name, done, total, state, kind, _ = event.groups()
                    tell(f"{name} {done}/{total} {kind} {state}")
                kept.write(line)
                kept.flush()
                lines.append(line)
        except BaseException:
            process.terminate()
            raise
        status = process.wait()
    if status != 0:
        raise CdkError(
            f"cdk {arguments[0]} ended with status {status} (full output: {log}):\n{_reason(lines)}"
        )


def _reason(lines: Sequence[str]) -> str:
    """The part of the output that names the failure; by default the end of the output."""
    failed = (n for n, line in enumerate(lines) if line.startswith("Failed resources"))
    return "".join(lines[next(failed, -25) :])
