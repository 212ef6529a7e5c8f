"""Amazon SageMaker: names, states and what is refused, before anything is trained."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.cloud import Cloud, documented, refused

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_"
IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/object2vec:1"


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Any:
    return cloud.client("sagemaker")


@pytest.fixture(scope="module")
def trusted(role: Callable[..., str]) -> str:
    """A role that SageMaker may assume."""
    return role("sagemaker", service="sagemaker.amazonaws.com")


REFUSED: dict[str, tuple[str, str, str, str, dict[str, Any]]] = {
    "a missing training job": (
        *("DescribeTrainingJob", "ValidationException", "Requested resource not found"),
        *("describe_training_job", {"TrainingJobName": "missing"}),
    ),
    "the end of a missing training job": (
        *("StopTrainingJob", "ValidationException", "Requested resource not found"),
        *("stop_training_job", {"TrainingJobName": "missing"}),
    ),
    "a missing model": (
        *("DescribeModel", "ValidationException", "Could not find model"),
        *("describe_model", {"ModelName": "missing"}),
    ),
    "the deletion of a missing model": (
        *("DeleteModel", "ValidationException", "Could not find model"),
        *("delete_model", {"ModelName": "missing"}),
    ),
    "a missing endpoint configuration": (
        *("DescribeEndpointConfig", "ValidationException"),
        "Could not find endpoint configuration",
        *("describe_endpoint_config", {"EndpointConfigName": "missing"}),
    ),
    "the deletion of a missing endpoint configuration": (
        *("DeleteEndpointConfig", "ValidationException"),
        "Could not find endpoint configuration",
        *("delete_endpoint_config", {"EndpointConfigName": "missing"}),
    ),
    "a missing endpoint": (
        *("DescribeEndpoint", "ValidationException", "Could not find endpoint"),
        *("describe_endpoint", {"EndpointName": "missing"}),
    ),
    "the deletion of a missing endpoint": (
        *("DeleteEndpoint", "ValidationException", "Could not find endpoint"),
        *("delete_endpoint", {"EndpointName": "missing"}),
    ),
    "an endpoint of a missing configuration": (
        *("CreateEndpoint", "ValidationException", "Could not find endpoint configuration"),
        *("create_endpoint", {"EndpointName": "never", "EndpointConfigName": "missing"}),
    ),
    "an endpoint configuration of a missing model": (
        *("CreateEndpointConfig", "ValidationException", "Could not find model"),
        "create_endpoint_config",
        {
            "EndpointConfigName": "never",
            "ProductionVariants": [
                {
                    "VariantName": "a",
                    "ModelName": "missing",
                    "InitialInstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                }
            ],
        },
    ),
    "a model's name with an underscore": (
        *("CreateModel", "ValidationException", "modelName"),
        *("create_model", {"ModelName": "a_b", "ExecutionRoleArn": "ROLE"}),
    ),
    "a training on an unknown instance type": (
        *("CreateTrainingJob", "ValidationException", "instanceType"),
        "create_training_job",
        {
            "TrainingJobName": "never",
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "RoleArn": "ROLE",
            "OutputDataConfig": {"S3OutputPath": "s3://contract-missing/"},
            "ResourceConfig": {
                "InstanceType": "ml.nonsense.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    ),
    "a missing notebook instance": (
        *("DescribeNotebookInstance", "ValidationException", "RecordNotFound"),
        *("describe_notebook_instance", {"NotebookInstanceName": "missing"}),
    ),
}


@pytest.mark.parametrize(
    ("code", "words", "operation", "request_"),
    [
        pytest.param(
            code, words, operation, request, id=case, marks=documented(f"{_API}{page}.html")
        )
        for case, (page, code, words, operation, request) in REFUSED.items()
    ],
)
def test_request_is_refused(
    api: Any, trusted: str, code: str, words: str, operation: str, request_: dict[str, Any]
) -> None:
    filled = {name: trusted if value == "ROLE" else value for name, value in request_.items()}
    with refused(code, words):
        getattr(api, operation)(**filled)


@documented(
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html"
)
def test_call_of_a_missing_endpoint_is_refused(cloud: Cloud) -> None:
    with refused("ValidationError", "not found"):
        cloud.client("sagemaker-runtime").invoke_endpoint(EndpointName="missing", Body=b"")
