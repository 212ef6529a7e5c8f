"""API Gateway's HTTP APIs: kept by moto, refused where they could not answer, and answering."""


def install() -> None:
    """Put our backend into moto."""
    from moto.apigateway import urls as shared
    from moto.apigatewayv2.models import apigatewayv2_backends

    from local_aws.apigatewayv2 import urls
    from local_aws.apigatewayv2.models import LocalApiGatewayV2Backend

    apigatewayv2_backends.backend = LocalApiGatewayV2Backend
    shared.url_paths.update(urls.url_paths)  # both versions answer at one address
