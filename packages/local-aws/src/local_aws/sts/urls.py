"""STS's addresses, as moto knows them, answered by our responses."""

from moto.sts.urls import url_bases
from moto.sts.urls import url_paths as moto_paths

from local_aws.sts.responses import LocalTokenResponse

__all__ = ["url_bases", "url_paths"]

url_paths = dict.fromkeys(moto_paths, LocalTokenResponse.dispatch)
