"""CloudWatch's URLs."""

from moto.cloudwatch.urls import url_bases

from local_aws.cloudwatch.responses import CloudWatchResponse

__all__ = ["url_bases"]

url_paths = {"{0}/$": CloudWatchResponse.dispatch}
