"""Where CloudFormation listens."""

from local_aws.cloudformation.responses import CloudFormationResponse

url_bases = [r"https?://cloudformation\.(.+)\.amazonaws\.com"]

url_paths = {
    "{0}/$": CloudFormationResponse.dispatch,
    # the response URL of custom resources; the first part is for moto's routing
    "{0}/cloudformation_(?P<region>[^/]+)/response/(?P<token>[^/]+)$": (
        CloudFormationResponse.custom_resource_answer
    ),
}
