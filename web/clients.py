"""Shared AWS clients: using clients is thread-safe, creating them is not."""

from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3vectors import S3VectorsClient
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

_CONFIG: Final = Config(
    connect_timeout=3,
    read_timeout=20,  # a cold function that embeds a catalogue takes some seconds
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=64,
)


class Clients:
    """The clients that the page uses; `botocore.exceptions.NoRegionError` without a region."""

    def __init__(self) -> None:
        session = boto3.Session()
        make: Any = lambda service: session.client(service, config=_CONFIG)  # noqa: E731
        self.cloudformation: CloudFormationClient = make("cloudformation")
        self.dynamodb: Any = make("dynamodb")
        self.s3: S3Client = make("s3")
        self.s3vectors: S3VectorsClient = make("s3vectors")
        self.sagemaker: SageMakerClient = make("sagemaker")
        self.sagemaker_runtime: SageMakerRuntimeClient = make("sagemaker-runtime")
        self.functions: LambdaClient = make("lambda")
        self.personalize: Any = make("personalize")
        self.personalize_runtime: Any = make("personalize-runtime")
        self.personalize_events: Any = make("personalize-events")

    @staticmethod
    def secret(name: str) -> str:
        """Read a secret from AWS Secrets Manager, by name or ARN."""
        client = boto3.client("secretsmanager", config=_CONFIG)
        return str(client.get_secret_value(SecretId=name)["SecretString"])
