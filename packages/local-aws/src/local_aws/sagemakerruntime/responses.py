"""InvokeEndpoint: passes requests to the endpoint's process and returns its responses."""

import time
from typing import Any, cast

from moto.core.common_types import TYPE_RESPONSE
from moto.core.exceptions import ServiceException
from moto.core.request import Request
from moto.core.responses import ActionResult
from moto.core.utils import get_service_model
from moto.sagemaker.models import sagemaker_backends

from local_aws import inflight
from local_aws.api import LocalResponse
from local_aws.cloudwatch.metrics import report
from local_aws.sagemaker.errors import refuse_members
from local_aws.sagemaker.hosting import Variant
from local_aws.sagemaker.models import SageMakerBackend
from local_aws.sagemaker.serving import Unavailable

_ACTIONS = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
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
    """The request is invalid."""

    code = "ValidationError"


class TooLarge(ServiceException):
    """The request's body exceeds the limit."""

    code = "413"


class ModelError(ServiceException):
    """The container responded with an error, or not at all."""

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
        self.LogStreamArn = f"arn:{where.partition}:logs:{region}:{account}:log-group:{group}"


class SageMakerRuntimeResponse(LocalResponse):
    """The data plane."""

    service = "sagemaker-runtime"
    validation_code = "ValidationError"
    use_raw_body = True

    def setup_class(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Read the request; its body is bytes, even with a form's content type."""
        request.get_data()
        super().setup_class(request, *args, **kwargs)

    def parse_parameters(self, request: Request) -> None:
        """Read the parameters from the headers, and keep the body unparsed."""
        operation = get_service_model(self.service).operation_model(self._get_action())
        named = {
            name: request.headers.get(shape.serialization["name"])
            for name, shape in operation.input_shape.members.items()
            if shape.serialization.get("location") == "header"
        }
        self.params = {name: value for name, value in named.items() if value is not None}
        self.params |= {**self.uri_match, "Body": request.get_data()}

    def determine_response_protocol(self, service_model: Any) -> str:
        """REST-JSON, whatever the content type of the request's body."""
        return "rest-json"

    def _get_action(self) -> str:
        # directly, because moto looks it up four times per request with a slow router
        _, name, path = self.normalized_request.path.rsplit("/", 2)
        self.uri_match = {"EndpointName": name}
        return _ACTIONS[path]

    def serialized(self, action_result: ActionResult) -> TYPE_RESPONSE:
        """An error in moto's format; the container's response unchanged, with its content type."""
        answer = action_result.result
        if not isinstance(answer, dict):
            status, headers, body = super().serialized(action_result)
            return 413 if isinstance(answer, TooLarge) else status, headers, body
        body = answer.pop("Body")
        return 200, {**self.response_headers, **answer}, body

    def invoke_endpoint(self) -> dict[str, Any]:
        """Invoke the endpoint."""
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
        began, status = time.monotonic(), 500
        try:
            answer = self._ask(variant)
            status = 200
        except ModelError as error:
            status = error.OriginalStatusCode or 500
            raise
        except TooLarge:
            status = 413
            raise
        finally:
            variant.calls.leave()
            self._report(name, variant, status, time.monotonic() - began)
        return answer

    def _report(self, endpoint: str, variant: Variant, status: int, seconds: float) -> None:
        values = {
            "Invocations": (1.0, "None"),
            "Invocation4XXErrors": (float(400 <= status < 500), "None"),
            "Invocation5XXErrors": (float(status >= 500), "None"),
            "ModelLatency": (seconds * 1e6, "Microseconds"),
        }
        dimensions = {"EndpointName": endpoint, "VariantName": variant.name}
        report(self.current_account, self.region, "AWS/SageMaker", dimensions, values)

    def _ask(self, variant: Variant) -> dict[str, Any]:
        body: bytes = self.params["Body"]
        limit = _SERVERLESS_PAYLOAD if variant.serverless else _PAYLOAD
        if len(body) > limit:
            raise TooLarge(f"HTTP content length exceeded {limit} bytes.")
        headers = {
            "Content-Type": self.params.get("ContentType") or "application/json",
            "Accept": self.params.get("Accept") or "*/*",
        }
        if "CustomAttributes" in self.params:
            headers[_ATTRIBUTES] = self.params["CustomAttributes"]
        try:
            answer = variant.server.invoke(body, headers, inflight.LONGEST)
        except TimeoutError:
            raise ModelError(0, _TIMED_OUT, self, variant.log_group) from None
        except Unavailable:
            raise ModelError(503, "Service Unavailable", self, variant.log_group) from None
        if answer.status >= 400:
            text = answer.data.decode(errors="replace")[:1024]
            raise ModelError(answer.status, text, self, variant.log_group)
        # the guide limits only serverless endpoints' responses
        if variant.serverless and len(answer.data) > limit:
            text = f"The response of {len(answer.data)} bytes is over the limit of {limit} bytes."
            raise ModelError(500, text, self, variant.log_group)
        attributes = answer.headers.get(_ATTRIBUTES)
        return {
            "Body": answer.data,
            "Content-Type": answer.headers.get("Content-Type", "application/octet-stream"),
            "x-Amzn-Invoked-Production-Variant": variant.name,
            **({_ATTRIBUTES: attributes} if attributes else {}),
        }
