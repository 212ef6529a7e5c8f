"""The operations view of deployments in several states."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

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
        page = pages[operation]
        return SimpleNamespace(paginate=lambda **of: [page(**of) if callable(page) else page])

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
        personalize=SimpleNamespace(get_paginator=unreachable),
    )


def unreachable(operation: str) -> Any:
    """A client's `get_paginator` in a region without the service."""
    raise EndpointConnectionError(endpoint_url="https://personalize.eu-north-1.amazonaws.com/")


ARN = "arn:aws:personalize:us-east-1:123456789012:"
RECIPE = "arn:aws:personalize:::recipe/aws-"
SOLUTION = "shop-user-personalization-v2-0123456789"
GONE = "shop-sims-0123456789"
PICKS = "shop-top-picks-0123456789"


def personalized(version: str = "ACTIVE") -> Any:
    """`clients()` with Personalize: a solution that a stack names, and others."""
    recipes = {
        SOLUTION: "user-personalization-v2",
        GONE: "sims",
        "shop-anna-sims-0123456789": "sims",
    }

    def versions(solutionArn: str) -> Any:  # noqa: N803
        if not solutionArn.endswith(SOLUTION):
            return {"solutionVersions": []}
        seconds = {"old": (0, 70), "new": (100, 145)}
        return {
            "solutionVersions": [
                {
                    "solutionVersionArn": f"{solutionArn}/{name}",
                    "status": version if name == "new" else "ACTIVE",
                    "creationDateTime": NOW + timedelta(seconds=begin),
                    "lastUpdatedDateTime": NOW + timedelta(seconds=end),
                }
                for name, (begin, end) in seconds.items()
            ]
        }

    def campaigns(solutionArn: str) -> Any:  # noqa: N803
        name = solutionArn.rpartition("/")[2]
        return {"campaigns": [{"campaignArn": f"{ARN}campaign/{name}", "status": "ACTIVE"}]}

    found = clients()
    found.personalize = SimpleNamespace(
        get_paginator=paginated(
            list_solutions={
                "solutions": [
                    {"solutionArn": f"{ARN}solution/{name}", "recipeArn": f"{RECIPE}{recipe}"}
                    for name, recipe in recipes.items()
                ]
            },
            list_recommenders={
                "recommenders": [
                    {
                        "recommenderArn": f"{ARN}recommender/{PICKS}",
                        "recipeArn": f"{RECIPE}vod-top-picks",
                        "status": "ACTIVE",
                    }
                ]
            },
            list_solution_versions=versions,
            list_campaigns=campaigns,
        ),
        get_solution_metrics=lambda solutionVersionArn: {  # noqa: N803
            "metrics": {"coverage": 0.27, "precision_at_5": 0.123456}
        },
    )
    (page,) = found.cloudformation.get_paginator("describe_stacks").paginate()
    page["Stacks"][0]["Outputs"] += [
        {"OutputKey": "Version", "OutputValue": f"{ARN}solution/{SOLUTION}/new"},
        {"OutputKey": "CustomMetrics", "OutputValue": '{"coverage": 0.27}'},
    ]
    return found


def test_personalize_shows_its_trainings_campaigns_and_leftovers() -> None:
    found = look(personalized(), "shop")
    trained = [(one.name, one.status, one.seconds, one.metrics) for one in found.jobs[2:]]
    assert trained == [
        (f"{SOLUTION}/new", "ACTIVE", 45, {"coverage": 0.27}),
        (f"{SOLUTION}/old", "ACTIVE", 70, {"coverage": 0.27}),
    ]
    assert [one.name for one in found.endpoints[1:]] == [SOLUTION, GONE, PICKS]
    assert found.leftovers == (OLD, GONE, PICKS)
    assert not found.busy


def test_training_solution_version_has_no_metrics_yet_and_makes_the_deployment_busy() -> None:
    found = look(personalized("CREATE IN_PROGRESS"), "shop")
    assert (found.jobs[2].status, found.jobs[2].metrics) == ("CREATE IN_PROGRESS", {})
    assert (found.busy, found.leftovers) == (True, ())


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
