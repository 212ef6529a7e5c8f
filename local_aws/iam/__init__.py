"""IAM enforced: who calls, what the call needs, and whether policies allow it."""


def install() -> None:
    """Check every request where moto has just read it. Harmless when called again."""
    from moto.core import errors
    from moto.core.responses import BaseResponse
    from moto.iam.models import iam_backends

    from local_aws.iam.door import CODES, checked, unpack
    from local_aws.iam.models import LocalIAMBackend

    iam_backends.backend = LocalIAMBackend
    # moto warns of errors that a service's model lacks, but not of these
    known = errors.COMMON_ERROR_CODES
    known += [code for code in CODES if code not in known]
    BaseResponse.decompress_request_body = unpack  # type: ignore[method-assign,assignment]
    if not hasattr(BaseResponse.setup_class, "__wrapped__"):
        BaseResponse.setup_class = checked(BaseResponse.setup_class)  # type: ignore[method-assign]
