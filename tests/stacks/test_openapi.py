"""The HTTP API's description: it is the code's, of what is deployed, and what the functions do."""

from collections.abc import Callable

import pytest
from jsonschema import Draft202012Validator
from lists import http_api
from openapi_spec_validator import validate

import openapi
from tests.stacks.deployments import Deployment


def test_the_document_is_valid_and_what_the_code_says() -> None:
    validate(openapi.document())
    assert openapi.DOCUMENT.read_text("utf-8") == openapi.text(), "run: python openapi.py"


def test_an_example_is_what_its_schema_allows() -> None:
    for path, operations in openapi.document()["paths"].items():
        for method, operation in operations.items():
            given = operation.get("parameters", [])
            told = [*given, *operation.get("requestBody", {}).get("content", {}).values()]
            assert all("example" in one for one in told), (path, method)
            for one in told:
                Draft202012Validator(one["schema"]).validate(one["example"])


@pytest.mark.parametrize(
    ("name", "stack"), [("kms, other names", "Functions"), ("lists alone", "Lists")]
)
def test_a_deployed_api_describes_its_routes_and_no_others(
    variant: Callable[[str], Deployment],
    name: str,
    stack: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployment = variant(name)
    routes = deployment.resources(stack, "AWS::ApiGatewayV2::Route").values()
    (function,) = (
        one["Properties"]
        for one in deployment.resources("Lists", "AWS::Lambda::Function").values()
        if one["Properties"].get("Handler") == "lists.handler.handler"
    )
    monkeypatch.setattr(http_api, "_DOCUMENT", openapi.DOCUMENT)
    tags = function["Environment"]["Variables"]["API_TAGS"].split(",")
    described = {
        f"{method.upper()} {path}"
        for path, operations in http_api.described(tags)["paths"].items()
        for method in operations
    }
    assert described == {one["Properties"]["RouteKey"] for one in routes}
