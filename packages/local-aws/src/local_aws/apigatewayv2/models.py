"""moto's HTTP APIs, at an address where they answer."""

from typing import Any

from moto.apigatewayv2.models import Api, ApiGatewayV2Backend, Stage

from local_aws import clients
from local_aws.api import AwsError

PATH = "/_execute-api/"  # before an API's id, in its address on this server


class LocalApiGatewayV2Backend(ApiGatewayV2Backend):
    """moto's backend; what it keeps is looked up by `local_aws.apigatewayv2.gateway`."""

    def create_api(self, *arguments: Any, **named: Any) -> Api:
        """Make an API. Where there is a server, its endpoint is there."""
        api = super().create_api(*arguments, **named)
        if url := clients.endpoint_url():
            api.api_endpoint = f"{url}{PATH}{api.api_id}"
        return api

    def create_stage(self, api_id: str, config: dict[str, Any]) -> Stage:
        """Make a stage, unless the API has one of this name."""
        if config["stageName"] in self.get_api(api_id).stages:
            raise AwsError("ConflictException", "Stage already exists")
        return super().create_stage(api_id, config)

    def update_stage(self, api_id: str, name: str, changes: dict[str, Any]) -> Stage:
        """Change some of a stage's settings, which moto does not."""
        before = self.get_stage(api_id, name)
        changed = Stage(self.get_api(api_id), {**before.config, **changes, "stageName": name})
        changed.created = before.created
        self.get_api(api_id).stages[name] = changed
        return changed
