"""Lambda's addresses, as moto knows them, answered by our responses."""

from moto.awslambda import urls as moto_urls

from local_aws.awslambda.responses import LocalLambdaResponse

url_bases = moto_urls.url_bases
url_paths = dict.fromkeys(
    [*moto_urls.url_paths, "{0}/(?P<anything>.+)$"],  # the last is refused with its name
    LocalLambdaResponse.dispatch,
)
