"""Lambda's HTTP side: moto's, with requests validated and invocations that run."""

import base64
import json
import re
from typing import Any
from urllib.parse import unquote

from moto.awslambda.models import lambda_backends
from moto.awslambda.responses import LambdaResponse
from moto.core.common_types import TYPE_RESPONSE
from moto.core.request import Request
from moto.core.responses import BaseResponse
from moto.core.utils import camelcase_to_underscores, get_service_model

from local_aws import validation
from local_aws.api import AwsError, CheckedResponse, NotImplementedByLocalAws
from local_aws.awslambda.models import LocalLambdaBackend

# URLs that identify a function or layer by ARN or by part of it
_NAMED = re.compile(r"(/(?:functions|layers)/)")
_NAME = re.compile(
    r"(?:arn:[\w-]+:lambda:(?P<region>[\w-]+):)?(?P<account>\d{12}):(?:function|layer):"
    r"(?P<name>[\w-]+)(?P<qualifier>:[\w$-]+)?"
)


class LocalLambdaResponse(CheckedResponse, LambdaResponse):
    """Answers Lambda's operations; unimplemented ones are refused by name."""

    @property
    def backend(self) -> LocalLambdaBackend:
        """The caller's account in its region."""
        backend = lambda_backends[self.current_account][self.region]
        assert isinstance(backend, LocalLambdaBackend)
        return backend

    def setup_class(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Keep an event as bytes: it may have 6 MB and is not a form."""
        if request.path.rstrip("/").endswith("/invocations"):
            kwargs["use_raw_body"] = True
        super().setup_class(request, *args, **kwargs)

    def check(self, action: str) -> None:
        """Refuse unsupported settings, and what botocore's model does not allow."""
        if not hasattr(self, camelcase_to_underscores(action)) or action == "InvokeAsync":
            raise NotImplementedByLocalAws(f"lambda:{action}")
        self._read_name()
        if action == "Invoke":
            return  # its parameters are headers, validated where they are read
        self.parse_parameters(self.normalized_request)
        operation = get_service_model("lambda").operation_model(action)
        # Lambda has a special message for an invalid runtime, which the backend raises
        checked = {name: value for name, value in self.params.items() if name != "Runtime"}
        broken = validation.violations(checked, operation.input_shape)
        if broken:
            raise AwsError("ValidationException", validation.message(broken))

    def _read_name(self) -> None:
        """Replace identifiers in the URL by plain names, because moto does not parse all forms.

        A function and a layer are named by name, by ARN or by a part of it.
        """
        start, kind, rest = _NAMED.split(self.path, 1) if _NAMED.search(self.path) else ("", "", "")
        given, slash, rest = rest.partition("/")
        account, region = self.current_account, self.region
        parts = _NAME.fullmatch(unquote(given))
        if parts and parts["account"] == account and parts["region"] in (None, region):
            name = parts["name"] + (parts["qualifier"] or "")
            self.path = f"{start}{kind}{name}{slash}{rest}"

    def get_layer_version_by_arn(self) -> TYPE_RESPONSE:
        """A version of a layer."""
        arn = self.params["Arn"]
        version = self.backend.layers_versions_by_arn(arn)
        if version is None:
            raise AwsError("ResourceNotFoundException", f"The layer version {arn} does not exist.")
        return 200, {}, json.dumps(version.get_layer_version())

    def invoke(self) -> TYPE_RESPONSE:
        """Invoke a function, or accept its event."""
        kind = self.headers.get("X-Amz-Invocation-Type") or "RequestResponse"
        if kind not in ("RequestResponse", "Event", "DryRun"):
            raise AwsError(
                "InvalidParameterValueException",
                f"Value '{kind}' at 'invocationType' failed to satisfy constraint: Member must "
                "satisfy enum value set: [RequestResponse, Event, DryRun]",
            )
        done = self.backend.run(
            unquote(self.path.rstrip("/").rsplit("/", 2)[-2]),
            (self.querystring.get("Qualifier") or [None])[0],
            self.raw_body,
            kind,
            self.headers.get("X-Amz-Client-Context"),
        )
        headers = {"x-amzn-requestid": done.request_id, "x-amz-executed-version": done.version}
        if kind != "RequestResponse":
            headers["status"] = "202" if kind == "Event" else "204"
            return int(headers["status"]), headers, b""
        headers["content-type"] = "application/json"
        if done.error:
            headers["x-amz-function-error"] = "Unhandled"
        if self.headers.get("X-Amz-Log-Type") == "Tail":
            headers["x-amz-log-result"] = base64.b64encode(done.log_tail).decode()
        return 200, headers, done.payload

    def get_account_settings(self) -> TYPE_RESPONSE:
        """The account's limits and usage."""
        return 200, {}, json.dumps(self.backend.account_settings())

    @staticmethod
    def _enrich_response(headers: dict[str, str], body: Any) -> tuple[dict[str, str], Any]:
        ours = headers.get("x-amzn-requestid")
        headers, body = BaseResponse._enrich_response(headers, body)
        if ours:  # callers find log and status by the invocation's id
            headers["x-amzn-requestid"] = ours
        return headers, body
