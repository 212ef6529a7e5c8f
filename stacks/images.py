"""Where SageMaker keeps the image of its built-in algorithm Object2Vec."""

from typing import Final

import aws_cdk as cdk
from constructs import Construct

REPOSITORY: Final = "object2vec"

# The registry account of each region, as in the sagemaker package's own table (a test compares).
ACCOUNTS: Final = {
    "af-south-1": "455444449433",
    "ap-east-1": "286214385809",
    "ap-northeast-1": "351501993468",
    "ap-northeast-2": "835164637446",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "991648021394",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "475088953585",
    "ap-southeast-2": "712309505854",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "469771592824",
    "ca-west-1": "190319476487",
    "cn-north-1": "390948362332",
    "cn-northwest-1": "387376663083",
    "eu-central-1": "664544806723",
    "eu-central-2": "680994064768",
    "eu-north-1": "669576153137",
    "eu-south-1": "257386234256",
    "eu-south-2": "104374241257",
    "eu-west-1": "438346466558",
    "eu-west-2": "644912444149",
    "eu-west-3": "749696950732",
    "il-central-1": "898809789911",
    "me-central-1": "272398656194",
    "me-south-1": "249704162688",
    "sa-east-1": "855470959533",
    "us-east-1": "382416733822",
    "us-east-2": "404615174143",
    "us-gov-east-1": "237065988967",
    "us-gov-west-1": "226302683700",
    "us-iso-east-1": "490574956308",
    "us-isob-east-1": "765400339828",
    "us-isof-east-1": "108575199400",
    "us-isof-south-1": "124985052026",
    "us-west-1": "632365934929",
    "us-west-2": "174872318107",
}


class Image(Construct):
    """The image in the stack's region, which may be known only when it deploys.

    Attributes:
        uri: what a training job and a model name as their image.
        repository_arn: what a role must be allowed to pull from.
    """

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        if cdk.Token.is_unresolved(stack.region):
            table = cdk.CfnMapping(
                self, "Accounts", mapping={at: {"id": account} for at, account in ACCOUNTS.items()}
            )
            account = table.find_in_map(stack.region, "id")
        else:
            account = ACCOUNTS[stack.region]
        self.uri = f"{account}.dkr.ecr.{stack.region}.{stack.url_suffix}/{REPOSITORY}:1"
        self.repository_arn = stack.format_arn(
            service="ecr", account=account, resource="repository", resource_name=REPOSITORY
        )
