"""Print what a deployment with the given settings would cost on AWS: `python -m cost`."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from cost.estimate import of_assembly
from cost.report import lines

_PROJECT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Print the report. Return 0 unless the settings or the assembly are invalid."""
    parser = argparse.ArgumentParser(prog="cost", description=__doc__)
    parser.add_argument(
        "-c",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting, as in `cdk deploy`",
    )
    parser.add_argument("--app", type=Path, help="a cloud assembly, instead of synthesizing one")
    options = parser.parse_args(arguments)
    region = dict(one.partition("=")[::2] for one in options.settings).get("region")
    with tempfile.TemporaryDirectory() as folder:
        assembly = options.app or Path(folder)
        if not options.app:
            given = [word for setting in options.settings for word in ("-c", setting)]
            command = ["npx", "cdk", "synth", "--quiet", "--output", folder, *given]
            done = subprocess.run(
                command, cwd=_PROJECT, check=False, capture_output=True, text=True
            )
            if done.returncode:
                print(done.stderr, file=sys.stderr)
                return done.returncode
        try:
            estimate = of_assembly(assembly)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
    print("\n".join(lines(estimate, region)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
