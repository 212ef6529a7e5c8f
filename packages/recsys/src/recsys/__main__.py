"""`python -m recsys COMMAND`: the command line of the recommender."""

import argparse
import importlib
import sys

# Each module offers `add_arguments(parser)` and `run(options) -> int`, and is only imported when
# its command is asked for, so that a quick command stays quick.
COMMANDS = {
    "prepare": ("recsys.datasets.prepare", "write the engines' files from ratings"),
    "health": ("recsys.health_command", "judge the data by what Amazon Personalize needs"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status: 0, or 1 where the user's input is at fault."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m recsys", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, words) in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=words)
        if name in arguments[:1]:
            importlib.import_module(module).add_arguments(command)
    options = parser.parse_args(arguments)
    status: int = importlib.import_module(COMMANDS[options.command][0]).run(options)
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
