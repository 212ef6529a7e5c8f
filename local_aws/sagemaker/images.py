"""Which program of this machine runs in place of which container image."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from local_aws.sagemaker.errors import ValidationException

_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z0-9.]+"
    r"/(?P<repository>[a-z0-9._/-]+)(?::(?P<tag>[A-Za-z0-9._-]+))?"
)

# the registries of Object2Vec and Factorization Machines, as in the SageMaker SDK's image table
REGISTRIES: Mapping[str, str] = {
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


def _metric(channel: str, name: str, kind: str) -> dict[str, str]:
    pattern = rf"#quality_metric: host=\S+, epoch=\S+, {channel} {name} <{kind}>=(\S+)"
    return {"Name": f"{channel}:{name}", "Regex": pattern}


@dataclass(frozen=True)
class Program:
    """A program that keeps SageMaker's container contract.

    It is started as `python *command train|serve algorithm`. `metrics` are the definitions
    (Name, Regex) by which its log lines become the training job's metrics; `registries` maps each
    region to the account that holds the image.
    """

    algorithm: str
    command: tuple[str, ...] = ("-m", "recsys.container")
    metrics: tuple[Mapping[str, str], ...] = ()
    registries: Mapping[str, str] = field(default_factory=lambda: REGISTRIES)
    tags: tuple[str, ...] = ("1", "latest")


PROGRAMS: dict[str, Program] = {  # by the name of the image's repository
    "factorization-machines": Program(
        "factorization-machines",
        metrics=tuple(
            _metric(channel, name, kind)
            for channel in ("train", "test")
            for name, kind in (
                ("rmse", "loss"),
                ("mse", "loss"),
                ("absolute_loss", "loss"),
                ("binary_classification_accuracy", "score"),
                ("binary_classification_cross_entropy", "loss"),
            )
        ),
    ),
    "object2vec": Program(
        "object2vec",
        metrics=tuple(
            _metric(channel, name, kind)
            for channel in ("train", "validation", "test")
            for name, kind in (
                ("mean_squared_error", "loss"),
                ("cross_entropy", "loss"),
                ("accuracy", "score"),
            )
        ),
    ),
}


def find(image: str, region: str) -> Program:
    """The program behind an image's URI in `region`.

    Raises:
        ValidationException: no image of that URI can run here; the text lists those that can.
    """
    uri = _URI.fullmatch(image)
    program = PROGRAMS.get(uri["repository"]) if uri else None
    if uri is None or program is None or (uri["tag"] or "latest") not in program.tags:
        known = ", ".join(f"{name}:{each.tags[0]}" for name, each in PROGRAMS.items())
        raise ValidationException(
            f"The image {image} cannot run here. The local AWS runs the built-in algorithms' "
            f"images by programs of its own, and these only: {known}."
        )
    account = program.registries.get(region)
    if (uri["account"], uri["region"]) != (account, region):
        where = f"account {account}" if account else "no account"
        raise ValidationException(
            f"The image {image} does not exist in {region}: the built-in algorithm "
            f"{uri['repository']} lives there in {where}."
        )
    return program
