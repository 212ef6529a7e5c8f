"""Manages a notebook instance: installs the kernel, then stops the instance when it is idle.

on_start.sh starts it with the Python that SageMaker has installed on the instance. It writes its
log to the stack's log group.
"""

import argparse
import json
import logging
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3

JUPYTER = "https://127.0.0.1:8443/api"
_PROJECT = Path(__file__).resolve().parent.parent.parent
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_CONDA = Path.home() / "anaconda3" / "bin" / "conda"
_MINUTE = 60.0
_PATIENCE = 30 * _MINUTE  # timeout of one installation step

log = logging.getLogger("keeper")


def active(
    kernels: Iterable[Mapping[str, Any]],
    terminals: Iterable[Mapping[str, Any]],
    before: float,
    now: float,
) -> float:
    """The time of the last activity, in seconds since 1970.

    Args:
        kernels: the response of Jupyter's /api/kernels.
        terminals: the response of /api/terminals.
        before: the last known activity, in seconds since 1970.
        now: the current time, in seconds since 1970.
    """
    times = [before]
    for one in (*kernels, *terminals):
        if one.get("execution_state") == "busy":
            return now
        # Python before 3.11 does not parse the suffix Z
        said = datetime.fromisoformat(one["last_activity"].replace("Z", "+00:00"))
        times.append(said.timestamp())
    return min(max(times), now)


def ask(path: str) -> Any:
    """Query Jupyter's API; an empty list if the path does not exist or Jupyter does not run.

    Raises:
        urllib.error.HTTPError: Jupyter refused the request.
    """
    trusting = (
        ssl.create_default_context()
    )  # Jupyter's certificate is self-signed; it runs on this machine
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"{JUPYTER}/{path}", timeout=30, context=trusting) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:  # terminals can be turned off
            return []
        raise
    except OSError as error:
        log.warning("Jupyter does not respond: %s", error)
        return []


def watch(name: str, idle_minutes: int) -> None:
    """Check for activity every minute, and stop the instance after `idle_minutes` without any."""
    last = time.time()
    while True:
        time.sleep(_MINUTE)
        try:
            last = active(ask("kernels"), ask("terminals"), last, time.time())
            if time.time() - last >= idle_minutes * _MINUTE:
                log.info("no activity for %d minutes: stopping the instance", idle_minutes)
                boto3.client("sagemaker").stop_notebook_instance(NotebookInstanceName=name)
                return
        except Exception:  # keep running after any error, because nothing else stops the instance
            log.exception("cannot determine whether the instance is in use; it keeps running")


def install(region: str, prefix: str) -> None:
    """Install the kernel: an environment on the persistent volume, and its kernelspec.

    Raises:
        subprocess.SubprocessError: a step failed, or took too long.
    """
    environment, began = _PROJECT / ".env", time.monotonic()
    python, complete = environment / "bin" / "python", environment / "complete"
    if not complete.exists():
        # an environment of an earlier version, or an incomplete one
        for other in _PROJECT.parent.glob("recommendation-engine-*/.env"):
            if not other.is_symlink() and (other / "conda-meta").is_dir():
                shutil.rmtree(other)
        # conda-forge's packages do not require accepting any terms
        channel = ("--override-channels", "--channel", "conda-forge")
        _run(_CONDA, "create", "--yes", "--quiet", "--prefix", environment, *channel, "python=3.12")
        _run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", _REQUIREMENTS)
        complete.touch()
    name = "recommendation-engine"
    variables = ("--env", "PREFIX", prefix, "--env", "AWS_DEFAULT_REGION", region)
    kernel = ("--user", "--name", name, "--display-name", "Recommendation engine", *variables)
    _run(python, "-m", "ipykernel", "install", *kernel)
    log.info("the kernel %s is ready, after %.0f s", name, time.monotonic() - began)


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_PATIENCE
    )
    if done.returncode != 0:
        log.error("%s ended with status %d:\n%s", command, done.returncode, done.stdout[-50_000:])
    done.check_returncode()


class CloudWatch(logging.Handler):
    """Sends each record to a log group, in a new stream per start."""

    def __init__(self, group: str) -> None:
        super().__init__()
        self._logs = boto3.client("logs")
        self._group = group
        self._stream = time.strftime(f"%Y-%m-%dT%H.%M.%S/{os.getpid()}", time.gmtime())
        self._logs.create_log_stream(logGroupName=group, logStreamName=self._stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record; errors are printed to stderr."""
        try:
            self._logs.put_log_events(
                logGroupName=self._group,
                logStreamName=self._stream,
                logEvents=[
                    {"timestamp": int(record.created * 1000), "message": self.format(record)}
                ],
            )
        except Exception:
            self.handleError(record)


def main(arguments: list[str] | None = None) -> None:
    """Install the kernel, then watch until the instance stops."""
    parser = argparse.ArgumentParser(description=__doc__)
    for argument in ("region", "prefix", "name", "log_group"):
        parser.add_argument(argument)
    parser.add_argument("idle_minutes", type=int)
    options = parser.parse_args(arguments)
    os.environ["AWS_DEFAULT_REGION"] = options.region
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    log.setLevel(logging.INFO)
    try:
        log.addHandler(CloudWatch(options.log_group))
    except Exception:
        log.exception("cannot send logs to CloudWatch")
    try:
        install(options.region, options.prefix)
    except Exception:
        log.exception(
            "the kernel could not be installed; restart the instance, or see the errors above"
        )
    watch(options.name, options.idle_minutes)


if __name__ == "__main__":
    main()
