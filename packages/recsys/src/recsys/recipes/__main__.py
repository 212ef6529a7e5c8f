"""`python -m recsys.recipes train|serve FOLDER`."""

import sys
from pathlib import Path

from recsys.errors import InputError


def main(arguments: list[str]) -> int:
    """Run a command. Return the exit status."""
    if len(arguments) != 2 or arguments[0] not in ("train", "serve"):
        print("usage: python -m recsys.recipes train|serve FOLDER", file=sys.stderr)
        return 2
    command, folder = arguments[0], Path(arguments[1])
    if command == "serve":
        from recsys.recipes import serve

        serve.main(folder)
        return 0
    from recsys.recipes import train

    try:
        train.main(folder)
    except InputError as error:
        (folder / "failure").write_text(str(error), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
