"""Run somebody's notebooks or scripts on a fresh local AWS: `python -m rehearsal.strangers CODE`.

It reports which of them finished, and each call of AWS that failed, with its reason. The code runs
as the user, with a virtual environment and a home folder that are removed afterwards; it is given
the credentials of a role of the local AWS and no others.
"""

import argparse
import getpass
import json
import os
import re
import site
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3

from local_aws.environment import machine
from local_aws.processes import Child
from rehearsal.cdk import PROJECT
from rehearsal.steps import Steps, exclusively, on_local_aws
from rehearsal.watched.sitecustomize import SCALE

NOTEBOOKS, SCRIPTS = (".ipynb",), (".py", ".sh")
ROLE = "AmazonSageMaker-ExecutionRole-Strangers"
"""The role that the code has, like a notebook instance; SageMaker's SDKs find it by themselves."""
_WATCHED = Path(__file__).parent / "watched"
_LONGEST = 3_600
"""Seconds that a script, or a cell of a notebook, may take."""
_HALF_A_DAY = 43_200
_TRUSTED = ("lambda", "personalize", "sagemaker", "states")
# commands of the virtual environment: `sleep 5m` sleeps as Python's time.sleep does
_PIP = "import runpy\nrunpy.run_module('pip', run_name='__main__', alter_sys=True)\n"
_SLEEP = """\
import sys, time
units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
time.sleep(sum(float(one.rstrip("smhd")) * units.get(one[-1], 1) for one in sys.argv[1:]))
"""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class NoCode(Exception):
    """There is nothing to run; the message says why, and what to do."""


@dataclass(frozen=True)
class Call:
    """A failed call of AWS; `place` is the cell, file and line, or the command, that made it."""

    service: str
    operation: str
    code: str
    message: str
    place: str


@dataclass(kw_only=True)
class Run(Steps):
    """What was run: `errors` has the last words of files that failed, `calls` failed calls."""

    errors: dict[str, str] = field(default_factory=dict)
    calls: dict[str, Counter[Call]] = field(default_factory=dict)


def main(arguments: list[str] | None = None) -> int:
    """Run the code. Return 0 if all files finished."""
    parser = argparse.ArgumentParser(prog="rehearsal.strangers", description=__doc__)
    parser.add_argument("code", type=Path, help="a folder, a notebook or a script")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "strangers")
    options = parser.parse_args(arguments)
    try:
        files = found(options.code)
    except NoCode as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"This runs the code in {options.code} with the rights of {getpass.getuser()}: it can read "
        "and change your files and use the network, so run only code that you trust. It gets no "
        "AWS credentials but the local AWS's.",
        flush=True,
    )
    out = options.out / f"{datetime.now():%Y-%m-%dT%H-%M-%S}"
    run = Run()
    status = exclusively(lambda: on_local_aws(lambda: perform(run, files, out), "The code failed."))
    if status != 0:
        return status
    print("\n".join(summary(run, out)))
    return 1 if run.errors else 0


def found(code: Path) -> list[Path]:
    """The files to run, in the order of their names.

    Args:
        code: a file, or a folder: of this the notebooks or, if there are none, the scripts. Its
            subfolders are not searched.

    Raises:
        NoCode: there are none.
    """
    if code.is_file() and code.suffix in NOTEBOOKS + SCRIPTS:
        return [code.resolve()]
    if not code.is_dir():
        raise NoCode(f"{code} is no folder, no notebook (.ipynb) and no script (.py, .sh).")
    for kinds in (NOTEBOOKS, SCRIPTS):
        files = sorted(path.resolve() for path in code.iterdir() if path.suffix in kinds)
        if files:
            return files
    raise NoCode(
        f"{code} has no notebooks (.ipynb) and no scripts (.py, .sh). Its subfolders are not "
        "searched: name the one that has them."
    )


def perform(run: Run, files: Sequence[Path], out: Path, seconds: int = _LONGEST) -> None:
    """Run files, one after the other, in the local AWS that this process's environment points to.

    Args:
        run: what is noted.
        files: as `found` gives them.
        out: folder for the notebooks with their outputs, and the scripts' output.
        seconds: that a script, or a cell of a notebook, may take.
    """
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        variables = {**_environment(Path(folder)), **_credentials()}
        for path in files:
            with run.step(path.name):
                watched = Path(folder) / f"{path.name}.jsonl"
                own = {"WATCHED_CALLS": str(watched), "WATCHED_CODE": str(path.parent)}
                error = _run(path, out, seconds, variables | own, Path(folder) / "home")
                if error:
                    run.errors[path.name] = error
                    print(f"  FAILED: {error}", flush=True)
                run.calls[path.name] = Counter(_calls(watched))


