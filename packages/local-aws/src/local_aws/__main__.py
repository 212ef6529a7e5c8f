"""Run the local AWS until Ctrl-C: `python -m local_aws [--port N] [--quotas …] [-- COMMAND …]`.

A command runs with environment variables that point to the server; when either ends, so does the
other.
"""

import argparse
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from local_aws.iam.propagation import LONGEST
from local_aws.processes import Child
from local_aws.server import LocalAws, PortInUse
from local_aws.servicequotas.table import PROFILES

_GRACE = 5.0  # seconds for a command to end


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted, or until the command ends.

    Returns:
        The command's exit status; 0 if interrupted, 2 if the port is in use.
    """
    parser = argparse.ArgumentParser(prog="local_aws", description="AWS on this machine.")
    parser.add_argument("--port", type=int, default=4566, help="loopback port (default 4566)")
    parser.add_argument(
        "--quotas",
        choices=PROFILES,
        default=PROFILES[0],
        help="an ordinary account's, or AWS's defaults, as a new account has them",
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    parser.add_argument(
        "--iam-delay",
        type=float,
        default=0,
        metavar="SECONDS",
        help="until a change of a role's policies holds, 0 to 60; on AWS, up to a minute",
    )
    parser.add_argument("command", nargs="*", help="a command to run meanwhile, after --")
    options = parser.parse_args(arguments)
    if not 0 <= options.port < 1 << 16:
        parser.error("--port is from 0, for a free one, to 65535")
    if not 0 <= options.iam_delay <= LONGEST:
        parser.error(f"--iam-delay is from 0 to {LONGEST:g} seconds")
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(name)s %(message)s",
    )
    for noisy in ("botocore", "boto3", "urllib3", "waitress", "s3transfer"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if options.command and not shutil.which(options.command[0]):
        parser.error(f"{options.command[0]}: command not found")
    done = threading.Event()
    status = 0

    def ended(code: int) -> None:
        nonlocal status
        if not done.is_set():
            status = code
            done.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    try:
        with LocalAws(options.port, iam_delay=options.iam_delay, quotas=options.quotas) as aws:
            settings = "\n".join(f"  export {k}={v}" for k, v in aws.environment().items())
            print(f"The local AWS listens on {aws.url}. In another shell:\n{settings}", flush=True)
            with _beside(options.command, aws.environment(), ended):
                done.wait()
                print("stopping", flush=True)
    except PortInUse as error:
        print(f"local_aws: {error}", file=sys.stderr)
        return 2
    return status


@contextmanager
def _beside(
    command: Sequence[str], environment: Mapping[str, str], ended: Callable[[int], None]
) -> Iterator[None]:
    """Run the given command, if any, while the server runs, and tell its exit status."""
    if not command:
        yield
        return
    child = Child(["--", *command], env=environment, inherited=os.environ, cwd=Path.cwd())
    threading.Thread(target=lambda: ended(child.popen.wait()), daemon=True).start()
    try:
        yield
    finally:
        child.terminate(_GRACE)


if __name__ == "__main__":
    sys.exit(main())
