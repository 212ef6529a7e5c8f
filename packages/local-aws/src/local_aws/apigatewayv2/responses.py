"""API Gateway's control plane: moto's, with unsupported settings refused by name."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from moto.apigatewayv2.models import apigatewayv2_backends
from moto.apigatewayv2.responses import ApiGatewayV2Response
from moto.core.common_types import TYPE_RESPONSE
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.utils import get_service_model

from local_aws import validation
from local_aws.api import AwsError, CheckedResponse, NotImplementedByLocalAws
from local_aws.apigatewayv2.models import LocalApiGatewayV2Backend
from local_aws.documents import read_json

_LAMBDA: Final = ":lambda:"
_LOG_GROUP: Final = re.compile(
    rf"arn:[\w-]+:logs:[a-z]{{2}}(?:-[a-z]+)+-\d:{DEFAULT_ACCOUNT_ID}:log-group:[\w./#-]+(?::\*)?"
)
# The supported parameters of each operation and their values; None allows any.
_INTEGRATION: Final[Mapping[str, Callable[[Any], bool] | None]] = {
    "ApiId": None,
    "IntegrationId": None,
    "Description": None,
    "ConnectionType": lambda value: value == "INTERNET",
    "IntegrationMethod": lambda value: value == "POST",
    "IntegrationType": lambda value: value == "AWS_PROXY",
    "IntegrationUri": lambda value: _LAMBDA in value,
    "PayloadFormatVersion": lambda value: value == "2.0",
    "TimeoutInMillis": None,
}
_ROUTE: Final[Mapping[str, Callable[[Any], bool] | None]] = {
    "ApiId": None,
    "RouteId": None,
    "RouteKey": None,
    "OperationName": None,
    "AuthorizationType": lambda value: value in ("NONE", "AWS_IAM"),
    "Target": lambda value: value.startswith("integrations/"),
}
_STAGE: Final[Mapping[str, Callable[[Any], bool] | None]] = {
    "ApiId": None,
    "StageName": lambda value: value == "$default",
    "Description": None,
    "AutoDeploy": lambda value: value is True,
    "AccessLogSettings": lambda value: (
        "Format" in value and _LOG_GROUP.fullmatch(value.get("DestinationArn", "")) is not None
    ),
    "DefaultRouteSettings": lambda value: (
        value.keys() <= {"ThrottlingRateLimit", "ThrottlingBurstLimit", "DetailedMetricsEnabled"}
    ),
    "Tags": None,
}
_API: Final[Mapping[str, Callable[[Any], bool] | None]] = {
    "ApiId": None,
    "Name": None,
    "Description": None,
    "Version": None,
    "ProtocolType": lambda value: value == "HTTP",
    "Tags": None,
}
_HONOURED: Final = {
    "CreateApi": _API,
    "UpdateApi": _API,
    "CreateIntegration": _INTEGRATION,
    "UpdateIntegration": _INTEGRATION,
    "CreateRoute": _ROUTE,
    "UpdateRoute": _ROUTE,
    "CreateStage": _STAGE,
    "UpdateStage": _STAGE,
}
_SIMPLE: Final = frozenset(
    f"{verb}{noun}"
    for noun in ("Api", "Integration", "Route", "Stage")
    for verb in ("Get", "Delete")
) | {"GetApis", "GetIntegrations", "GetRoutes", "GetStages", "GetTags"}
_TAGGING: Final = frozenset({"TagResource", "UntagResource"})


class LocalApiGatewayV2Response(CheckedResponse, ApiGatewayV2Response):
    """Answers only the operations that HTTP APIs in front of functions need."""

    def update_stage(self) -> TYPE_RESPONSE:
        """Change a stage."""
        backend = apigatewayv2_backends[self.current_account][self.region]
        assert isinstance(backend, LocalApiGatewayV2Backend)
        _, api_id, _, name = self.path.rsplit("/", 3)
        stage = backend.update_stage(api_id, unquote(name), read_json(self.body))
        return 200, {}, json.dumps(stage.to_json())

    def check(self, action: str) -> None:
        """Refuse unsupported settings, and what botocore's model does not allow."""
        if action not in _HONOURED.keys() | _SIMPLE | _TAGGING:
            raise NotImplementedByLocalAws(f"apigatewayv2:{action}")
        self.parse_parameters(self.normalized_request)
        operation = get_service_model("apigatewayv2").operation_model(action)
        broken = validation.violations(self.params, operation.input_shape)
        if broken:
            raise AwsError("BadRequestException", validation.message(broken))
        honoured = _HONOURED.get(action, {})
        for name, value in self.params.items() if honoured else ():
            fits = honoured.get(name, _no)
            if value not in (None, {}, []) and fits is not None and not fits(value):
                raise NotImplementedByLocalAws(f"apigatewayv2:{action} with {name} {value!r}")


def _no(_: Any) -> bool:
    return False
