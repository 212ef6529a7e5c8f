"""SageMaker's container contract around this package's algorithms: files, HTTP, exit statuses.

Run it with `python -m recsys.container train|serve ALGORITHM`. The root folder is the environment
variable CONTAINER_ROOT, by default /opt/ml.
"""
