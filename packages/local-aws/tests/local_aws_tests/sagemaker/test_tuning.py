"""Hyperparameter tuning: training jobs with chosen values, and the best of them."""

import time
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from local_aws.sagemaker import responses
from local_aws.sagemaker.tuning import Space, promising
from local_aws_tests.sagemaker.conftest import IMAGE, ROLE

METRIC = "validation:mean_squared_error"
X = {"Name": "x", "MinValue": "0", "MaxValue": "10"}
KIND = {"Name": "kind", "Values": ["a", "b"]}


def request(name: str, strategy: str, jobs: int | None, ranges: Any, **config: Any) -> Any:
    limits = {"MaxParallelTrainingJobs": 2, **({"MaxNumberOfTrainingJobs": jobs} if jobs else {})}
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/input/train"}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": strategy,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": METRIC},
            "ResourceLimits": limits,
            "ParameterRanges": ranges,
            "RandomSeed": 5,
            **config,
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {"answer": "42"},
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "InputDataConfig": [
                {"ChannelName": "train", "DataSource": {"S3DataSource": source}},
            ],
            "OutputDataConfig": {"S3OutputPath": "s3://data-bucket/tuned"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
    }


def tuned(aws: Any, name: str, *arguments: Any, **config: Any) -> dict[str, Any]:
    aws.sagemaker.create_hyper_parameter_tuning_job(**request(name, *arguments, **config))
    return ended(aws, name)


def ended(aws: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        job: dict[str, Any] = aws.sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        if job["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
            return job
        time.sleep(0.1)
    raise TimeoutError(name)


def trainings(aws: Any, name: str, **more: Any) -> list[dict[str, Any]]:
    found = aws.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, MaxResults=100, **more
    )
    return list(found["TrainingJobSummaries"])


def test_grid_tries_every_combination_and_finds_the_best(aws: Any) -> None:
    numbers = {"Name": "x", "Values": ["1", "3", "5"]}
    job = tuned(aws, "grid", "Grid", None, {"CategoricalParameterRanges": [numbers, KIND]})
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert job["TrainingJobStatusCounters"]["Completed"] == 6
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 6, "Pending": 0, "Failed": 0}
    best = job["BestTrainingJob"]
    assert best["TunedHyperParameters"] == {"x": "3", "kind": "b"}
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Minimize",
        "MetricName": METRIC,
        "Value": 0.0,
    }
    found = trainings(aws, "grid", SortBy="FinalObjectiveMetricValue")
    assert found[0]["TrainingJobName"] == best["TrainingJobName"]
    tried = {tuple(one["TunedHyperParameters"].values()) for one in found}
    assert tried == {(x, kind) for x in ("1", "3", "5") for kind in ("a", "b")}
    told = aws.sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert told["HyperParameters"] == {"answer": "42", "x": "3", "kind": "b"}
    assert told["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert told["ModelArtifacts"]["S3ModelArtifacts"].startswith("s3://data-bucket/tuned/grid-0")


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_values_are_chosen_within_their_ranges(aws: Any, strategy: str) -> None:
    whole = {"Name": "depth", "MinValue": "2", "MaxValue": "4"}
    ranges = {"ContinuousParameterRanges": [X], "IntegerParameterRanges": [whole]}
    job = tuned(aws, strategy, strategy, 6, ranges)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    found = [one["TunedHyperParameters"] for one in trainings(aws, strategy)]
    assert len(found) == 6
    assert all(0 <= float(one["x"]) <= 10 and one["depth"] in "234" for one in found)
    losses = [(float(one["x"]) - 3) ** 2 for one in found]
    told = job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert told == pytest.approx(min(losses))


def test_job_ends_when_its_target_is_reached(aws: Any) -> None:
    numbers = {"Name": "x", "Values": ["3", "1", "5", "7", "9"]}
    job = tuned(
        aws,
        "target",
        "Grid",
        None,
        {"CategoricalParameterRanges": [numbers]},
        TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 0.5},
        ResourceLimits={"MaxParallelTrainingJobs": 1},
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert len(trainings(aws, "target")) == 1


def test_stopped_job_stops_its_training_jobs(aws: Any) -> None:
    slow = request("stopped", "Random", 5, {"ContinuousParameterRanges": [X]})
    slow["TrainingJobDefinition"]["StaticHyperParameters"] = {"seconds": "600"}
    aws.sagemaker.create_hyper_parameter_tuning_job(**slow)
    deadline = time.monotonic() + 120
    while not trainings(aws, "stopped") and time.monotonic() < deadline:
        time.sleep(0.05)
    aws.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    job = ended(aws, "stopped")
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert {one["TrainingJobStatus"] for one in trainings(aws, "stopped")} == {"Stopped"}
    listed = aws.sagemaker.list_hyper_parameter_tuning_jobs(NameContains="stopped")
    [entry] = listed["HyperParameterTuningJobSummaries"]
    assert entry["HyperParameterTuningJobStatus"] == "Stopped"
    aws.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        aws.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")


def test_job_without_a_good_training_fails(aws: Any) -> None:
    wrong = request("failing", "Random", 2, {"ContinuousParameterRanges": [X]})
    wrong["TrainingJobDefinition"]["StaticHyperParameters"] = {"status": "1"}
    aws.sagemaker.create_hyper_parameter_tuning_job(**wrong)
    job = ended(aws, "failing")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "All training jobs failed" in job["FailureReason"]
    assert "BestTrainingJob" not in job


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ({"Strategy": "Hyperband"}, "NotImplementedByLocalAws", "Hyperband"),
        ({"TrainingJobEarlyStoppingType": "Auto"}, "NotImplementedByLocalAws", "Auto"),
        (
            {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "speed"}},
            "ValidationException",
            "speed is not valid for the algorithm",
        ),
        ({"Strategy": "Grid"}, "ValidationException", "only CategoricalParameterRanges"),
        ({"ParameterRanges": {}}, "ValidationException", "must name hyperparameters"),
        (
            {"ParameterRanges": {"ContinuousParameterRanges": [{**X, "MinValue": "11"}]}},
            "ValidationException",
            "from 11 to 10",
        ),
        (
            {"ParameterRanges": {"CategoricalParameterRanges": [{**KIND, "Name": "answer"}]}},
            "ValidationException",
            "answer are both static and in a range",
        ),
    ],
)
def test_request_that_cannot_be_honoured_is_refused(
    aws: Any, config: Any, code: str, words: str
) -> None:
    asked = request("refused", "Random", 2, {"ContinuousParameterRanges": [X]}, **config)
    with pytest.raises(ClientError, match=f"{code}.*{words}"):
        aws.sagemaker.create_hyper_parameter_tuning_job(**asked)


