"""Print what a deployment with the given settings would cost on AWS: `python -m cost`."""

import argparse
import sys
from contextlib import nullcontext

from cost.assembly import add_arguments, printable, synthesized
from cost.estimate import of_assembly
from cost.report import lines


def main(arguments: list[str] | None = None) -> int:
    """Print the report. Return 0 unless the settings or the assembly are invalid."""
    parser = argparse.ArgumentParser(prog="cost", description=__doc__)
    add_arguments(parser)
    options = parser.parse_args(arguments)
    region = dict(one.partition("=")[::2] for one in options.settings).get("region")
    try:
        with nullcontext(options.app) if options.app else synthesized(options.settings) as folder:
            estimate = of_assembly(folder)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(map(printable, lines(estimate, region))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
