"""`python -m recsys.spark`."""

import sys

from recsys.spark.job import main

if __name__ == "__main__":
    sys.exit(main())
