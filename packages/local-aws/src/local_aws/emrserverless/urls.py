"""The URLs of EMR Serverless."""

from local_aws.api import rest_paths
from local_aws.emrserverless.responses import EmrServerlessResponse

url_bases = [r"https?://emr-serverless\.(.+)\.amazonaws\.com"]
url_paths = rest_paths(EmrServerlessResponse)
