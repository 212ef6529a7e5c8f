"""IAM's addresses, as moto knows them, answered by our responses."""

from moto.iam.urls import url_bases
from moto.iam.urls import url_paths as moto_paths

from local_aws.iam.responses import LocalIamResponse

__all__ = ["url_bases", "url_paths"]

url_paths = dict.fromkeys(moto_paths, LocalIamResponse.dispatch)
