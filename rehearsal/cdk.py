"""Runs the real CDK CLI as a user would, shows its progress and logs its output."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from local_aws.environment import led

PROJECT = Path(__file__).resolve().parent.parent
_EVENT = re.compile(r"^(\S+) \|\s*(\d+)/(\d+) \| \S+(?: [AP]M)? \| (\S+)\s+\| (\S+)\s+\| (.*)$")


class CdkError(RuntimeError):
    """The CDK CLI ended with an error; the message contains the end of its output."""


def cdk(*arguments: str, log: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run `npx cdk ARGUMENTS` from the project's root.

    Args:
        arguments: the command and its options.
        log: file that receives everything the CLI prints.
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
        *(["--progress=events"] if arguments[0] in ("deploy", "destroy") else []),
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
            for line in _shown(process.stdout, arguments[0]):
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


def _shown(lines: Iterator[str], title: str) -> Iterator[str]:
    """Pass the lines on, and show a progress bar of the stack that is changing."""
    with tqdm(
        desc=f"  cdk {title}", unit=" resources", leave=False, dynamic_ncols=True, disable=None
    ) as bar:
        stack = ""
        for line in lines:
            event = _EVENT.match(line)
            if event:
                name, done, total, state, kind, _ = event.groups()
                if name != stack:
                    stack = name
                    bar.reset(total=int(total))
                    bar.set_description(f"  {name}")
                bar.total = int(total)
                bar.n = int(done)
                bar.set_postfix_str(f"{state} {kind}"[:60])
            yield line
