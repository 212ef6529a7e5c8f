"""Hyperparameter tuning: training jobs with chosen values, and the best of them."""

import time
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from local_aws.sagemaker import responses
from local_aws.sagemaker.stopping import Hyperband, worse_than_median
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


def hyperband(least: int, most: int) -> dict[str, Any]:
    return {"HyperbandStrategyConfig": {"MinResource": least, "MaxResource": most}}


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


def test_gains_below_a_hundredth_are_none(aws: Any) -> None:
    """The losses are 9, 8.994, 8.988 and 8.982; after three jobs without a gain none begins."""
    numbers = {"Name": "x", "Values": ["0", "0.001", "0.002", "0.003", "3"]}
    patience = {"MaxNumberOfTrainingJobsNotImproving": 3}
    job = tuned(
        aws,
        "patience",
        "Grid",
        None,
        {"CategoricalParameterRanges": [numbers]},
        TuningJobCompletionCriteria={"BestObjectiveNotImproving": patience},
        ResourceLimits={"MaxParallelTrainingJobs": 1},
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    found = [one["TunedHyperParameters"]["x"] for one in trainings(aws, "patience")]
    assert found == ["0", "0.001", "0.002", "0.003"]


def several(name: str, *ranges: Any, **config: Any) -> Any:
    """A request with a definition for each of the ranges: a, b, …"""
    asked = request(name, "Grid", None, {}, **config)
    objective = asked["HyperParameterTuningJobConfig"].pop("HyperParameterTuningJobObjective")
    del asked["HyperParameterTuningJobConfig"]["ParameterRanges"]
    single = asked.pop("TrainingJobDefinition")
    asked["TrainingJobDefinitions"] = [
        {
            **single,
            "DefinitionName": chr(ord("a") + number),
            "TuningObjective": objective,
            "HyperParameterRanges": one,
        }
        for number, one in enumerate(ranges)
    ]
    return asked


def test_several_definitions_compete(aws: Any) -> None:
    near, far = (
        {"CategoricalParameterRanges": [{"Name": "x", "Values": values}]}
        for values in (["1", "4"], ["7", "9"])
    )
    asked = several("variants", far, near)
    aws.sagemaker.create_hyper_parameter_tuning_job(**asked)
    job = ended(aws, "variants")
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert job["BestTrainingJob"]["TrainingJobDefinitionName"] == "b"
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"x": "4"}
    assert [one["DefinitionName"] for one in job["TrainingJobDefinitions"]] == ["a", "b"]
    assert "TrainingJobDefinition" not in job
    tried = {
        (one["TrainingJobDefinitionName"], one["TunedHyperParameters"]["x"])
        for one in trainings(aws, "variants")
    }
    assert tried == {("a", "7"), ("a", "9"), ("b", "1"), ("b", "4")}


def test_several_definitions_need_what_is_their_own(aws: Any) -> None:
    one = {"CategoricalParameterRanges": [KIND]}
    objective = {"Type": "Minimize", "MetricName": METRIC}
    unnamed, other, common = (several("no", one, one) for _ in range(3))
    common["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"] = objective
    unnamed["TrainingJobDefinitions"][1]["DefinitionName"] = "a"
    other["TrainingJobDefinitions"][1]["TuningObjective"] = {**objective, "Type": "Maximize"}
    both = request("no", "Grid", None, one)
    both["TrainingJobDefinitions"] = several("no", one)["TrainingJobDefinitions"]
    twice = request("no", "Grid", None, one)
    twice["TrainingJobDefinition"]["TuningObjective"] = objective
    many = [{**X, "Name": f"x{number}"} for number in range(30)]
    for asked, words in (
        (unnamed, "must be unique"),
        (other, "NotImplementedByLocalAws.*some minimize"),
        (both, "Specify either"),
        (twice, "TuningObjective of the TrainingJobDefinition is also told"),
        (common, "each of them has its"),
        (several("no", one, one, TrainingJobEarlyStoppingType="Auto"), "Early stopping needs"),
        (several("no", one, one, Strategy="Hyperband"), "NotImplementedByLocalAws.*Hyperband"),
        (
            request(
                "no",
                "Random",
                1,
                {"ContinuousParameterRanges": many, "CategoricalParameterRanges": [KIND]},
            ),
            "At most 30 hyperparameters",
        ),
    ):
        with pytest.raises(ClientError, match=words):
            aws.sagemaker.create_hyper_parameter_tuning_job(**asked)


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


