"""`python -m recsys.spark`."""

from recsys.spark.job import main

if __name__ == "__main__":
    main()
