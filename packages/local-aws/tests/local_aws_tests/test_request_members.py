"""The documentation's tables of request members equal botocore's models and the code."""

import copy
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape
from moto import mock_aws
from moto.core.utils import camelcase_to_underscores, get_service_model

from local_aws.api import LocalResponse
from local_aws.cloudformation.responses import CloudFormationResponse
from local_aws.emrserverless.responses import EmrServerlessResponse
from local_aws.glue.responses import GlueResponse
from local_aws.moto_patches import install
from local_aws.personalize.responses import EventsResponse, PersonalizeResponse, RuntimeResponse
from local_aws.s3vectors.responses import S3VectorsResponse
from local_aws.sagemaker.responses import SageMakerResponse
from local_aws.sagemakerruntime.responses import SageMakerRuntimeResponse
from local_aws.scheduler.responses import SchedulerResponse
from local_aws.servicequotas.responses import ServiceQuotasResponse
from local_aws.validation import compiled

PAGE = Path(__file__).parents[2] / "docs" / "request-members.md"
SERVICES: dict[str, type[LocalResponse]] = {
    "SageMaker": SageMakerResponse,
    "SageMaker Runtime": SageMakerRuntimeResponse,
    "Personalize": PersonalizeResponse,
    "Personalize Runtime": RuntimeResponse,
    "Personalize Events": EventsResponse,
    "EMR Serverless": EmrServerlessResponse,
    "EventBridge Scheduler": SchedulerResponse,
    "Glue": GlueResponse,
    "S3 Vectors": S3VectorsResponse,
    "Service Quotas": ServiceQuotasResponse,
    "CloudFormation": CloudFormationResponse,
}
STATES = ("used", "kept", "no effect", "refused", "invalid")
ROLE = "arn:aws:iam::123456789012:role/any"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312"
# what a request needs, by the last member of its path, where botocore's model does not tell
VALUES: dict[str, Any] = {
    "AcceptEula": True,
    "Arn": FUNCTION,
    "AutoParameters": [{"Name": "a", "ValueHint": "1"}],
    "ContainerEntrypoint": ["python3"],
    "Containers": [{"Image": IMAGE}],
    "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:q"},
    "ExecutionRoleArn": ROLE,
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "HyperParameterTuningJobConfig": {
        "Strategy": "Random",
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
    },
    "Image": IMAGE,
    "ImageUri": IMAGE,
    "InstanceCount": 1,
    "InstanceType": "ml.m5.xlarge",
    "InitialInstanceCount": 1,
    "LocalPath": "/opt/ml/processing/x",
    "MetricDefinitions": [{"Name": "a", "Regex": "a"}],
    "ModelName": "model",
    "Parameters": [{"ParameterKey": "a", "ParameterValue": "b"}],
    "PrimaryContainer": {"Image": IMAGE},
    "RoleArn": ROLE,
    "S3DataDistributionType": "FullyReplicated",
    "S3DataType": "S3Prefix",
    "S3Uri": "s3://bucket/key",
    "ScheduleExpression": "rate(1 day)",
    "TemplateBody": '{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}',
    "TrainingImage": IMAGE,
    "TrainingInputMode": "File",
    "classification": "spark-defaults",
    "entryPoint": "s3://bucket/job.py",
    "recipeArn": "arn:aws:personalize:::recipe/aws-sims",
    "releaseLabel": "emr-7.9.0",
    "type": "SPARK",
}
SAGEMAKER = "arn:aws:sagemaker:us-east-1:123456789012"
HUB = "arn:aws:sagemaker:us-east-1:aws:hub-content/hub"
# texts of which one fits every pattern of AWS's models that is needed
TEXTS = (
    *("a", "aaa", "a" * 36, "1", "/a", "a/a", "s3://bucket/key", ROLE, "mig-1g.5gb"),
    *("fs-12345678", "vpc-1", "subnet-1", "sg-1", "fs-12345678901", "/fsx/a"),
    *("arn:aws:kms:us-east-1:123456789012:key/1", f"{SAGEMAKER}:training-plan/p"),
    *(f"{SAGEMAKER}:mlflow-app/a", f"{SAGEMAKER}:model-package-group/g"),
    *(f"{SAGEMAKER}:cluster/aaaaaaaaaaaa", f"{HUB}/Model/m/1.0.0", f"{HUB}/DataSet/d/1.0.0"),
    *("arn:aws:lambda:us-east-1:123456789012:function:f", "arn:aws:sns:us-east-1:123456789012:t"),
    *("arn:aws:personalize:us-east-1:123456789012:solution/s", "arn:aws:iam::aws:policy/p"),
    "arn:aws:sso:::instance/ssoins-1234567890123456",
    "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/w/api/v1/remote_write",
    "123456789012.dkr.ecr.us-east-1.amazonaws.com/a:1",
)
# members that are optional, without which a request is invalid before the member is looked at
NEEDED = {
    "CreateTrainingJob": (
        "AlgorithmSpecification.TrainingImage",
        "ResourceConfig.InstanceType",
        "ResourceConfig.InstanceCount",
    ),
    # of whichever of the two has the member
    "CreateHyperParameterTuningJob": tuple(
        f"TrainingJobDefinition*.{one}"
        for one in (
            *("DefinitionName", "TuningObjective", "ResourceConfig.InstanceType"),
            *("AlgorithmSpecification.TrainingImage", "AlgorithmSpecification.MetricDefinitions"),
        )
    ),
    "CreateModel": ("ExecutionRoleArn",),
    "CreateEndpointConfig": (
        "ProductionVariants.ModelName",
        "ProductionVariants.InstanceType",
        "ProductionVariants.InitialInstanceCount",
    ),
    "CreateProcessingJob": (
        "ProcessingResources.ClusterConfig.InstanceType",
        "AppSpecification.ContainerEntrypoint",
    ),
    "CreateStack": ("TemplateBody",),
    "UpdateStack": ("TemplateBody",),
    "CreateChangeSet": ("TemplateBody",),
    "StartJobRun": ("jobDriver.sparkSubmit.entryPoint",),
    "CreateSolution": ("recipeArn",),
    "CreateTable": ("TableInput.Name",),
    "UpdateTable": ("TableInput.Name",),
    "CreateIndex": ("vectorBucketName",),
    "QueryVectors": ("vectorBucketName", "indexName"),
}


