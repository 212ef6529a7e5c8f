"""The HTTP API: absent unless asked for; signed, throttled, logged."""

import json
from collections.abc import Callable

from tests.stacks.deployments import Deployment


def test_api_by_default_is_not_deployed(default: Deployment) -> None:
    text = json.dumps(default.templates["Functions"])
    assert "ApiGateway" not in text
    functions = default.resources("Functions", "AWS::Lambda::Function").values()
    with_bucket = {
        one["Properties"]["FunctionName"]
        for one in functions
        if "BUCKET_NAME" in json.dumps(one["Properties"].get("Environment", {}))
    }
    # which ranks by the popularity that the catalogue in it tells
    assert with_bucket == {"recommender-Recommendation_Engine_Object2Vec"}


def test_api_routes_are_signed_throttled_and_logged(
    variant: Callable[[str], Deployment],
) -> None:
    deployment = variant("kms, other names")  # api.http, api.rate=5
    routes = deployment.resources("Functions", "AWS::ApiGatewayV2::Route").values()
    keys = {one["Properties"]["RouteKey"] for one in routes}
    assert keys == {
        "POST /rating",
        "POST /recommendation",
        "GET /movies/{movie}/neighbours",
        "GET /users/{id}/recommendations",
        "POST /users/{id}/ranking",
        "GET /items/{id}/similar",
        "POST /events",
        "DELETE /users/{id}",
        "GET /openapi.json",
    }
    assert {one["Properties"]["AuthorizationType"] for one in routes} == {"AWS_IAM"}
    (stage,) = deployment.resources("Functions", "AWS::ApiGatewayV2::Stage").values()
    settings = stage["Properties"]
    throttle = {"ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 20}
    assert settings["DefaultRouteSettings"] == throttle
    logged = json.loads(settings["AccessLogSettings"]["Format"])
    assert not [one for one in logged.values() if not one.startswith("$context.")]
    (policy,) = deployment.resources("Functions", "AWS::Logs::ResourcePolicy")
    assert policy in stage["DependsOn"]  # otherwise AWS creates its own policy, which remains
    permissions = deployment.resources("Functions", "AWS::Lambda::Permission").values()
    paths = {one["Properties"]["SourceArn"]["Fn::Join"][1][-1] for one in permissions}
    assert paths == {f"/*/*{key.split(' ')[1]}" for key in keys}
