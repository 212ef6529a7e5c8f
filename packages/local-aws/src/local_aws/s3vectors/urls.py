"""URLs of Amazon S3 Vectors: one path per operation, and one for tags."""

from moto.core.utils import get_service_model

from local_aws.s3vectors.responses import S3VectorsResponse

url_bases = [r"https?://s3vectors\.(.+)\.api\.(?:aws|amazonwebservices\.com\.cn)"]

url_paths = {
    **{
        f"{{0}}/{name}$": S3VectorsResponse.dispatch
        for name in get_service_model("s3vectors").operation_names
        if not name.endswith("Resource")
    },
    r"{0}/tags/(?P<resourceArn>.+)$": S3VectorsResponse.dispatch,
}
