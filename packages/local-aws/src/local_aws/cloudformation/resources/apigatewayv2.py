"""AWS::ApiGatewayV2: HTTP APIs, their integrations, routes and stages."""

from typing import ClassVar

from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    Properties,
    retag,
)

_GONE = frozenset({"NotFoundException"})


class Api(Handler):
    """AWS::ApiGatewayV2::Api of HTTP."""

    type = "AWS::ApiGatewayV2::Api"
    supported = frozenset({"Description", "Name", "ProtocolType", "Tags", "Version"})
    gone_codes = _GONE

    def create(self, call: Call) -> Attributes:
        """Create the API."""
        answer = call.client("apigatewayv2").create_api(**call.properties)
        call.identify(answer["ApiId"])
        return _attributes(answer)

    def update(self, call: Call) -> Attributes:
        """Change its name, description, version and tags."""
        client = call.client("apigatewayv2")
        settings = {"Description": "", "Version": "", **call.properties}
        settings = {n: v for n, v in settings.items() if n not in ("ProtocolType", "Tags")}
        answer = client.update_api(ApiId=call.physical_id, **settings)
        _retag(call, f"/apis/{call.physical_id}")
        return _attributes(answer)

    def delete(self, call: Call) -> None:
        """Delete the API with its parts."""
        call.client("apigatewayv2").delete_api(ApiId=call.physical_id)


class _Part(Handler):
    """A part of an API, named `noun` in its service."""

    gone_codes = _GONE
    noun: ClassVar[str]

    def create(self, call: Call) -> Attributes:
        """Create it."""
        answer = self._call(call, "create", call.properties)
        identity = answer[f"{self.noun.capitalize()}Id"]
        call.identify(identity)
        return {f"{self.noun.capitalize()}Id": identity}

    def update(self, call: Call) -> Attributes:
        """Change it."""
        identity = {f"{self.noun.capitalize()}Id": call.physical_id}
        self._call(call, "update", {**call.properties, **identity})
        return dict(identity)

    def delete(self, call: Call) -> None:
        """Delete it."""
        identity = {f"{self.noun.capitalize()}Id": call.physical_id}
        self._call(call, "delete", {"ApiId": call.properties["ApiId"], **identity})

    def _call(self, call: Call, verb: str, request: Properties) -> Attributes:
        client = call.client("apigatewayv2")
        answer: Attributes = getattr(client, f"{verb}_{self.noun}")(**request)
        return answer


class Integration(_Part):
    """AWS::ApiGatewayV2::Integration with a function."""

    type = "AWS::ApiGatewayV2::Integration"
    noun = "integration"
    supported = frozenset(
        [
            "ApiId",
            "ConnectionType",
            "Description",
            "IntegrationMethod",
            "IntegrationType",
            "IntegrationUri",
            "PayloadFormatVersion",
            "TimeoutInMillis",
        ]
    )


class Route(_Part):
    """AWS::ApiGatewayV2::Route."""

    type = "AWS::ApiGatewayV2::Route"
    noun = "route"
    supported = frozenset({"ApiId", "AuthorizationType", "OperationName", "RouteKey", "Target"})


class Stage(Handler):
    """AWS::ApiGatewayV2::Stage."""

    type = "AWS::ApiGatewayV2::Stage"
    supported = frozenset(
        [
            "AccessLogSettings",
            "ApiId",
            "AutoDeploy",
            "DefaultRouteSettings",
            "Description",
            "StageName",
            "Tags",
        ]
    )
    gone_codes = _GONE

    def create(self, call: Call) -> Attributes:
        """Create the stage."""
        call.client("apigatewayv2").create_stage(**call.properties)
        call.identify(call.properties["StageName"])
        return {}

    def update(self, call: Call) -> Attributes:
        """Change its throttling, its log, its description and its tags."""
        wanted = {"DefaultRouteSettings": {}, "Description": "", **call.properties}
        settings = {name: value for name, value in wanted.items() if name != "Tags"}
        call.client("apigatewayv2").update_stage(**settings)
        _retag(call, f"/apis/{wanted['ApiId']}/stages/{call.physical_id}")
        return {}

    def delete(self, call: Call) -> None:
        """Delete the stage."""
        call.client("apigatewayv2").delete_stage(
            ApiId=call.properties["ApiId"], StageName=call.physical_id
        )


HANDLERS = (Api, Integration, Route, Stage)


def _attributes(answer: Attributes) -> Attributes:
    return {"ApiId": answer["ApiId"], "ApiEndpoint": answer["ApiEndpoint"]}


def _retag(call: Call, path: str) -> None:
    arn = f"arn:aws:apigateway:{call.region}::{path}"
    retag(call, call.client("apigatewayv2"), dict, ResourceArn=arn)
