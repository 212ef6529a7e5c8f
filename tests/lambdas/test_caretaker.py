"""The caretaker with stacks that are old, new, idle, called, changing or deleted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from caretaker.logic import Round

from tests.lambdas.fakes import client_error

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
ENDPOINT = {
    "ResourceType": "AWS::SageMaker::Endpoint",
    "PhysicalResourceId": f"{ARN}:endpoint/r-ratingmodel",
}
CAMPAIGN_ARN = "arn:aws:personalize:us-east-1:123456789012:campaign/r-c"
RECOMMENDER_ARN = "arn:aws:personalize:us-east-1:123456789012:recommender/r-r"
CAMPAIGN = {"ResourceType": "AWS::Personalize::Campaign", "PhysicalResourceId": CAMPAIGN_ARN}
RECOMMENDER = {"ResourceType": "Custom::TrainedStart", "PhysicalResourceId": RECOMMENDER_ARN}


def wait(days: float) -> dict[str, Any]:
    return {
        "ResourceType": "Custom::TrainedWait",
        "PhysicalResourceId": "any",
        "LastUpdatedTimestamp": ago(days * 24),
    }


def ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


class CloudFormation:
    def __init__(self) -> None:
        self.stacks: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
        self.deleted: list[str] = []

    def add(self, *resources: dict[str, Any], name: str = "r-A", **stack: Any) -> None:
        described = {"StackStatus": "CREATE_COMPLETE", "CreationTime": ago(100), **stack}
        old = {"LastUpdatedTimestamp": ago(100)}
        self.stacks[name] = (described, [{**old, **resource} for resource in resources])

    def _find(self, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        if name not in self.stacks:
            raise client_error("ValidationError", f"Stack with id {name} does not exist")
        return self.stacks[name]

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_stack_resources"
        return self

    def paginate(self, StackName: str) -> list[dict[str, Any]]:  # noqa: N803
        resources = self._find(StackName)[1]
        return [{"StackResourceSummaries": [one]} for one in resources]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        return {"Stacks": [self._find(StackName)[0]]}

    def delete_stack(self, StackName: str) -> None:  # noqa: N803
        self.deleted.append(StackName)


class CloudWatch:
    """Knows how often something was called, by its metric's name and the last dimension."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], float] = {}
        self.asked: list[dict[str, Any]] = []
        self.put: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> Any:
        assert operation == "get_metric_data"
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        self.asked.append(request)
        results = []
        for query in request["MetricDataQueries"]:
            metric = query["MetricStat"]["Metric"]
            key = (metric["MetricName"], metric["Dimensions"][0]["Value"])
            results.append({"Values": [self.calls[key]] if key in self.calls else []})
        return [{"MetricDataResults": results}]

    def put_metric_data(self, **request: Any) -> None:
        self.put.append(request)


class Sns:
    def __init__(self) -> None:
        self.said: list[dict[str, str]] = []

    def publish(self, **message: str) -> None:
        self.said.append(message)


@pytest.fixture
def cloudformation() -> CloudFormation:
    return CloudFormation()


@pytest.fixture
def cloudwatch() -> CloudWatch:
    return CloudWatch()


def make(cloudformation: CloudFormation, cloudwatch: CloudWatch, **settings: Any) -> dict[str, Any]:
    return Round(
        **{
            "cloudformation": cloudformation,
            "cloudwatch": cloudwatch,
            "sns": Sns(),
            "namespace": "N",
            "deployment": "r",
            "stacks": ["r-A", "r-B"],
            "expiring": ["r-A", "r-B"],
            "endpoints": ["r-ratingModel"],
            "variant": "V",
            "idle_hours": 24,
            "topic": "",
            **settings,
        }
    ).make()


def test_age_is_that_of_the_oldest_model(
    cloudformation: CloudFormation, cloudwatch: CloudWatch
) -> None:
    cloudformation.add(wait(3), wait(1))
    cloudformation.add(wait(5), name="r-B")
    done = make(cloudformation, cloudwatch, expiring=[])
    assert done["age_days"] == pytest.approx(5, abs=0.01)
    (put,) = cloudwatch.put
    (datum,) = put["MetricData"]
    assert (put["Namespace"], datum["MetricName"]) == ("N", "ModelAge")
    assert datum["Value"] == done["age_days"]
    assert not cloudwatch.asked and not cloudformation.deleted


