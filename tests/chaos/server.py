"""`python -m local_aws` with a program that does as it is told in Object2Vec's place."""

import sys
from dataclasses import replace
from pathlib import Path

from local_aws.__main__ import main
from local_aws.sagemaker import images

FAKE = Path(__file__).parents[1] / "local_aws" / "sagemaker" / "fake_container.py"

if __name__ == "__main__":
    if "--fake" in sys.argv:
        sys.argv.remove("--fake")
        known = images.PROGRAMS["object2vec"]
        images.PROGRAMS["object2vec"] = replace(known, command=(str(FAKE),))
    sys.exit(main(["--port", "0", *sys.argv[1:]]))