def test_tuning_jobs_at_the_same_time_are_limited(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "_MOST_TUNINGS", 0)
    asked = request("one-more", "Random", 2, {"ContinuousParameterRanges": [X]})
    with pytest.raises(ClientError, match="ResourceLimitExceeded"):
        aws.sagemaker.create_hyper_parameter_tuning_job(**asked)


def test_scaling_spreads_values_by_their_order_of_magnitude() -> None:
    described = {"Name": "rate", "MinValue": "0.0001", "MaxValue": "1"}
    middles = {"Linear": 0.50005, "Logarithmic": 0.01}
    for scaling, middle in middles.items():
        space = Space({"ContinuousParameterRanges": [{**described, "ScalingType": scaling}]})
        assert float(space.values(np.array([0.5]))["rate"]) == pytest.approx(middle)
    close = {
        "Name": "rate",
        "MinValue": "0",
        "MaxValue": "0.9999",
        "ScalingType": "ReverseLogarithmic",
    }
    space = Space({"ContinuousParameterRanges": [close]})
    assert float(space.values(np.array([0.5]))["rate"]) == pytest.approx(0.99)


def test_bayesian_search_looks_where_losses_fall() -> None:
    """Of a parabola's points, the one nearest to its lowest promises the most."""
    tried = np.array([[0.0], [0.2], [0.4], [0.8], [1.0]])
    losses = (tried[:, 0] - 0.55) ** 2
    candidates = np.linspace(0, 1, 101)[:, None]
    assert candidates[promising(tried, losses, candidates)][0] == pytest.approx(0.55, abs=0.1)


def test_grid_is_counted_before_it_is_made() -> None:
    ranges = [{"Name": f"p{n}", "Values": [str(v) for v in range(30)]} for n in range(30)]
    space = Space({"CategoricalParameterRanges": ranges})
    assert space.combinations() == 30**30
    assert next(space.grid()) == {f"p{n}": "0" for n in range(30)}
