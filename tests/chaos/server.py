"""`python -m local_aws` to which something may happen.

With `--fake` a program that does as it is told is in Object2Vec's place; with `--clock FILE` the
wall clock is ahead by the seconds that the file tells.
"""

import argparse
import datetime
import sys
import time
from dataclasses import replace
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_TESTS = PROJECT / "packages" / "local-aws" / "tests" / "local_aws_tests"
FAKE = _TESTS / "sagemaker" / "fake_container.py"


def set_clock(file: Path) -> None:
    """Let `time.time` and `datetime.now` tell what the file makes of the time."""
    ordinary, right = datetime.datetime, time.time

    def told() -> float:
        return right() + float(file.read_text())

    class Jumps(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, ordinary)

    class Jumping(ordinary, metaclass=Jumps):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return ordinary.fromtimestamp(told(), tz)

        @classmethod
        def utcnow(cls) -> datetime.datetime:
            return ordinary.fromtimestamp(told(), datetime.UTC).replace(tzinfo=None)

    time.time = told
    datetime.datetime = Jumping  # type: ignore[misc]


def main() -> int:
    """Start it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fake", action="store_true")
    parser.add_argument("--clock", type=Path)
    options, rest = parser.parse_known_args()
    if options.clock:
        set_clock(options.clock)
    # who imports the clock after this sees the one that was set
    from local_aws.__main__ import main as serve
    from local_aws.iam import signatures
    from local_aws.sagemaker import images

    if options.clock:  # the clocks of those who sign are not set with this process's
        signatures.SKEW = datetime.timedelta(days=2)

    if options.fake:
        known = images.PROGRAMS["object2vec"]
        images.PROGRAMS["object2vec"] = replace(known, command=(str(FAKE),))
    return serve(["--port", "0", *rest])


if __name__ == "__main__":
    sys.exit(main())
