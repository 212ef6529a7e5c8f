"""Run one notebook and write it with its outputs: `python -m rehearsal.one_notebook FILE RESULT`.

It is a program so that the notebook's kernel, and all that it starts, can be ended with it.
"""

import sys
from pathlib import Path

import nbformat

from rehearsal.notebooks import execute


def main() -> int:
    """Run it. Print its error, if any, and return 1 then."""
    path, result, seconds = sys.argv[1:]
    notebook, error = execute(Path(path), int(seconds))
    nbformat.write(notebook, result)
    if error:
        print(error)
    return 1 if error else 0


if __name__ == "__main__":
    sys.exit(main())
