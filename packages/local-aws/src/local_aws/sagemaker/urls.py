"""SageMaker's URLs."""

from local_aws.sagemaker.responses import SageMakerResponse
from local_aws.sagemakerruntime.responses import SageMakerRuntimeResponse

url_bases = [r"https?://api\.sagemaker\.(.+)\.amazonaws.com"]
url_paths = {
    "{0}/$": SageMakerResponse.dispatch,
    # moto's server routes this path of the data plane to the control plane
    "{0}/endpoints/(?P<name>[^/]+)/invocations-response-stream$": SageMakerRuntimeResponse.dispatch,
}
