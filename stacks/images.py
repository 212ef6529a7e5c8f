"""SageMaker's images: their names, and the registry accounts by region."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from constructs import Construct

# The registry account of each region, as in the sagemaker package's own tables (a test compares):
# of the built-in algorithms, and of the AWS deep learning containers.
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
DEEP_LEARNING_ACCOUNTS: Final = {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-1": "763104351884",
    "ap-northeast-2": "763104351884",
    "ap-northeast-3": "364406365360",
    "ap-south-1": "763104351884",
    "ap-south-2": "772153158452",
    "ap-southeast-1": "763104351884",
    "ap-southeast-2": "763104351884",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-central-1": "763104351884",
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-1": "763104351884",
    "eu-central-2": "380420809688",
    "eu-north-1": "763104351884",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "eu-west-1": "763104351884",
    "eu-west-2": "763104351884",
    "eu-west-3": "763104351884",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "me-west-1": "124382933778",
    "mx-central-1": "637423239942",
    "sa-east-1": "763104351884",
    "us-east-1": "763104351884",
    "us-east-2": "763104351884",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
    "us-west-1": "763104351884",
    "us-west-2": "763104351884",
}


@dataclass(frozen=True)
class Name:
    """An image's repository and tag, and its registry account by region."""

    repository: str
    tag: str
    accounts: Mapping[str, str]


OBJECT2VEC: Final = Name("object2vec", "1", ACCOUNTS)
FACTORIZATION_MACHINES: Final = Name("factorization-machines", "1", ACCOUNTS)
# The newest of each with the same Python, 3.12. A CPU is enough for a small network.
PYTORCH_TRAINING: Final = Name("pytorch-training", "2.8.0-cpu-py312", DEEP_LEARNING_ACCOUNTS)
PYTORCH_INFERENCE: Final = Name("pytorch-inference", "2.6.0-cpu-py312", DEEP_LEARNING_ACCOUNTS)


class Image(Construct):
    """The image in the stack's region, which may only be known at deployment.

    Attributes:
        uri: the image URI for training jobs and models.
        repository_arn: the repository that a role must be allowed to pull from.
    """

    def __init__(self, scope: Construct, id: str, name: Name) -> None:  # noqa: A002
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        if cdk.Token.is_unresolved(stack.region):
            rows = {region: {"id": account} for region, account in name.accounts.items()}
            table = cdk.CfnMapping(self, "Accounts", mapping=rows)
            account = table.find_in_map(stack.region, "id")
        else:
            account = name.accounts[stack.region]
        registry = f"{account}.dkr.ecr.{stack.region}.{stack.url_suffix}"
        self.uri = f"{registry}/{name.repository}:{name.tag}"
        self.repository_arn = stack.format_arn(
            service="ecr", account=account, resource="repository", resource_name=name.repository
        )
