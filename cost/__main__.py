"""Print what a deployment with the given settings would cost on AWS: `python -m cost`."""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from cost.assembly import synthesized
from cost.estimate import of_assembly
from cost.report import lines


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
    try:
        with nullcontext(options.app) if options.app else synthesized(options.settings) as folder:
            estimate = of_assembly(folder)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines(estimate, region)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
