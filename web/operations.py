"""What is deployed and what is still training: stacks, jobs, endpoints, cost, leftovers."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cost.estimate import Estimate, of_templates
from outputs import is_ours
from web.answers import Endpoint, Job, Operations, Stack

if TYPE_CHECKING:
    from web.clients import Clients

_GONE: Final = ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")
_TASKS: Final = "rating|recommendation|retrieval|deep-mf|factorization-machines"
_ENDPOINTS: Final = "rating|recommendation|retrieval|deepMf|factorizationMachines"
_SHOWN: Final = 20  # jobs, the newest


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
    jobs = tuple(_jobs(clients, prefix))
    endpoints = tuple(_endpoints(clients, prefix))
    busy = [one.busy for one in stacks] + [one.busy for one in jobs]
    busy += [one.busy for one in endpoints]
    names = [one.name for one in jobs] + [one.name for one in endpoints]
    estimate = _estimate(clients, stacks)
    return Operations(
        stacks=stacks,
        jobs=jobs,
        endpoints=endpoints,
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


def _estimate(clients: "Clients", stacks: tuple[Stack, ...]) -> Estimate:
    """What the stacks' templates cost as long as they stand."""
    bodies = {
        stack.name: clients.cloudformation.get_template(StackName=stack.name)["TemplateBody"]
        for stack in stacks
    }
    return of_templates({name: body for name, body in bodies.items() if isinstance(body, Mapping)})