def _environment(folder: Path) -> dict[str, str]:
    """Make a virtual environment that sees the project's packages, and return its variables.

    What the code installs goes there, and not into the project's environment.
    """
    place = folder / "python"
    venv.EnvBuilder(symlinks=True).create(place)
    python = place / "bin" / "python"
    (packages,) = place.glob("lib/python*/site-packages")
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (packages / "project.pth").write_text("\n".join(lines) + "\n", "utf-8")
    for name in ("pip", "pip3"):
        _program(python.with_name(name), f"#!{python}\n{_PIP}")
    _program(python.with_name("sleep"), f"#!{python}\n{_SLEEP}")
    kernel = folder / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    told = {"argv": command, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(told), "utf-8")
    (folder / "home").mkdir()
    return {
        "PATH": os.pathsep.join(
            [str(python.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        ),
        "VIRTUAL_ENV": str(place),
        "PYTHONPATH": str(_WATCHED),
        "PYTHONUNBUFFERED": "1",
        "JUPYTER_PATH": str(folder / "jupyter"),
    }


def _program(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    path.chmod(0o755)


def _credentials() -> dict[str, str]:
    """Variables with credentials of a role that may do everything."""
    account = boto3.client("sts").get_caller_identity()["Account"]
    iam = boto3.client("iam")
    services = [f"{name}.amazonaws.com" for name in _TRUSTED]
    principal = {"AWS": f"arn:aws:iam::{account}:root", "Service": services}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        Path="/service-role/",
        RoleName=ROLE,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        MaxSessionDuration=_HALF_A_DAY,
    )["Role"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    given = boto3.client("sts").assume_role(
        RoleArn=role["Arn"], RoleSessionName="SageMaker", DurationSeconds=_HALF_A_DAY
    )["Credentials"]
    region = os.environ["AWS_REGION"]
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


def _run(path: Path, out: Path, seconds: int, variables: dict[str, str], home: Path) -> str:
    """Run a file; return the reason if it failed."""
    log = out / f"{path.name}.log"
    with log.open("wb") as output:
        if path.suffix in NOTEBOOKS:
            program = ["-m", "rehearsal.one_notebook", path, out / path.name, seconds]
            cwd = PROJECT
        else:
            program = ["--", "bash" if path.suffix == ".sh" else "python", path]
            cwd = path.parent
        child = Child(
            [str(part) for part in program],
            env=variables,
            inherited=machine(),
            home=home,
            cwd=cwd,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            status = child.wait(None if path.suffix in NOTEBOOKS else seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            return f"it still ran after {seconds} seconds"
    if status == 0:
        return ""
    said = _COLOUR.sub("", log.read_text("utf-8", "replace")).split("\n")
    return next((line.strip() for line in reversed(said) if line.strip()), f"status {status}")


def _calls(watched: Path) -> Iterator[Call]:
    """The failed calls that a file's programs have written down."""
    if watched.is_file():
        for line in watched.read_text("utf-8").splitlines():
            yield Call(**json.loads(line))


def summary(run: Run, out: Path) -> Iterator[str]:
    """What the user reads at the end, line by line."""
    yield ""
    yield f"RAN       time.sleep and the command sleep take a {SCALE}th of the time"
    for name, seconds in run.seconds.items():
        yield f"  {name:<40}{seconds:>9.1f} s  {run.errors.get(name, 'finished')}"
    yield ""
    if any(run.calls.values()):
        yield "FAILED CALLS"
        for name, calls in run.calls.items():
            for call, times in calls.items():
                often = f" ({times} times)" if times > 1 else ""
                yield f"  {name}, {call.place}: {call.service} {call.operation}{often}"
                yield f"    {call.code}: {call.message}"
    else:
        yield "FAILED CALLS   none"
    yield f"Outputs: {os.path.relpath(out)}"


if __name__ == "__main__":
    sys.exit(main())
