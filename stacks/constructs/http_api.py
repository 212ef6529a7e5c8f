"""An HTTP API in front of functions: signed requests only, throttled and logged."""

import json
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk.aws_apigatewayv2_authorizers import HttpIamAuthorizer
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from stacks.constructs.log_group import LogGroup
from stacks.constructs.roles import writes_logs

# Caller, route and outcome; neither request nor response bodies.
_LOGGED: Final = {
    "time": "$context.requestTime",
    "request": "$context.requestId",
    "caller": "$context.identity.userArn",
    "address": "$context.identity.sourceIp",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "error": "$context.integrationErrorMessage",
}


class HttpApi(Construct):
    """An API Gateway HTTP API with one stage, `$default`.

    Every route requires a signature (Signature Version 4), and the principal needs
    `execute-api:Invoke` on the route.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        name: str,
        rate: int,
        burst: int,
        log_days: int,
    ) -> None:
        """Create the API, without routes.

        Args:
            scope: the parent.
            id: the construct's id.
            name: the API's name.
            rate: the average request rate limit per second, for all callers together.
            burst: the burst limit.
            log_days: the retention of the access log in days.
        """
        super().__init__(scope, id)
        self._api = apigateway.HttpApi(
            self,
            "Api",
            api_name=name,
            create_default_stage=False,
            default_authorizer=HttpIamAuthorizer(),
        )
        group = LogGroup(self, "Logs", name=f"/aws/vendedlogs/{name}", days=log_days)
        stage = apigateway.CfnStage(
            self,
            "Stage",
            api_id=self._api.api_id,
            stage_name="$default",
            auto_deploy=True,
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=rate, throttling_burst_limit=burst
            ),
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                # the group's ARN attribute ends in `:*`, which is invalid here
                destination_arn=cdk.Stack.of(self).format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=group.log_group_name,
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                ),
                format=json.dumps(_LOGGED),
            ),
        )
        stage.node.add_dependency(self._delivery(name, group))

    @property
    def url(self) -> str:
        """The API's URL."""
        return self._api.api_endpoint

    def route(self, method: str, path: str, function: lambda_.IFunction) -> None:
        """Route a method on a path such as `/movies/{movie}` to a function."""
        verb = apigateway.HttpMethod[method]
        integration = HttpLambdaIntegration(f"{function.node.id}Integration", function)
        self._api.add_routes(path=path, methods=[verb], integration=integration)

    def _delivery(self, name: str, group: logs.LogGroup) -> logs.ResourcePolicy:
        """Allow the delivery service to write access logs to the group.

        Without it AWS creates a policy for the whole account, which would be left behind.
        """
        stack, allowed = cdk.Stack.of(self), writes_logs(group)
        return logs.ResourcePolicy(
            self,
            "Delivery",
            resource_policy_name=name,
            policy_statements=[
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
                    actions=list(allowed.actions),
                    resources=list(allowed.resources),
                    conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
                )
            ],
        )
