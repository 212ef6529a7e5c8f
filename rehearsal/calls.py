"""Sends the workshop's test events and other requests to a deployed engine, using AWS's APIs."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3

from outputs import Outputs


@dataclass(frozen=True, kw_only=True)
class Call:
    """One invocation of a function: the event and the response."""

    function: str
    event: dict[str, Any]
    answer: Any
    error: bool
    milliseconds: float


def workshop_calls(outputs: Outputs, sample: dict[str, int]) -> list[Call]:
    """Send the workshop's events to both functions, for the sample's user and movies."""
    instances = json.dumps({"instances": [{"in0": [sample["user"]], "in1": [sample["movie"]]}]})
    engine = outputs["RecommendationEngineFunctionName"]
    retrieval = outputs["MovieRetrievalFunctionName"]
    neighbours = {
        "bucket_name": outputs["BucketName"],
        "movie_id_to_examine": sample["neighbour_movie"],
    }
    kinds = [kind for kind in ("rating", "recommendation") if _rates(outputs, kind)]
    return [
        *(_invoke(engine, {"data": instances, "type": kind}) for kind in kinds),
        _invoke(retrieval, neighbours),
    ]


def _rates(outputs: Outputs, kind: str) -> bool:
    """Whether there is a model of this kind: there is none where the data have no ratings."""
    return f"{kind.capitalize()}EndpointName" in outputs


def median_milliseconds(
    outputs: Outputs, sample: dict[str, int], repeats: int = 30
) -> dict[str, float]:
    """Measure the median duration of warm calls, in milliseconds, at the client."""
    runtime = boto3.client("sagemaker-runtime")
    *_, neighbours = calls = workshop_calls(outputs, sample)
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
    """Each training job's image, duration in seconds and final metrics."""
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
        }
    return found


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
