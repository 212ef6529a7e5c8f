"""Checks a deployment's stacks: measures the age of the models and deletes idle stacks.

Idle resources are deleted with their whole stack: CloudFormation's state stays correct, nothing of
it is billed, and the next `cdk deploy` restores the stack and retrains its models.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

_AT_REST = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_HOUR = 3600
_CALLS = ("GetRecommendations", "GetPersonalizedRanking", "GetPersonalizedRankingRequests")
_QUERIES = 500  # the maximum number of queries of GetMetricData


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric that counts the calls of a resource."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(kw_only=True)
class Round:
    """The configuration of one check.

    Attributes:
        namespace: namespace of the metric ModelAge.
        deployment: the metric's only dimension.
        stacks: names of the stacks with trained resources.
        expiring: names of the stacks that may be deleted.
        endpoints: names, spelled as in their metrics; ARNs are lower-case.
        variant: the variant of each endpoint.
        idle_hours: hours without calls after which a stack is idle.
        topic: ARN of the topic for notices of deletions; empty for none.
    """

    cloudformation: Any
    cloudwatch: Any
    sns: Any
    namespace: str
    deployment: str
    stacks: list[str]
    expiring: list[str]
    endpoints: list[str]
    variant: str
    idle_hours: int
    topic: str

    def make(self) -> dict[str, Any]:
        """Measure, then delete what is idle.

        Returns:
            `age_days` (None if nothing is trained), `calls` by stack since it could be idle, and
            `deleted`, names of stacks.
        """
        now = datetime.now(UTC)
        oldest: datetime | None = None
        calls: dict[str, int] = {}
        deleted = []
        for stack in self.stacks:
            resources = self._resources(stack)
            for resource in resources:
                # A waiter changes when its trained resource is retrained.
                if resource["ResourceType"] == "Custom::TrainedWait":
                    trained = resource["LastUpdatedTimestamp"]
                    oldest = trained if oldest is None else min(oldest, trained)
            metrics = list(self._metrics(resources))
            if stack in self.expiring and metrics and self._rested(stack, resources, now):
                calls[stack] = self._calls(metrics, now)
                if not calls[stack]:
                    self._delete(stack)
                    deleted.append(stack)
        age = None if oldest is None else (now - oldest) / timedelta(days=1)
        if age is not None:
            self.cloudwatch.put_metric_data(
                Namespace=self.namespace,
                MetricData=[
                    {
                        "MetricName": "ModelAge",
                        "Dimensions": [{"Name": "Deployment", "Value": self.deployment}],
                        "Value": age,
                    }
                ],
            )
        return {"age_days": age, "calls": calls, "deleted": deleted}

    def _delete(self, stack: str) -> None:
        self.cloudformation.delete_stack(StackName=stack)
        if self.topic:
            hours = "an hour" if self.idle_hours == 1 else f"{self.idle_hours} hours"
            self.sns.publish(
                TopicArn=self.topic,
                Subject=f"{self.deployment}: idle stack deleted",
                Message=(
                    f"Nothing in {stack} was called for {hours}, so the stack is being deleted "
                    "and will no longer be billed. `npx cdk deploy --all` restores it and "
                    "retrains its models."
                ),
            )

    def _resources(self, stack: str) -> list[Any]:
        """A stack's resources; empty if it does not exist."""
        pages = self.cloudformation.get_paginator("list_stack_resources")
        try:
            return [
                resource
                for page in pages.paginate(StackName=stack)
                for resource in page["StackResourceSummaries"]
            ]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return []
            raise

    def _rested(self, stack: str, resources: list[Any], now: datetime) -> bool:
        """Whether a stack has been unchanged for long enough to count as idle.

        The stack's own times are those at which an operation started, and training takes hours. The
        newest resource shows when the operation ended.
        """
        try:
            (found,) = self.cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return False
            raise
        changed = max(
            found.get("LastUpdatedTime", found["CreationTime"]),
            *(resource["LastUpdatedTimestamp"] for resource in resources),
        )
        return found["StackStatus"] in _AT_REST and now - changed >= timedelta(
            hours=self.idle_hours
        )

    def _metrics(self, resources: list[Any]) -> Iterator[Metric]:
        """The metrics that count calls of resources billed by the hour."""
        spelled = {name.lower(): name for name in self.endpoints}
        for resource in resources:
            arn = resource.get("PhysicalResourceId", "")
            name = arn.rsplit("/", 1)[-1]
            match resource["ResourceType"]:
                case "AWS::SageMaker::Endpoint":
                    endpoint = spelled.get(name.lower(), name)
                    yield Metric(
                        namespace="AWS/SageMaker",
                        name="Invocations",
                        dimensions=(("EndpointName", endpoint), ("VariantName", self.variant)),
                    )
                case "AWS::Personalize::Campaign":
                    yield from _calls_of("CampaignArn", arn)
                case "Custom::TrainedStart" if ":recommender/" in arn:
                    yield from _calls_of("RecommenderArn", arn)

    def _calls(self, metrics: list[Metric], now: datetime) -> int:
        """The total number of calls in the last `idle_hours`."""
        total = 0.0
        for first in range(0, len(metrics), _QUERIES):
            pages = self.cloudwatch.get_paginator("get_metric_data")
            for page in pages.paginate(
                StartTime=now - timedelta(hours=self.idle_hours),
                EndTime=now,
                MetricDataQueries=[
                    {
                        "Id": f"m{number}",
                        "MetricStat": {
                            "Metric": {
                                "Namespace": metric.namespace,
                                "MetricName": metric.name,
                                "Dimensions": [
                                    {"Name": name, "Value": value}
                                    for name, value in metric.dimensions
                                ],
                            },
                            "Period": _HOUR,
                            "Stat": "Sum",
                        },
                    }
                    for number, metric in enumerate(metrics[first : first + _QUERIES])
                ],
            ):
                total += sum(sum(result["Values"]) for result in page["MetricDataResults"])
        return int(total)


def _calls_of(dimension: str, arn: str) -> Iterator[Metric]:
    for name in _CALLS:
        yield Metric(namespace="AWS/Personalize", name=name, dimensions=((dimension, arn),))
