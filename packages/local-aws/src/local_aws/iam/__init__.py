"""IAM enforced: who calls, what the call needs, and whether policies allow it."""

from typing import Any


def install() -> None:
    """Check every request where moto has just read it. Harmless when called again."""
    from moto.core import errors
    from moto.core.responses import BaseResponse
    from moto.iam.models import iam_backends
    from moto.s3.responses import S3Response

    from local_aws.iam.door import CODES, checked, judged, unpack
    from local_aws.iam.models import LocalIAMBackend

    iam_backends.backend = LocalIAMBackend
    # moto warns of errors that a service's model lacks, but not of these
    known = errors.COMMON_ERROR_CODES
    known += [code for code in CODES if code not in known]
    BaseResponse.decompress_request_body = unpack  # type: ignore[method-assign,assignment]
    if not hasattr(BaseResponse.setup_class, "__wrapped__"):
        own: Any = S3Response.setup_class  # reads the region and the bucket after its base class
        S3Response.setup_class = checked(own)  # type: ignore[method-assign]
        BaseResponse.setup_class = checked(  # type: ignore[method-assign]
            BaseResponse.setup_class, but=(S3Response,)
        )
        get_action: Any = judged(BaseResponse._get_action)
        BaseResponse._get_action = get_action  # type: ignore[method-assign]
