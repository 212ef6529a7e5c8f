"""Where CloudFormation listens."""

from local_aws.cloudformation.responses import CloudFormationResponse

url_bases = [r"https?://cloudformation\.(.+)\.amazonaws\.com"]

url_paths = {
    "{0}/$": CloudFormationResponse.dispatch,
    # where a custom resource's function puts its answer; the first part is moto's way of routing
    "{0}/cloudformation_(?P<region>[^/]+)/response/(?P<token>[^/]+)$": (
        CloudFormationResponse.custom_resource_answer
    ),
}
