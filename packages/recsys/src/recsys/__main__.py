"""The command line of the recommender: `python -m recsys COMMAND`."""

import argparse
import importlib
import os
import sys

# Each module has `add_arguments(parser)` and `run(options) -> int`, and is only imported for its
# own command, so that commands start quickly.
COMMANDS = {
    "prepare": ("recsys.datasets.prepare", "write the engines' files from ratings"),
    "health": (
        "recsys.health_command",
        "check the data against the requirements of Amazon Personalize",
    ),
    "experiment": ("recsys.experiments.command", "tell what an experiment has shown"),
    "power": ("recsys.experiments.power_command", "tell how many users an experiment takes"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit status: 0, or 1 if the user's input is invalid."""
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
    except BrokenPipeError:  # the reader of the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
