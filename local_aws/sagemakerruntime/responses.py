"""InvokeEndpoint: the request's bytes to the endpoint's process, its answer's bytes back."""

from typing import Any

from moto.core.exceptions import ServiceException
from moto.sagemaker.models import sagemaker_backends

from local_aws.api import LocalResponse, NotImplementedByLocalAws
from local_aws.sagemaker.hosting import Endpoint, Unavailable, Variant

_SECONDS = 60
_PAYLOAD = 6_291_456
_SERVERLESS_PAYLOAD = 4_194_304
_UNSUPPORTED = ("TargetModel", "TargetContainerHostname", "InferenceComponentName", "SessionId")
_UNSUPPORTED += ("EnableExplanations",)
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


class ValidationError(ServiceException):  # type: ignore[misc]
    """The request is at fault."""

    code = "ValidationError"


class TooLarge(ServiceException):  # type: ignore[misc]
    """The request's body is over the limit."""

    code = "413"


class ModelError(ServiceException):  # type: ignore[misc]
    """The container answered with an error, or not at all."""

    code = "ModelError"

    def __init__(self, status: int, text: str, where: "SageMakerRuntimeResponse", group: str):
        region, account = where.region, where.current_account
        side = "client" if 400 <= status < 500 else "server"
        super().__init__(
            f'Received {side} error ({status}) from primary with message "{text}". See '
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={group} in account {account} for more information."
        )
        self.OriginalStatusCode = status  # noqa: N803
        self.OriginalMessage = text
        self.LogStreamArn = f"arn:{where.partition}:logs:{region}:{account}:log-group:{group}"


class SageMakerRuntimeResponse(LocalResponse):
    """The data plane."""

    service = "sagemaker-runtime"
    validation_code = "ValidationError"
    use_raw_body = True

    def setup_class(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Read the request."""
        request.get_data()  # before moto takes a body for a form because of its content type
        super().setup_class(request, *args, **kwargs)

    def invoke_endpoint(self) -> dict[str, Any]:
        """Ask the endpoint."""
        for member in _UNSUPPORTED:
            if self.params.get(member):
                raise NotImplementedByLocalAws(f"InvokeEndpoint's {member}")
        name = self.params["EndpointName"]
        backend = sagemaker_backends[self.current_account][self.region]
        endpoint: Endpoint | None = backend.hosted.find(name)
        if endpoint is None:
            raise ValidationError(f"Endpoint {name} of account {self.current_account} not found.")
        target = self.params.get("TargetVariant")
        try:
            with endpoint.variant(target) as variant:
                return self._ask(variant)
        except KeyError:
            raise ValidationError(f"Variant {target} of endpoint {name} not found.") from None
        except LookupError:
            raise ValidationError(
                f"Endpoint {name} of account {self.current_account} is {endpoint.status}: it "
                "answers only once it is InService."
            ) from None

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
            answer = variant.invoke(body, headers, _SECONDS)
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
