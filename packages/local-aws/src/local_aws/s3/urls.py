"""S3's addresses, as moto knows them, answered by our responses."""

from moto.s3.urls import url_bases
from moto.s3.urls import url_paths as moto_paths

from local_aws.s3.responses import LocalS3Response

__all__ = ["url_bases", "url_paths"]

url_paths = {
    path: getattr(LocalS3Response, dispatch.__name__) for path, dispatch in moto_paths.items()
}
