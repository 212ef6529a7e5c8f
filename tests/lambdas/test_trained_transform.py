"""A transform job as a trained resource: SageMaker keeps its record, its files go with it."""

from typing import Any

import pytest
from common.clients import client
from trained_resource import resource
from trained_resource.request import TrainedResourceError

from tests.lambdas.test_trained_resource import (  # noqa: F401
    Framework,
    SageMaker,
    others,
    sagemaker,
    stack,
    traces,
    wait,
)

OTHERS = "scores/another/part-00000.jsonl.out"


def transform(inputs: str) -> dict[str, Any]:
    """Properties of a `Custom::TrainedStart`, whose job writes below `scores/INPUTS`."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://movies/pairs/{inputs}/tokens/"}
    return {
        "Kind": "TransformJob",
        "NamePrefix": "recommender-deep-mf",
        "Inputs": inputs,
        "Request": {
            "ModelName": "model-1",
            "TransformInput": {"DataSource": {"S3DataSource": source}},
            "TransformOutput": {"S3OutputPath": f"s3://movies/scores/{inputs}"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": "1"},
        },
    }


def test_job_is_found_again_and_made_anew_once_its_files_are_deleted(
    sagemaker: SageMaker,  # noqa: F811
    stack: Framework,  # noqa: F811
) -> None:
    stack.run("Create", transform("a"))
    sagemaker.finish_transforms()
    first = [*sagemaker.transforms]
    stack.run("Create", transform("a"))
    assert [*sagemaker.transforms] == first
    client("s3").put_object(Bucket="movies", Key=OTHERS, Body=b"")
    stack.run("Delete", transform("a"))
    assert traces() == [OTHERS]  # no log either
    stack.run("Create", transform("a"))
    assert [*sagemaker.transforms] == [*first, f"{first[0]}--2"]
    sagemaker.finish_transforms()
    assert len(traces()) == 3
    stack.run("Delete", transform("a"))
    assert traces() == [OTHERS]


def test_failed_job_is_followed_by_another_whose_fate_the_waiter_tells(
    sagemaker: SageMaker,  # noqa: F811
    stack: Framework,  # noqa: F811
) -> None:
    stack.run("Create", transform("a"))
    waited = wait(Kind="TransformJob", Arn=stack.id)
    sagemaker.finish_transforms("Failed", FailureReason="ClientError: a record")
    with pytest.raises(TrainedResourceError, match="ended as Failed: ClientError: a record"):
        Framework().run("Create", waited, resource.WAIT)
    stack.run("Create", transform("a"))
    assert len(sagemaker.transforms) == 2
    sagemaker.finish_transforms()
    assert Framework().run("Create", waited, resource.WAIT)["Done"] == "true"


def test_deletion_stops_the_newest_job(
    sagemaker: SageMaker,  # noqa: F811
    stack: Framework,  # noqa: F811
) -> None:
    stack.run("Create", transform("a"))
    sagemaker.finish_transforms("Failed")
    stack.run("Create", transform("a"))
    assert len(sagemaker.transforming()) == 1
    stack.run("Delete", transform("a"))
    assert sagemaker.transforming() == [] and traces() == []
    assert {job["TransformJobStatus"] for job in sagemaker.transforms.values()} == {
        "Failed",
        "Stopped",
    }
