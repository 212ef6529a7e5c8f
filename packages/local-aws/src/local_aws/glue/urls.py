"""AWS Glue's addresses, as moto knows them, answered by our responses."""

from moto.glue.urls import url_bases

from local_aws.glue.responses import GlueResponse

__all__ = ["url_bases", "url_paths"]

url_paths = {"{0}/$": GlueResponse.dispatch}
