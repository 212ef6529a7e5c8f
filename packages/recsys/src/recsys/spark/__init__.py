"""Preparation and training beyond one machine, as a Spark job.

`python -m recsys.spark` is the job. It runs on Spark 3.5 and Python 3.9, so it imports PySpark, the
standard library and those modules of `recsys` that import nothing else. Everything that grows with
the data stays in Spark: the driver sees sums and samples.
"""