@dataclass(frozen=True)
class Row:
    """A row of a table: the members of the operations, by their paths, and what is done."""

    operations: tuple[str, ...]
    members: tuple[str, ...]
    here: str

    @property
    def state(self) -> str:
        """One of STATES."""
        (found,) = [one for one in STATES if re.match(rf"{one}\b", self.here)]
        return found

    def concerns(self, operation: str) -> bool:
        return any(fnmatchcase(operation, one) for one in self.operations)


@cache
def rows(service: str) -> tuple[Row, ...]:
    section = PAGE.read_text("utf-8").split(f"\n## {service}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\| (`.+?`) \| (`.+`) \| (.+) \|$", section, re.MULTILINE)
    assert len(lines) == section.count("\n| ") - 1
    return tuple(
        Row(
            tuple(re.findall("`(.+?)`", operations)),
            tuple(one for told in re.findall("`(.+?)`", members) for one in expanded(told)),
            here,
        )
        for operations, members, here in lines
    )


def expanded(told: str) -> Iterator[str]:
    """`A.{B, C}` as `A.B` and `A.C`."""
    before, brace, rest = told.partition("{")
    inner, _, after = rest.partition("}")
    for one in inner.split(", ") if brace else [""]:
        yield before + one + after


def operations(service: str) -> Iterator[tuple[str, Shape | None]]:
    api = SERVICES[service]
    model = get_service_model(api.service)
    for name in model.operation_names:
        if hasattr(api, camelcase_to_underscores(name)):
            yield name, model.operation_model(name).input_shape


