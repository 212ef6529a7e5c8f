"""InvokeEndpoint: the request's bytes to the endpoint's process, its answer's bytes back."""

from typing import Any, cast

from moto.core.exceptions import ServiceException
from moto.sagemaker.models import sagemaker_backends

from local_aws.api import LocalResponse
from local_aws.sagemaker.errors import refuse_members
from local_aws.sagemaker.hosting import Variant
from local_aws.sagemaker.models import SageMakerBackend
from local_aws.sagemaker.serving import Unavailable

_ACTIONS = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
_SECONDS = 60
_PAYLOAD = 6_291_456
_SERVERLESS_PAYLOAD = 4_194_304
_UNSUPPORTED = (
    "TargetModel",
    "TargetContainerHostname",
    "InferenceComponentName",
    "SessionId",
    "EnableExplanations",
)
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


class ValidationError(ServiceException):
    """The request is at fault."""

    code = "ValidationError"


class TooLarge(ServiceException):
    """The request's body is over the limit."""

    code = "413"


class ModelError(ServiceException):
    """The container answered with an error, or not at all."""

    code = "ModelError"

    def __init__(
        self, status: int, text: str, where: "SageMakerRuntimeResponse", group: str
    ) -> None:
        region, account = where.region, where.current_account
        side = "client" if 400 <= status < 500 else "server"
        super().__init__(
            f'Received {side} error ({status}) from primary with message "{text}". See '
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={group} in account {account} for more information."
        )
        self.OriginalStatusCode = status
        self.OriginalMessage = text
        self.LogStreamArn = f"arn:{self.partition}:logs:{region}:{account}:log-group:{group}"


class SageMakerRuntimeResponse(LocalResponse):
    """The data plane."""

    service = "sagemaker-runtime"
    validation_code = "ValidationError"
    use_raw_body = True

    def setup_class(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Read the request."""
        request.get_data()  # before moto takes a body for a form because of its content type
        super().setup_class(request, *args, **kwargs)

    def _get_action(self) -> str:
        # by hand, because moto asks four times a request, and its router takes its time
        _, name, path = self.normalized_request.path.rsplit("/", 2)
        self.uri_match = {"EndpointName": name}
        return _ACTIONS[path]

    def invoke_endpoint(self) -> dict[str, Any]:
        """Ask the endpoint."""
        refuse_members(self.params, _UNSUPPORTED, "InvokeEndpoint")
        name = self.params["EndpointName"]
        backend = sagemaker_backends[self.current_account][self.region]
        endpoint = cast(SageMakerBackend, backend).hosted.find(name)
        if endpoint is None:
            raise ValidationError(f"Endpoint {name} of account {self.current_account} not found.")
        target = self.params.get("TargetVariant")
        try:
            variant = endpoint.enter(target)
        except LookupError as error:
            raise ValidationError(str(error)) from None
        try:
            return self._ask(variant)
        finally:
            variant.leave()

    def _ask(self, variant: Variant) -> dict[str, Any]:
        body: bytes = self.params.get("Body") or b""
        limit = _SERVERLESS_PAYLOAD if variant.serverless else _PAYLOAD
        if len(body) > limit:
            raise TooLarge(f"HTTP content length exceeded {limit} bytes.")
        headers = {
            "Content-Type": self.params.get("ContentType") or "application/json",
            "Accept": self.params.get("Accept") or "*/*",
        }
        if "CustomAttributes" in self.params:
            headers["X-Amzn-SageMaker-Custom-Attributes"] = self.params["CustomAttributes"]
        try:
            answer = variant.server.invoke(body, headers, _SECONDS)
        except TimeoutError:
            raise ModelError(0, _TIMED_OUT, self, variant.log_group) from None
        except Unavailable:
            raise ModelError(503, "Service Unavailable", self, variant.log_group) from None
        if answer.status >= 400:
            text = answer.data.decode(errors="replace")[:1024]
            raise ModelError(answer.status, text, self, variant.log_group)
        if len(answer.data) > limit:
            text = f"The response of {len(answer.data)} bytes is over the limit of {limit} bytes."
            raise ModelError(500, text, self, variant.log_group)
        result = {
            "Body": answer.data,
            "ContentType": answer.headers.get("Content-Type", "application/octet-stream"),
            "InvokedProductionVariant": variant.name,
        }
        attributes = answer.headers.get("X-Amzn-SageMaker-Custom-Attributes")
        return {**result, "CustomAttributes": attributes} if attributes else result
