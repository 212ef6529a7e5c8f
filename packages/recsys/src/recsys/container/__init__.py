"""SageMaker's container contract around this package's algorithms: files, HTTP, exit statuses.

`python -m recsys.container train|serve ALGORITHM`; the root folder is the environment's
CONTAINER_ROOT, /opt/ml if it has none.
"""