def inner(shape: Shape) -> Shape:
    """What a list or a map of structures contains."""
    if isinstance(shape, ListShape):
        return inner(shape.member)
    if isinstance(shape, MapShape) and isinstance(shape.value, StructureShape):
        return shape.value
    return shape


def leaves(shape: Shape | None, path: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    """The paths of all members that have none themselves."""
    shape = inner(shape) if shape else None
    if not isinstance(shape, StructureShape) or shape.name in above or not shape.members:
        yield path
        return
    for name, member in shape.members.items():
        yield from leaves(member, f"{path}.{name}".lstrip("."), (*above, shape.name))


def within(leaf: str, path: str) -> bool:
    """Whether a leaf is a member, or one of its members."""
    parts, wanted = leaf.split("."), path.split(".")
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted))


@pytest.mark.parametrize("service", SERVICES)
def test_every_member_of_a_request_is_in_one_row(service: str) -> None:
    wrong, met = [], set()
    for operation, shape in operations(service):
        for leaf in leaves(shape) if isinstance(shape, StructureShape) and shape.members else ():
            found = [
                (row, path)
                for row in rows(service)
                if row.concerns(operation)
                for path in row.members
                if within(leaf, path)
            ]
            met |= set(found)
            if len(found) != 1:
                wrong.append(f"{operation} {leaf}: {len(found)} rows")
            # what is used is named member by member, so that new ones are noticed
            elif found[0][0].state == "used" and found[0][1].count(".") != leaf.count("."):
                wrong.append(f"{operation} {leaf}: a part of {found[0][1]}")
    there = {(row, path) for row in rows(service) for path in row.members}
    wrong += [f"{path} of {row.operations} does not exist" for row, path in there - met]
    assert not wrong, "\n".join(sorted(wrong))


def test_every_service_is_on_the_page() -> None:
    def below(api: type[LocalResponse]) -> Iterator[type[LocalResponse]]:
        for one in api.__subclasses__():
            yield one
            yield from below(one)

    assert {one for one in below(LocalResponse) if hasattr(one, "service")} == set(
        SERVICES.values()
    )


def sample(shape: Shape, path: str) -> Any:
    """A valid value of a member, as small as possible."""
    name = path.rpartition(".")[2]
    if name in VALUES:
        return copy.deepcopy(VALUES[name])
    if isinstance(shape, StructureShape):
        required = shape.required_members or list(shape.members)[:1]
        return {one: sample(shape.members[one], f"{path}.{one}") for one in required}
    if isinstance(shape, ListShape):
        return [sample(shape.member, path)] * max(1, shape.metadata.get("min", 0))
    if isinstance(shape, MapShape):
        return {sample(shape.key, f"{path}.key"): sample(shape.value, f"{path}.value")}
    kind = shape.type_name
    if choices := shape.metadata.get("enum"):
        return choices[0]
    if kind == "string":
        pattern = shape.metadata.get("pattern", "")
        fits = compiled(pattern or ".*") or re.compile(".*")
        for text in TEXTS:
            if fits.fullmatch(text) and len(text) >= shape.metadata.get("min", 0):
                return text
        raise AssertionError(f"no sample of {path}: {pattern}")
    if kind in ("integer", "long", "float", "double"):
        return max(1, shape.metadata.get("min", 1))
    return {"boolean": True, "timestamp": 0, "blob": b""}[kind]


def put(request: dict[str, Any], shape: Shape, path: str) -> None:
    """Add a member to a request, with what is required around it."""
    place: Any = request
    parts = path.split(".")
    for at, name in enumerate(parts):
        assert isinstance(shape, StructureShape)
        member = shape.members[name]
        last = at == len(parts) - 1
        if last or name not in place:
            place[name] = sample(member, ".".join(parts[: at + 1]))
        place, shape = place[name], member
        while not last and not isinstance(shape, StructureShape):
            if isinstance(shape, ListShape):
                place, shape = place[0], shape.member
            else:
                assert isinstance(shape, MapShape)
                place, shape = next(iter(place.values())), shape.value


