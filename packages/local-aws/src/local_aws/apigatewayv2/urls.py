"""API Gateway's addresses, as moto knows them, answered by our responses."""

from moto.apigatewayv2 import urls as moto_urls

from local_aws.apigatewayv2.responses import LocalApiGatewayV2Response

url_bases = moto_urls.url_bases
url_paths = dict.fromkeys(moto_urls.url_paths, LocalApiGatewayV2Response.dispatch)
