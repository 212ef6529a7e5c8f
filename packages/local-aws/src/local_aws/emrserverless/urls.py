"""The URLs of EMR Serverless, from botocore's model."""

import re

from moto.core.utils import get_service_model

from local_aws.emrserverless.responses import EmrServerlessResponse

url_bases = [r"https?://emr-serverless\.(.+)\.amazonaws\.com"]

_model = get_service_model("emr-serverless")
url_paths = {
    # tags belong to an ARN, which has slashes
    "{0}"
    + re.sub(
        r"\{(\w+)\}",
        lambda name: f"(?P<{name[1]}>{'.+' if name[1] == 'resourceArn' else '[^/]+'})",
        _model.operation_model(name).http["requestUri"],
    )
    + "$": EmrServerlessResponse.dispatch
    for name in _model.operation_names
}
