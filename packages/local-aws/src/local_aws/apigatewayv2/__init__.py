"""API Gateway's HTTP APIs: kept by moto, refused where they could not answer, and answering."""

from typing import Any

from wrapt import when_imported


def install() -> None:
    """Put our backend into moto."""
    from moto.apigatewayv2.models import apigatewayv2_backends

    from local_aws.apigatewayv2.models import LocalApiGatewayV2Backend

    apigatewayv2_backends.backend = LocalApiGatewayV2Backend
    # both versions answer at one address; the first one's validators take a second to import
    when_imported("moto.apigateway.urls")(_add_paths)


def _add_paths(shared: Any) -> None:
    from local_aws.apigatewayv2 import urls

    shared.url_paths.update(urls.url_paths)
