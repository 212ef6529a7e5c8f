import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local_aws.sagemaker import images
from local_aws.server import LocalAws

FAKE = Path(__file__).with_name("fake_container.py")
REGION = "us-east-1"
IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/object2vec:1"
ROLE = "arn:aws:iam::123456789012:role/sagemaker"
BUCKET = "data-bucket"
_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:GetObject", "s3:PutObject"],
            "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
        },
        {
            "Effect": "Allow",
            "Action": [
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                "cloudwatch:PutMetricData",
            ],
            "Resource": "*",
        },
    ],
}


class Aws:
    """A local AWS with a bucket, a role, and clients that speak to it."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.sagemaker = self.client("sagemaker")
        self.runtime = self.client("sagemaker-runtime")
        self.s3 = self.client("s3")
        self.logs = self.client("logs")

    def client(self, service: str, config: Config | None = None) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            config=config,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="AKIATEST",
            aws_secret_access_key="secret",  # pragma: allowlist secret
        )

    def prepare(self) -> None:
        trust = {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ]
        }
        self.client("iam").create_role(
            RoleName="sagemaker", AssumeRolePolicyDocument=json.dumps(trust)
        )
        self.client("iam").put_role_policy(
            RoleName="sagemaker", PolicyName="job", PolicyDocument=json.dumps(_POLICY)
        )
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_object(Bucket=BUCKET, Key="input/train/a.jsonl", Body=b"1\n2\n")
        self.s3.put_object(Bucket=BUCKET, Key="input/train/deep/b.jsonl", Body=b"3\n")
        self.s3.put_object(Bucket=BUCKET, Key="input/validation/v.jsonl", Body=b"4\n")

    def train(self, name: str, **changes: Any) -> None:
        channels = [
            {
                "ChannelName": channel,
                "ContentType": "application/jsonlines",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{BUCKET}/input/{channel}",
                        "S3DataDistributionType": "ShardedByS3Key",
                    }
                },
            }
            for channel in ("train", "validation")
        ]
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "InputDataConfig": channels,
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **changes,
        }
        given = {name: value for name, value in request.items() if value is not None}
        self.sagemaker.create_training_job(**given)

    def trained(self, name: str, **changes: Any) -> dict[str, Any]:
        """Train to the end; the job's description."""
        self.train(name, **changes)
        return self.ended(name)

    def ended(self, name: str) -> dict[str, Any]:
        waiter = self.sagemaker.get_waiter("training_job_completed_or_stopped")
        try:
            waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 150})
        except Exception as error:
            if "terminal failure" not in str(error):
                raise
        description: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return description

    def artifact(self, key: str, **settings: Any) -> str:
        """Put a model artifact of the fake algorithm in the bucket; its URI."""
        body = io.BytesIO()
        with tarfile.open(fileobj=body, mode="w:gz") as tar:
            content = json.dumps(settings).encode()
            entry = tarfile.TarInfo("model.json")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body.getvalue())
        return f"s3://{BUCKET}/{key}"

    def model(self, name: str, **settings: Any) -> None:
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": self.artifact(f"models/{name}.tar.gz", **settings),
            },
        )

    def config(self, name: str, *models: str, **changes: Any) -> None:
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": f"Variant-{model}",
                    "ModelName": model,
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": 1,
                    **changes,
                }
                for model in models
            ],
        )

    def endpoint(self, name: str, config: str) -> dict[str, Any]:
        """Create an endpoint and wait until it is settled; its description."""
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return self.settled(name)

    def settled(self, name: str) -> dict[str, Any]:
        waiter = self.sagemaker.get_waiter("endpoint_in_service")
        try:
            waiter.wait(EndpointName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
        except Exception as error:
            if "terminal failure" not in str(error):
                raise
        description: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return description

    def invoke(self, name: str, body: Any, **changes: Any) -> Any:
        answer = self.runtime.invoke_endpoint(
            EndpointName=name,
            Body=json.dumps(body),
            **{"ContentType": "application/json", **changes},
        )
        return json.loads(answer["Body"].read())


@pytest.fixture(scope="session")
def fake_program() -> images.Program:
    """A program in Object2Vec's place that does as its hyperparameters and model tell it."""
    metric = r"#quality_metric: host=\S+, epoch=\S+, {} {} <{}>=(\S+)"
    metrics = tuple(
        {"Name": f"{channel}:{name}", "Regex": metric.format(channel, name, kind)}
        for channel in ("train", "validation", "test")
        for name, kind in (
            ("mean_squared_error", "loss"),
            ("cross_entropy", "loss"),
            ("accuracy", "score"),
        )
    )
    return images.Program("object2vec", command=(str(FAKE),), metrics=metrics)


@pytest.fixture(scope="session")
def client_of() -> type[Aws]:
    return Aws


@pytest.fixture(scope="module")
def aws(fake_program: images.Program) -> Iterator[Aws]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(images.PROGRAMS, "object2vec", fake_program)
        with LocalAws() as server:
            ready = Aws(server.url)
            ready.prepare()
            yield ready
