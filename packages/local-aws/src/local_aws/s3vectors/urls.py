"""The URLs of Amazon S3 Vectors."""

from local_aws.api import rest_paths
from local_aws.s3vectors.responses import S3VectorsResponse

url_bases = [r"https?://s3vectors\.(.+)\.api\.(?:aws|amazonwebservices\.com\.cn)"]
url_paths = rest_paths(S3VectorsResponse)
