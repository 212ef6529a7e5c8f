"""The operations view of deployments in several states."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from web.app import create_app
from web.operations import look
from web.posters import Omdb
from web.service import Service

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
RATING, OLD = "shop-rating-0123456789", "shop-rating-aaaaaaaaaa"
# an endpoint on one ml.m5.large, at $0.115 an hour in us-east-1
TEMPLATE = {
    "Resources": {
        "Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {
                "ProductionVariants": [
                    {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1, "ModelName": "m"}
                ]
            },
        },
        "Rating": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointName": "shop-ratingModel",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        },
    }
}


def paginated(**pages: Any) -> Any:
    """A client's `get_paginator`, whose only page is that of the operation."""

    def get_paginator(operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: [pages[operation]])

    return get_paginator


def clients(stack: str = "CREATE_COMPLETE", job: str = "Completed", named: bool = True) -> Any:
    """AWS with one stack, a job that it names and an older one, and another deployment's things."""
    outputs = {"RatingTrainingJobName": RATING, "RatingEndpointName": "shop-ratingModel"}
    stacks = [
        {
            "StackName": name,
            "StackStatus": status,
            "CreationTime": NOW,
            "Outputs": [
                {"OutputKey": key, "OutputValue": value} for key, value in outputs.items() if named
            ],
        }
        for name, status in (
            ("shop-Object2Vec", stack),
            ("shop-anna-Object2Vec", "CREATE_IN_PROGRESS"),
            ("shop-Data", "DELETE_COMPLETE"),
        )
    ]
    jobs = {
        RATING: {
            "TrainingJobStatus": job,
            "SecondaryStatus": "Training",
            "HyperParameters": {"epochs": "40"},
            "InputDataConfig": [{"ChannelName": "train"}, {"ChannelName": "validation"}],
            "TrainingTimeInSeconds": 61,
            "FinalMetricDataList": [
                {"MetricName": "validation:mean_squared_error", "Value": 0.87771}
            ],
        },
        OLD: {"TrainingJobStatus": "Failed", "InputDataConfig": [{"ChannelName": "train"}]},
    }
    listed = [*jobs, "shop-anna-rating-0123456789"]
    names = ["shop-ratingModel", "shop-anna-ratingModel"]
    return SimpleNamespace(
        cloudformation=SimpleNamespace(
            get_paginator=paginated(describe_stacks={"Stacks": stacks}),
            get_template=lambda StackName: {"TemplateBody": TEMPLATE},  # noqa: N803
        ),
        sagemaker=SimpleNamespace(
            get_paginator=paginated(
                list_training_jobs={
                    "TrainingJobSummaries": [{"TrainingJobName": name} for name in listed]
                },
                list_endpoints={
                    "Endpoints": [
                        {"EndpointName": name, "EndpointStatus": "InService"} for name in names
                    ]
                },
            ),
            describe_training_job=lambda TrainingJobName: jobs[TrainingJobName],  # noqa: N803
        ),
    )


def test_complete_deployment_shows_its_cost_metrics_and_leftovers() -> None:
    found = look(clients(), "shop")
    assert [one.name for one in found.stacks] == ["shop-Object2Vec"]
    assert [(one.name, one.evaluates, one.epochs) for one in found.jobs] == [
        (RATING, True, "40"),
        (OLD, False, ""),
    ]
    assert found.jobs[0].metrics == {"validation:mean_squared_error": 0.8777}
    assert [one.name for one in found.endpoints] == ["shop-ratingModel"]
    assert found.hourly == 0.115
    assert (found.busy, found.leftovers) == (False, (OLD,))


@pytest.mark.parametrize(
    "state", [{"stack": "UPDATE_IN_PROGRESS"}, {"job": "InProgress"}, {"job": "Stopping"}]
)
def test_deployment_that_changes_is_busy_and_has_no_leftovers_yet(state: dict[str, str]) -> None:
    found = look(clients(**state, named=False), "shop")
    assert (found.busy, found.leftovers) == (True, ())


def test_endpoint_that_no_stack_names_is_left_over() -> None:
    assert look(clients(named=False), "shop").leftovers == (RATING, OLD, "shop-ratingModel")


def test_operations_page_needs_no_complete_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no data yet, so every other page says that nothing is deployed."""
    monkeypatch.setenv("AWS_PROFILE", "books")
    service = Service(clients("CREATE_IN_PROGRESS", "InProgress", named=False), "shop")
    client = create_app(service, Omdb(None, tmp_path, "", 0), b"a secret").test_client()
    assert client.get("/").status_code == 503
    answer = client.get("/operations")
    assert answer.status_code == 200
    for words in (
        "CREATE_IN_PROGRESS",
        "InProgress: Training",
        "validation:mean_squared_error 0.8777",
        "$0.12 an hour",
        "export AWS_PROFILE=books\n",
        'http-equiv="refresh"',
    ):
        assert words in answer.text
