"""Deep matrix factorization in SageMaker's PyTorch container: train, then pack the serving code.

The container installs the requirements.txt next to this file. SM_MODEL_DIR is the folder of the
model's files; its subfolder `code` runs in the inference container.
"""

import os
import shutil
import sys
from pathlib import Path

from recsys.container.train import train

SOURCE = Path(__file__).resolve().parent


def main() -> int:
    """Train a model. Return the exit status."""
    model = Path(os.environ["SM_MODEL_DIR"])
    status = train("deep-matrix-factorization", model.parent)
    if status == 0:
        code = model / "code"
        shutil.copytree(
            SOURCE / "recsys", code / "recsys", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(SOURCE / "inference.py", code)
    return status


if __name__ == "__main__":
    sys.exit(main())
