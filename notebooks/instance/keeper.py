"""What keeps a notebook instance: installs the kernel, then stops the instance when nobody uses it.

It runs from on_start.sh with the Python that SageMaker has put on the instance, and says in the
stack's log group what it does.
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
_PATIENCE = 30 * _MINUTE  # for one step of the installation

log = logging.getLogger("keeper")


def active(
    kernels: Iterable[Mapping[str, Any]],
    terminals: Iterable[Mapping[str, Any]],
    before: float,
    now: float,
) -> float:
    """When somebody was last at work, in seconds since 1970.

    Args:
        kernels: as Jupyter's /api/kernels lists them.
        terminals: as /api/terminals does.
        before: when somebody was at work, as far as was known before.
        now: the time.
    """
    times = [before]
    for one in (*kernels, *terminals):
        if one.get("execution_state") == "busy":
            return now
        # Python before 3.11 does not read the letter of UTC
        said = datetime.fromisoformat(one["last_activity"].replace("Z", "+00:00"))
        times.append(said.timestamp())
    return min(max(times), now)


def ask(path: str) -> Any:
    """What Jupyter answers; an empty list where it has no such thing, or does not run.

    Raises:
        urllib.error.HTTPError: it refuses to say.
    """
    trusting = ssl.create_default_context()  # its certificate is its own; this is the same machine
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"{JUPYTER}/{path}", timeout=30, context=trusting) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:  # terminals can be turned off
            return []
        raise
    except OSError as error:
        log.warning("Jupyter does not answer: %s", error)
        return []


def watch(name: str, idle_minutes: int) -> None:
    """Look every minute; stop the instance when nobody was at work for so long, and return."""
    last = time.time()
    while True:
        time.sleep(_MINUTE)
        try:
            last = active(ask("kernels"), ask("terminals"), last, time.time())
            if time.time() - last >= idle_minutes * _MINUTE:
                log.info("nobody was at work for %d minutes: the instance stops", idle_minutes)
                boto3.client("sagemaker").stop_notebook_instance(NotebookInstanceName=name)
                return
        except Exception:  # whatever it was, nobody else would stop the instance
            log.exception("it cannot be told whether somebody is at work; the instance stays")


def install(region: str, prefix: str) -> None:
    """Make the kernel: an environment on the disk that lasts, made once, and shown to Jupyter.

    Raises:
        subprocess.SubprocessError: a step failed, or took too long.
    """
    environment, began = _PROJECT / ".env", time.monotonic()
    python, complete = environment / "bin" / "python", environment / "complete"
    if not complete.exists():
        # an earlier version's environment, or what was made of this one's
        for other in _PROJECT.parent.glob("recommendation-engine-*/.env"):
            if not other.is_symlink() and (other / "conda-meta").is_dir():
                shutil.rmtree(other)
        # conda-forge's packages come without terms that somebody would have to accept first
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
    """Sends records to a log group, as they come, in a stream of this start's."""

    def __init__(self, group: str) -> None:
        super().__init__()
        self._logs = boto3.client("logs")
        self._group = group
        self._stream = time.strftime(f"%Y-%m-%dT%H.%M.%S/{os.getpid()}", time.gmtime())
        self._logs.create_log_stream(logGroupName=group, logStreamName=self._stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Send it; what is wrong with that is told on stderr."""
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
    """Install, then watch until the instance stops."""
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
        log.exception("CloudWatch takes no logs")
    try:
        install(options.region, options.prefix)
    except Exception:
        log.exception("the kernel could not be made; start the instance again, or see above")
    watch(options.name, options.idle_minutes)


if __name__ == "__main__":
    main()
