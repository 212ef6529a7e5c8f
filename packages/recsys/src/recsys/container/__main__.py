"""`python -m recsys.container train|serve ALGORITHM`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from recsys.container import algorithms


def main() -> int:
    """Train or serve. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m recsys.container", description=__doc__)
    parser.add_argument("mode", choices=["train", "serve"])
    parser.add_argument("algorithm", choices=algorithms.names())
    arguments = parser.parse_args()
    root = Path(os.environ.get("CONTAINER_ROOT", "/opt/ml"))
    if arguments.mode == "train":
        from recsys.container.train import train

        return train(arguments.algorithm, root)
    from recsys.container.serve import serve

    return serve(arguments.algorithm, root)


if __name__ == "__main__":
    sys.exit(main())