def test_age_without_models_is_none(cloudformation: CloudFormation, cloudwatch: CloudWatch) -> None:
    assert make(cloudformation, cloudwatch) == {"age_days": None, "calls": {}, "deleted": []}
    assert cloudwatch.put == []


@pytest.mark.parametrize("resource", [ENDPOINT, CAMPAIGN, RECOMMENDER])
def test_idle_stack_is_deleted(
    cloudformation: CloudFormation, cloudwatch: CloudWatch, resource: dict[str, Any]
) -> None:
    cloudformation.add(resource)
    cloudwatch.calls[("Invocations", "somebody else's")] = 9
    assert make(cloudformation, cloudwatch)["deleted"] == ["r-A"]
    assert cloudformation.deleted == ["r-A"]
    (asked,) = cloudwatch.asked
    assert asked["EndTime"] - asked["StartTime"] == timedelta(hours=24)


@pytest.mark.parametrize(
    "called",
    [
        ("Invocations", "r-ratingModel"),
        ("GetRecommendations", CAMPAIGN_ARN),
        ("GetPersonalizedRanking", CAMPAIGN_ARN),
        ("GetRecommendations", RECOMMENDER_ARN),
    ],
)
def test_stack_with_one_call_is_kept(
    cloudformation: CloudFormation, cloudwatch: CloudWatch, called: tuple[str, str]
) -> None:
    cloudformation.add(ENDPOINT, CAMPAIGN, RECOMMENDER)
    cloudwatch.calls[called] = 1
    done = make(cloudformation, cloudwatch)
    assert (done["calls"], done["deleted"]) == ({"r-A": 1}, [])
    assert cloudformation.deleted == []


@pytest.mark.parametrize(
    "stack",
    [
        {"CreationTime": ago(23)},
        {"CreationTime": ago(100), "LastUpdatedTime": ago(1)},
        {"StackStatus": "UPDATE_IN_PROGRESS"},
        {"StackStatus": "DELETE_FAILED"},
    ],
)
def test_new_or_changing_stack_is_kept(
    cloudformation: CloudFormation, cloudwatch: CloudWatch, stack: dict[str, Any]
) -> None:
    cloudformation.add(ENDPOINT, **stack)
    assert make(cloudformation, cloudwatch)["deleted"] == []
    assert cloudwatch.asked == []


def test_recently_deployed_stack_is_kept(
    cloudformation: CloudFormation, cloudwatch: CloudWatch
) -> None:
    # begun 26 hours ago, trained for three
    trained = {**wait(0), "LastUpdatedTimestamp": ago(23)}
    cloudformation.add(ENDPOINT, trained, CreationTime=ago(26))
    assert make(cloudformation, cloudwatch)["deleted"] == []
    cloudformation.add(ENDPOINT, {**trained, "LastUpdatedTimestamp": ago(25)}, CreationTime=ago(28))
    assert make(cloudformation, cloudwatch)["deleted"] == ["r-A"]


def test_stack_without_metrics_is_kept(
    cloudformation: CloudFormation, cloudwatch: CloudWatch
) -> None:
    cloudformation.add(wait(5))
    assert make(cloudformation, cloudwatch)["deleted"] == []


def test_stack_not_listed_as_expiring_is_kept(
    cloudformation: CloudFormation, cloudwatch: CloudWatch
) -> None:
    cloudformation.add(ENDPOINT)
    cloudformation.add(ENDPOINT, name="r-B")
    assert make(cloudformation, cloudwatch, expiring=["r-B"])["deleted"] == ["r-B"]


def test_deletion_is_notified(cloudformation: CloudFormation, cloudwatch: CloudWatch) -> None:
    cloudformation.add(ENDPOINT)
    sns = Sns()
    make(cloudformation, cloudwatch, sns=sns, topic="arn")
    (message,) = sns.said
    assert message["TopicArn"] == "arn"
    assert len(message["Subject"]) < 100
    assert "Nothing in r-A was called for 24 hours" in message["Message"]
    cloudwatch.calls[("Invocations", "r-ratingModel")] = 1
    make(cloudformation, cloudwatch, sns=sns, topic="arn")
    assert len(sns.said) == 1
