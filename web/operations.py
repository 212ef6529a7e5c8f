"""What is deployed and what is still training: stacks, jobs, endpoints, cost, leftovers."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import EndpointConnectionError

from cost.estimate import Estimate, of_templates
from outputs import is_ours
from web.answers import Endpoint, Job, Operations, Stack, is_passing

if TYPE_CHECKING:
    from web.clients import Clients

_GONE: Final = ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")
_TASKS: Final = "rating|recommendation|retrieval|deep-mf|factorization-machines"
_ENDPOINTS: Final = "rating|recommendation|retrieval|deepMf|factorizationMachines"
_SHOWN: Final = 20  # jobs, the newest
_METRICS: Final = (
    "coverage",
    "mean_reciprocal_rank_at_25",
    "normalized_discounted_cumulative_gain_at_10",
)


def look(clients: "Clients", prefix: str) -> Operations:
    """Look at the deployment with a prefix, whether it is complete or not.

    Raises:
        botocore.exceptions.ClientError: AWS refused a request.
    """
    found = list(_stacks(clients, prefix))
    stacks = tuple(
        Stack(
            name=one["StackName"],
            status=one["StackStatus"],
            since=one.get("LastUpdatedTime") or one["CreationTime"],
            reason=one.get("StackStatusReason", ""),
        )
        for one in found
    )
    named = {output["OutputValue"] for one in found for output in one.get("Outputs", ())}
    jobs, endpoints = list(_jobs(clients, prefix)), list(_endpoints(clients, prefix))
    names = [*(one.name for one in jobs), *(one.name for one in endpoints)]
    with suppress(EndpointConnectionError):  # the region has no Amazon Personalize
        solutions = _Solutions(clients, prefix)
        jobs += solutions.versions()
        endpoints += solutions.served()
        named |= {_name(value) for value in named if ":personalize:" in value}
        names += solutions.names()
    busy = [one.busy for each in (stacks, jobs, endpoints) for one in each]
    estimate = _estimate(clients, stacks)
    return Operations(
        stacks=stacks,
        jobs=tuple(jobs),
        endpoints=tuple(endpoints),
        hourly=round(estimate.hourly, 3),
        monthly=round(estimate.monthly, 2),
        # while stacks change, what they do not name yet is theirs
        leftovers=() if any(busy) else tuple(name for name in names if name not in named),
        busy=any(busy),
    )


def _stacks(clients: "Clients", prefix: str) -> Iterator[Mapping[str, Any]]:
    for page in clients.cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            if is_ours(stack["StackName"], prefix) and stack["StackStatus"] not in _GONE:
                yield stack


def _jobs(clients: "Clients", prefix: str) -> Iterator[Job]:
    pages = clients.sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains=prefix, SortBy="CreationTime", SortOrder="Descending"
    )
    ours = re.compile(rf"{re.escape(prefix)}-({_TASKS})-[0-9a-f]{{10}}")
    names = [one["TrainingJobName"] for page in pages for one in page["TrainingJobSummaries"]]
    for name in [name for name in names if ours.fullmatch(name)][:_SHOWN]:
        job = clients.sagemaker.describe_training_job(TrainingJobName=name)
        began = job.get("TrainingStartTime")
        seconds = job.get("TrainingTimeInSeconds")
        if seconds is None and began:
            seconds = int((datetime.now(UTC) - began).total_seconds())
        channels = {one["ChannelName"] for one in job.get("InputDataConfig", ())}
        yield Job(
            name=name,
            status=job["TrainingJobStatus"],
            step=job.get("SecondaryStatus", ""),
            epochs=job.get("HyperParameters", {}).get("epochs", ""),
            evaluates=bool(channels & {"validation", "test"}),
            seconds=seconds,
            metrics={
                one["MetricName"]: round(one["Value"], 4)
                for one in job.get("FinalMetricDataList", ())
            },
        )


def _endpoints(clients: "Clients", prefix: str) -> Iterator[Endpoint]:
    ours = re.compile(rf"{re.escape(prefix)}-({_ENDPOINTS})Model")
    for page in clients.sagemaker.get_paginator("list_endpoints").paginate(NameContains=prefix):
        for one in page["Endpoints"]:
            if ours.fullmatch(one["EndpointName"]):
                yield Endpoint(name=one["EndpointName"], status=one["EndpointStatus"])


class _Solutions:
    """A deployment's solutions and recommenders of Amazon Personalize."""

    def __init__(self, clients: "Clients", prefix: str) -> None:
        self._personalize = clients.personalize
        self._listed = [
            one for one in self._pages("solutions") if _is_of(one, "solutionArn", prefix)
        ]
        self._recommenders = [
            one for one in self._pages("recommenders") if _is_of(one, "recommenderArn", prefix)
        ]

    def _pages(self, kind: str, **of: str) -> Iterator[Mapping[str, Any]]:
        operation = "list_" + re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", kind)
        for page in self._personalize.get_paginator(operation).paginate(**of):
            yield from page[kind]

    def versions(self) -> Iterator[Job]:
        """The trainings of all solutions, of each the newest first."""
        for solution in self._listed:
            found = list(self._pages("solutionVersions", solutionArn=solution["solutionArn"]))
            for one in sorted(found, key=_created, reverse=True):
                arn, status = one["solutionVersionArn"], one["status"]
                metrics = {}
                if status == "ACTIVE":
                    told = self._personalize.get_solution_metrics(solutionVersionArn=arn)
                    metrics = told.get("metrics", {})
                until = datetime.now(UTC) if is_passing(status) else one["lastUpdatedDateTime"]
                yield Job(
                    name=arn.partition("/")[2],
                    status=status,
                    step="",
                    epochs="",
                    evaluates=True,
                    seconds=int((until - _created(one)).total_seconds()),
                    metrics={name: round(metrics[name], 4) for name in _METRICS if name in metrics},
                )

    def served(self) -> Iterator[Endpoint]:
        """The campaigns of all solutions, and the recommenders."""
        for solution in self._listed:
            for one in self._pages("campaigns", solutionArn=solution["solutionArn"]):
                yield Endpoint(name=_name(one["campaignArn"]), status=one["status"])
        for one in self._recommenders:
            yield Endpoint(name=_name(one["recommenderArn"]), status=one["status"])

    def names(self) -> list[str]:
        """What a stack has to name; a solution also stands for its campaign and its versions."""
        return [
            _name(one[arn])
            for arn, found in (
                ("solutionArn", self._listed),
                ("recommenderArn", self._recommenders),
            )
            for one in found
        ]


def _is_of(described: Mapping[str, Any], arn: str, prefix: str) -> bool:
    """Whether a solution or recommender has a name that a deployment gives for its recipe."""
    recipe = re.sub(".*/aws-(vod-)?", "", described["recipeArn"])
    return bool(
        re.fullmatch(rf"{re.escape(prefix)}-{recipe}-[0-9a-f]{{10}}", _name(described[arn]))
    )


def _name(arn: str) -> str:
    """The name in an ARN of a solution, one of its versions, a campaign or a recommender."""
    return arn.split("/")[1] if "/" in arn else arn


def _created(described: Mapping[str, Any]) -> datetime:
    found: datetime = described["creationDateTime"]
    return found


def _estimate(clients: "Clients", stacks: tuple[Stack, ...]) -> Estimate:
    """What the stacks' templates cost as long as they stand."""
    bodies = {
        stack.name: clients.cloudformation.get_template(StackName=stack.name)["TemplateBody"]
        for stack in stacks
    }
    return of_templates({name: body for name, body in bodies.items() if isinstance(body, Mapping)})