def test_training_worse_than_the_median_of_the_others_is_stopped_early(aws: Any) -> None:
    courses = {"Name": "losses", "Values": ["[4, 2, 1]", "[4, 7, 9, null]"]}
    job = tuned(
        aws,
        "early",
        "Grid",
        None,
        {"CategoricalParameterRanges": [courses]},
        TrainingJobEarlyStoppingType="Auto",
        # one after the other: a job is compared with what the others have told by then
        ResourceLimits={"MaxParallelTrainingJobs": 1},
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    states = {one["TrainingJobStatus"]: one for one in trainings(aws, "early")}
    assert states["Completed"]["TunedHyperParameters"] == {"losses": "[4, 2, 1]"}
    stopped = states["Stopped"]
    assert stopped["TunedHyperParameters"] == {"losses": "[4, 7, 9, null]"}
    assert stopped["ObjectiveStatus"] == "Succeeded"
    assert stopped["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] in (7, 9)


def test_hyperband_stops_trainings_that_have_used_up_their_epochs(aws: Any) -> None:
    courses = {"Name": "losses", "Values": ["[4, 2, 1]", "[4, 1, 0.5]"]}
    asked = request("band", "Hyperband", 2, {"CategoricalParameterRanges": [courses]})
    asked["TrainingJobDefinition"]["StaticHyperParameters"] = {"seconds": "600", "epochs": "3"}
    aws.sagemaker.create_hyper_parameter_tuning_job(**asked)
    job = ended(aws, "band")
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    found = trainings(aws, "band")
    assert [one["TrainingJobStatus"] for one in found] == ["Stopped", "Stopped"]
    lowest = min(one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for one in found)
    best = job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert best == lowest in (1, 0.5)


def test_warm_start_learns_from_its_parent_and_names_the_best_of_both(aws: Any) -> None:
    ranges = {"ContinuousParameterRanges": [X]}
    parent = tuned(aws, "parent", "Random", 3, ranges)
    warm = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    asked = request("child", "Bayesian", 1, ranges)
    aws.sagemaker.create_hyper_parameter_tuning_job(**asked, WarmStartConfig=warm)
    child = ended(aws, "child")
    assert child["WarmStartConfig"] == warm
    [own] = trainings(aws, "child")
    # its first value is the first random one without a parent, whose seed it shares
    drawn = np.random.default_rng(5).random(1)[0] * 10
    assert float(own["TunedHyperParameters"]["x"]) != pytest.approx(drawn)
    best = min(
        (child["BestTrainingJob"], parent["BestTrainingJob"]),
        key=lambda one: (float(one["TunedHyperParameters"]["x"]) - 3) ** 2,
    )
    overall = child["OverallBestTrainingJob"]
    assert overall["TrainingJobName"] == best["TrainingJobName"]
    assert best["TrainingJobName"].startswith(f"{overall['TuningJobName']}-")

    for changes, words in (
        ({"ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "none"}]}, "none"),
        ({}, "another number of static and tunable"),
    ):
        other = request("orphan", "Random", 1, {**ranges, "CategoricalParameterRanges": [KIND]})
        with pytest.raises(ClientError, match=words):
            aws.sagemaker.create_hyper_parameter_tuning_job(
                **other, WarmStartConfig={**warm, **changes}
            )
    base = request("base", "Random", 1, ranges)
    static = {f"s{number}": "old" for number in range(6)}
    base["TrainingJobDefinition"]["StaticHyperParameters"] = static
    aws.sagemaker.create_hyper_parameter_tuning_job(**base)
    ended(aws, "base")
    far = request("far", "Random", 1, ranges)
    changed = dict.fromkeys(static, "new")
    far["TrainingJobDefinition"]["StaticHyperParameters"] = changed
    after = {**warm, "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "base"}]}
    with pytest.raises(ClientError, match="12 changes; 10 are allowed"):
        aws.sagemaker.create_hyper_parameter_tuning_job(**far, WarmStartConfig=after)
    moved = request("moved", "Random", 1, ranges)
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/input/validation"}
    [channel] = moved["TrainingJobDefinition"]["InputDataConfig"]
    channel["DataSource"]["S3DataSource"] = source
    with pytest.raises(ClientError, match="other data or another image"):
        aws.sagemaker.create_hyper_parameter_tuning_job(**moved, WarmStartConfig=warm)


@pytest.mark.parametrize(
    ("losses", "others", "stopped"),
    [
        ([3.0], [], False),  # nothing to compare with
        ([3.0], [[1.0], [2.0], [9.0]], True),  # the median is 2
        ([2.0], [[1.0], [2.0], [9.0]], False),
        ([9.0, 3.0], [[1.0, 5.0], [2.0]], False),  # one has come so far; its average is 3
        ([9.0, 3.1], [[1.0, 5.0], [2.0]], True),
    ],
)
def test_median_is_of_the_running_averages_at_the_same_epoch(
    losses: list[float], others: list[list[float]], stopped: bool
) -> None:
    assert worse_than_median(losses, others) is stopped


def test_hyperband_lets_the_best_third_pass_each_rung() -> None:
    rule = Hyperband(2, 20)  # rungs at 2, 6 and 18
    others = [[9.0, loss, *[loss] * 4] for loss in (1.0, 2.0, 3.0, 4.0, 5.0)]
    at = {loss: rule([0.0, loss], others) for loss in (0.5, 1.5, 2.5, 4.5)}
    assert at == {0.5: False, 1.5: False, 2.5: True, 4.5: True}  # two of six go on
    assert not rule([9.0], others) and not rule([9.0] * 3, others)  # between the rungs
    assert rule([9.0] * 6, others)
    assert not rule([9.0] * 2, others[:1])  # of two, none is judged
    assert rule([0.0] * 20, others)


def test_points_of_hyperparameters_are_those_that_give_them() -> None:
    space = Space(
        {
            "ContinuousParameterRanges": [
                {
                    "Name": "rate",
                    "MinValue": "0.001",
                    "MaxValue": "1",
                    "ScalingType": "Logarithmic",
                },
                {
                    "Name": "decay",
                    "MinValue": "0.5",
                    "MaxValue": "0.999",
                    "ScalingType": "ReverseLogarithmic",
                },
            ],
            "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "6"}],
            "CategoricalParameterRanges": [KIND],
        }
    )
    told = {"rate": "0.01", "decay": "0.9", "depth": "3", "kind": "b"}
    point = space.point(told)
    assert point is not None
    # a third of the way from 0.001 to 1 in powers; a quarter of that from 2 to 6; b, not a
    assert [point[1], point[0], *point[3:]] == pytest.approx([1 / 3, 0.25, 0, 1])
    again = space.values(point)
    assert [again["depth"], again["kind"]] == ["3", "b"]
    assert [float(again["rate"]), float(again["decay"])] == pytest.approx([0.01, 0.9])
    assert space.point({**told, "depth": "7"}) is None
    assert space.point({**told, "kind": "c"}) is None
    assert space.point({"rate": "0.01"}) is None


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ({"Strategy": "Hyperband"}, "ValidationException", "Without MaxResource"),
        (
            {"Strategy": "Hyperband", "StrategyConfig": hyperband(9, 3)},
            "ValidationException",
            "not 9 and 3",
        ),
        (
            {"Strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"},
            "ValidationException",
            "must be Off",
        ),
        (
            {"StrategyConfig": hyperband(1, 3)},
            "ValidationException",
            "needs the strategy Hyperband",
        ),
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
