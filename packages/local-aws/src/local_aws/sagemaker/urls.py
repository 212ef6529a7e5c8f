"""Where SageMaker's requests arrive."""

from local_aws.sagemaker.responses import SageMakerResponse
from local_aws.sagemakerruntime.responses import SageMakerRuntimeResponse

url_bases = [r"https?://api\.sagemaker\.(.+)\.amazonaws.com"]
url_paths = {
    "{0}/$": SageMakerResponse.dispatch,
    # moto's server takes this path of the data plane for the control plane's
    "{0}/endpoints/(?P<name>[^/]+)/invocations-response-stream$": SageMakerRuntimeResponse.dispatch,
}