def asked(operation: str, shape: Shape | None, path: str) -> dict[str, Any]:
    """A request whose only fault is that it has the member."""
    assert isinstance(shape, StructureShape)
    request = sample(shape, "") if shape.required_members else {}
    first = path.partition(".")[0]
    first = first if first.startswith("TrainingJobDefinition") else "TrainingJobDefinition"
    for needed in NEEDED.get(operation, ()):
        put(request, shape, needed.replace("TrainingJobDefinition*", first))
    put(request, shape, path)
    return request


def refused() -> Iterator[tuple[str, str, str, str]]:
    for service in SERVICES:
        for operation, shape in operations(service):
            for row in rows(service):
                if row.state not in ("refused", "invalid") or not row.concerns(operation):
                    continue
                for path in row.members:
                    for own in sorted({cut(leaf, path) for leaf in leaves(shape)} - {""}):
                        yield service, operation, own, row.state


def cut(leaf: str, path: str) -> str:
    """The part of a leaf's path that a row names."""
    return ".".join(leaf.split(".")[: path.count(".") + 1]) if within(leaf, path) else ""


@pytest.fixture(scope="module")
def call() -> Iterator[Any]:
    """Calls an operation of a service, and tells the error."""
    install()
    with mock_aws():
        client: Any = partial(
            boto3.client, region_name="us-east-1", config=Config(parameter_validation=False)
        )
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
        }
        client("iam").create_role(
            RoleName="any", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
        )

        personalize = client("personalize")
        arn = personalize.create_dataset_group(name="group")["datasetGroupArn"]
        group = {"datasetGroupArn": arn}
        for _ in range(500):
            if personalize.describe_dataset_group(**group)["datasetGroup"]["status"] == "ACTIVE":
                break
            time.sleep(0.01)
        application = client("emr-serverless").create_application(
            type="SPARK", releaseLabel="emr-7.9.0"
        )
        made = {
            **group,
            "applicationId": application["applicationId"],
            "ModelName": "made",
            "NotebookInstanceName": "made",
        }
        sagemaker = client("sagemaker")
        sagemaker.create_model(
            ModelName="made", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE}
        )
        sagemaker.create_notebook_instance(
            NotebookInstanceName="made", InstanceType="ml.t3.medium", RoleArn=ROLE
        )
        vectors = client("s3vectors")
        vectors.create_vector_bucket(vectorBucketName="aaa")
        vectors.create_index(
            vectorBucketName="aaa",
            indexName="aaa",
            dataType="float32",
            dimension=1,
            distanceMetric="cosine",
        )

        def told(api: str, operation: str, request: dict[str, Any]) -> tuple[str, str]:
            if operation not in ("CreateModel", "CreateNotebookInstance"):
                request |= {name: made[name] for name in request.keys() & made.keys()}
            try:
                getattr(client(api), camelcase_to_underscores(operation))(**request)
            except ClientError as error:
                return error.response["Error"]["Code"], error.response["Error"]["Message"]
            return "", "it was accepted"

        yield told


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_called_refused_is_refused(service: str, call: Any) -> None:
    shapes = dict(operations(service))
    wrong = []
    for name, operation, path, state in refused():
        if name == service:
            request = asked(operation, shapes[operation], path)
            code, message = call(SERVICES[service].service, operation, request)
            right = code == "NotImplementedByLocalAws" and path.rpartition(".")[2] in message
            if not right and not (state == "invalid" and code.startswith(("Inv", "Val"))):
                wrong.append(f"{operation} {path}: {code}: {message}")
    assert not wrong, "\n".join(wrong)
