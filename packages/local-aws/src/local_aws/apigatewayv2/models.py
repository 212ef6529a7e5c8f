"""moto's HTTP APIs, with an endpoint on this server."""

from typing import Any

from moto.apigatewayv2.models import Api, ApiGatewayV2Backend, Stage

from local_aws import clients
from local_aws.api import AwsError

PATH = "/_execute-api/"  # path before an API's id on this server


class LocalApiGatewayV2Backend(ApiGatewayV2Backend):
    """moto's backend, whose records `local_aws.apigatewayv2.gateway` uses."""

    def create_api(self, *arguments: Any, **named: Any) -> Api:
        """Create an API, with an endpoint on the running server, if any."""
        api = super().create_api(*arguments, **named)
        if url := clients.endpoint_url():
            api.api_endpoint = f"{url}{PATH}{api.api_id}"
        return api

    def create_stage(self, api_id: str, config: dict[str, Any]) -> Stage:
        """Create a stage, unless the API has one with this name."""
        if config["stageName"] in self.get_api(api_id).stages:
            raise AwsError("ConflictException", "Stage already exists")
        return super().create_stage(api_id, config)

    def update_stage(self, api_id: str, name: str, changes: dict[str, Any]) -> Stage:
        """Update a stage, which moto does not support."""
        before = self.get_stage(api_id, name)
        changed = Stage(self.get_api(api_id), {**before.config, **changes, "stageName": name})
        changed.created = before.created
        self.get_api(api_id).stages[name] = changed
        return changed
