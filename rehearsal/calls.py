"""Sends the workshop's test events and other requests to a deployed engine, using AWS's APIs."""

import json
import re
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from outputs import Outputs
from rehearsal.personalize import Catalogue

_METRIC = re.compile(r"#quality_metric: .*epoch=(\d+), (\w+) (\w+) <\w+>=(\S+)")
_LOSSES = ("mean_squared_error", "cross_entropy", "mse")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One invocation of a function: the event and the response."""

    function: str
    event: dict[str, Any]
    answer: Any
    error: bool
    milliseconds: float


def workshop_calls(outputs: Outputs, sample: Mapping[str, int], catalogue: Catalogue) -> list[Call]:
    """Send the workshop's events to both functions, for the sample's user and movies.

    Where the data's own ids are no small integers, the events have them in the functions' other
    form.
    """
    user, movie = catalogue.user(sample["user"]), catalogue.item(sample["movie"])
    near = catalogue.item(sample["neighbour_movie"])
    pair: dict[str, Any] = {"user": user, "movies": [movie], "format": "sentence"}
    if (user, movie) == (str(sample["user"]), str(sample["movie"])):
        pair = {"data": json.dumps({"instances": [{"in0": [int(user)], "in1": [int(movie)]}]})}
    engine = outputs["RecommendationEngineFunctionName"]
    retrieval = outputs["MovieRetrievalFunctionName"]
    neighbours = {
        "bucket_name": outputs["BucketName"],
        "movie_id_to_examine": int(near) if near == str(sample["neighbour_movie"]) else near,
    }
    kinds = [kind for kind in ("rating", "recommendation") if _rates(outputs, kind)]
    return [
        *(_invoke(engine, {**pair, "type": kind}) for kind in kinds),
        _invoke(retrieval, neighbours),
    ]


def _rates(outputs: Outputs, kind: str) -> bool:
    """Whether there is a model of this kind: there is none where the data have no ratings."""
    return f"{kind.capitalize()}EndpointName" in outputs


def median_milliseconds(
    outputs: Outputs, sample: Mapping[str, int], catalogue: Catalogue, repeats: int = 30
) -> dict[str, float]:
    """Measure the median duration of warm calls, in milliseconds, at the client."""
    runtime = boto3.client("sagemaker-runtime")
    *_, neighbours = calls = workshop_calls(outputs, sample, catalogue)
    measured: dict[str, Callable[[], Any]] = {
        "function, movie retrieval": lambda: _invoke(neighbours.function, neighbours.event)
    }
    body = json.dumps({"instances": [{"in0": [sample["user"]], "in1": [sample["movie"]]}]})
    if _rates(outputs, "rating"):
        endpoint, rating = outputs["RatingEndpointName"], calls[0]
        measured = {
            "endpoint, one rating": lambda: runtime.invoke_endpoint(
                EndpointName=endpoint, ContentType="application/json", Body=body
            ),
            "function, one rating": lambda: _invoke(rating.function, rating.event),
            **measured,
        }
    return {name: _median(call, repeats) for name, call in measured.items()}


def training_jobs(outputs: Outputs) -> dict[str, dict[str, Any]]:
    """Each training job's duration in seconds, final metrics, and losses by channel and epoch."""
    sagemaker = boto3.client("sagemaker")
    found = {}
    names = {
        output.removesuffix("TrainingJobName"): name
        for output, name in outputs.items()
        if output.endswith("TrainingJobName")
    }
    for task, name in sorted(names.items()):
        job = sagemaker.describe_training_job(TrainingJobName=name)
        found[task.lower()] = {
            "job": job["TrainingJobName"],
            "seconds": job.get("TrainingTimeInSeconds"),
            "metrics": {
                metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]
            },
            "hyperparameters": job["HyperParameters"],
            "curves": _curves(name),
        }
    return found


def _curves(job: str) -> dict[str, list[tuple[int, float]]]:
    """The losses in a training job's log, by channel: epoch and value, in order."""
    logs = boto3.client("logs")
    found: dict[str, dict[str, dict[int, float]]] = {}
    for page in logs.get_paginator("filter_log_events").paginate(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job}/"
    ):
        for event in page["events"]:
            if said := _METRIC.search(event["message"]):
                epoch, channel, metric, value = said.groups()
                # repeated for the epoch that is kept: the same value
                found.setdefault(metric, {}).setdefault(channel, {})[int(epoch)] = float(value)
    for metric in _LOSSES:
        if metric in found:
            return {channel: sorted(points.items()) for channel, points in found[metric].items()}
    return {}


def _invoke(function: str, event: dict[str, Any]) -> Call:
    began = time.perf_counter()
    answer = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    payload = json.loads(answer["Payload"].read())
    return Call(
        function=function,
        event=event,
        answer=payload,
        error="FunctionError" in answer,
        milliseconds=round(1000 * (time.perf_counter() - began), 1),
    )


def _median(call: Callable[[], Any], repeats: int) -> float:
    durations = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        durations.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(durations), 1)
