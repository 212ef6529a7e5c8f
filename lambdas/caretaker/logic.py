"""One round through a deployment's stacks: how old are the models, and is anything idle?

What is idle goes by its whole stack being deleted: CloudFormation's state stays true, nothing of it
is left to be billed, and the next `cdk deploy` brings it back, trained anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

_AT_REST = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_HOUR = 3600
_CALLS = ("GetRecommendations", "GetPersonalizedRanking", "GetPersonalizedRankingRequests")
_QUERIES = 500  # what GetMetricData takes at once


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric that counts calls of one thing."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(kw_only=True)
class Round:
    """What a round needs to know.

    Attributes:
        namespace: of the metric ModelAge.
        deployment: the metric's one dimension.
        stacks: names of those in which something is trained.
        expiring: names of those that may be deleted.
        endpoints: names, spelled as their metrics are; an ARN has small letters only.
        variant: of each of them.
        idle_hours: without a call for so long, a stack is idle.
        topic: who is told of a deletion; empty for nobody.
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
                # A waiter changes when what it waits for is trained anew.
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
                Subject=f"{self.deployment}: what nobody used goes",
                Message=(
                    f"Nobody called anything in {stack} for {hours}, so that it is being "
                    "deleted and billed no longer. `npx cdk deploy --all` brings it back, "
                    "trained anew."
                ),
            )

    def _resources(self, stack: str) -> list[Any]:
        """What a stack holds; nothing if it is not there."""
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
        """Whether a stack has been deployed, and unchanged, for long enough to be called idle.

        The stack's own times are those at which an operation began, and training takes hours. Its
        newest resource tells when it ended.
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
        """The metrics that would show a call of anything that is billed by the hour."""
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
        """How often any of them was called in the last `idle_hours`."""
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
