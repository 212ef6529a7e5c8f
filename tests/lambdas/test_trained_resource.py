"""The trained resource against a SageMaker made by hand, with a fault at every call it makes."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from common.clients import client
from moto import mock_aws
from moto.core.models import botocore_stubber
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends
from trained_resource import handler, kinds, resource
from trained_resource.request import TrainedResourceError, name_of

from tests.lambdas.fakes import http

STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/recommender-Object2Vec/1a2b"
ROLE = "arn:aws:iam::123456789012:role/training"
LOGS = "/aws/sagemaker/TrainingJobs"
TRANSFORM_LOGS = "/aws/sagemaker/TransformJobs"

# as CloudFormation sends it: every scalar is a string
REQUEST: dict[str, Any] = {
    "AlgorithmSpecification": {"TrainingImage": "image:1", "TrainingInputMode": "File"},
    "RoleArn": ROLE,
    "HyperParameters": {"epochs": "20", "tied_token_embedding_weight": "False"},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://movies/in/train"}
            },
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://movies/out"},
    "ResourceConfig": {
        "InstanceCount": "1",
        "InstanceType": "ml.m5.xlarge",
        "VolumeSizeInGB": "30",
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": "3600"},
    "EnableNetworkIsolation": "true",
}
PROPERTIES = {
    "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:x",
    "Kind": "TrainingJob",
    "NamePrefix": "recommender-rating",
    "Request": REQUEST,
    "Inputs": "abc",
}
DESCRIBED = json.dumps(
    {"Inputs": "abc", "Kind": "TrainingJob", "Request": REQUEST},
    sort_keys=True,
    separators=(",", ":"),
)
NAME = "recommender-rating-" + hashlib.sha256(DESCRIBED.encode()).hexdigest()[:10]
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{NAME}"

Answer = Any


class SageMaker:
    """Training jobs as the service keeps them, answering a real client's HTTP requests."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.transforms: dict[str, dict[str, Any]] = {}  # which cannot be deleted
        self.calls: list[str] = []
        self.created = 0
        self.lasts = 1  # looks at a stopping job until it has stopped
        self.faults: dict[str, list[Callable[[], Answer]]] = {}  # before the call has an effect
        self.lost: dict[str, int] = {}  # answers lost after it had

    def send(self, request: Any, event_name: str, **_: Any) -> Answer:
        operation = event_name.rsplit(".", 1)[1]
        self.calls.append(operation)
        if self.faults.get(operation):
            return self.faults[operation].pop(0)()
        answer = getattr(self, operation)(json.loads(request.body))
        if self.lost.get(operation, 0) > 0:
            self.lost[operation] -= 1
            raise ConnectionClosedError(endpoint_url=request.url)
        return answer

    def CreateTrainingJob(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        name = request["TrainingJobName"]
        if name in self.jobs:
            return refusal("ResourceInUse", "Training job names must be unique")
        self.created += 1
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}"
        self.jobs[name] = {**request, "TrainingJobArn": arn, "TrainingJobStatus": "InProgress"}
        return http(200, {"TrainingJobArn": arn})

    def DescribeTrainingJob(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        job = self.jobs.get(request["TrainingJobName"])
        if job is None:
            return refusal("ValidationException", "Requested resource not found.")
        if job["TrainingJobStatus"] == "Stopping":
            self.lasts -= 1
            if self.lasts < 0:
                job["TrainingJobStatus"] = "Stopped"
        return http(200, job)

    def StopTrainingJob(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        job = self.jobs.get(request["TrainingJobName"])
        if job is None:
            return refusal("ValidationException", "Requested resource not found.")
        if job["TrainingJobStatus"] != "InProgress":
            status = job["TrainingJobStatus"]
            text = f"The request was rejected because the training job is in status {status}."
            return refusal("ValidationException", text)
        job["TrainingJobStatus"] = "Stopping"
        return http(200, {})

    def DeleteTrainingJob(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        job = self.jobs.get(request["TrainingJobName"])
        if job is None:
            return refusal("ResourceNotFound", "Requested resource not found.")
        if job["TrainingJobStatus"] in ("InProgress", "Stopping"):
            return refusal("ResourceInUse", "in use")
        del self.jobs[request["TrainingJobName"]]
        return http(200, {})

    def CreateTransformJob(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        name = request["TransformJobName"]
        if name in self.transforms:
            return refusal("ResourceInUse", "Job name must be unique")
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:transform-job/{name}"
        told = {"TransformJobArn": arn, "TransformJobStatus": "InProgress", "CreationTime": 1}
        self.transforms[name] = {**request, **told}
        return http(200, {"TransformJobArn": arn})

    def DescribeTransformJob(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        job = self.transforms.get(request["TransformJobName"])
        if job is None:
            return refusal("ResourceNotFound", "Requested resource not found.")
        if job["TransformJobStatus"] == "Stopping":
            job["TransformJobStatus"] = "Stopped"
        return http(200, job)

    def StopTransformJob(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        job = self.transforms[request["TransformJobName"]]
        if job["TransformJobStatus"] != "InProgress":
            return refusal("ValidationException", "The transform job has ended.")
        job["TransformJobStatus"] = "Stopping"
        return http(200, {})

    def transforming(self) -> list[str]:
        """The names of transform jobs that have not ended."""
        return [
            name
            for name, job in self.transforms.items()
            if job["TransformJobStatus"] in ("InProgress", "Stopping")
        ]

    def finish_transforms(self, status: str = "Completed", **more: Any) -> None:
        """End all transform jobs, each of which leaves a log, and an object if it completes."""
        logs = client("logs")
        if not logs.describe_log_groups(logGroupNamePrefix=TRANSFORM_LOGS)["logGroups"]:
            logs.create_log_group(logGroupName=TRANSFORM_LOGS)
        for name in self.transforming():
            self.transforms[name].update(TransformJobStatus=status, **more)
            if f"{name}/i-1" not in traces():
                logs.create_log_stream(logGroupName=TRANSFORM_LOGS, logStreamName=f"{name}/i-1")
            place = self.transforms[name]["TransformOutput"]["S3OutputPath"]
            if status == "Completed":
                key = f"{place.removeprefix('s3://movies/')}/part-00000.jsonl.out"
                client("s3").put_object(Bucket="movies", Key=key, Body=b"{}")

    def finish(self, name: str, status: str = "Completed", **more: Any) -> None:
        self.jobs[name].update(
            TrainingJobStatus=status,
            ModelArtifacts={"S3ModelArtifacts": f"s3://movies/out/{name}/output/model.tar.gz"},
            FinalMetricDataList=[
                {"MetricName": "train:mean_squared_error", "Value": 0.8, "Timestamp": 1.0},
                {
                    "MetricName": "validation:mean_squared_error",
                    "Value": 0.8776999711990356,
                    "Timestamp": 1.0,
                },
            ],
            **more,
        )


def refusal(code: str, message: str, status: int = 400) -> Answer:
    return http(status, {"__type": code, "message": message})


def throttled() -> Answer:
    return refusal("ThrottlingException", "Rate exceeded")


def denied() -> Answer:
    return refusal("AccessDeniedException", "User: x is not authorized to perform: y")


def broken() -> Answer:
    return http(502, {"message": "Bad Gateway"})


def unreachable() -> Answer:
    raise ConnectionClosedError(endpoint_url="https://aws.test")


@pytest.fixture(scope="module")
def others() -> Iterator[None]:
    """S3 and CloudWatch Logs are moto's; SageMaker is ours, and moto must leave it alone."""
    with mock_aws():
        client("sagemaker").meta.events.unregister("before-send", botocore_stubber)
        yield


@pytest.fixture
def sagemaker(others: None) -> Iterator[SageMaker]:
    service = SageMaker()
    events = client("sagemaker").meta.events
    events.register("before-send.sagemaker", service.send)
    client("s3").create_bucket(Bucket="movies")
    yield service
    events.unregister("before-send.sagemaker", service.send)
    s3, logs = client("s3"), client("logs")
    if s3.list_buckets()["Buckets"]:
        for one in s3.list_objects_v2(Bucket="movies").get("Contents", []):
            s3.delete_object(Bucket="movies", Key=one["Key"])
        s3.delete_bucket(Bucket="movies")
    for group in logs.describe_log_groups()["logGroups"]:
        logs.delete_log_group(logGroupName=group["logGroupName"])


class Framework:
    """CDK's Provider: calls on_event once, then is_complete until it is complete or raises."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.data: dict[str, str] = {}
        self.polls = 0

    def request(
        self, kind: str, properties: dict[str, Any], resource_type: str = resource.START
    ) -> dict[str, Any]:
        event: dict[str, Any] = {
            "RequestType": kind,
            "ResponseURL": "https://signed.example/?secret",
            "StackId": STACK,
            "RequestId": "1",
            "ResourceType": resource_type,
            "LogicalResourceId": "RatingTraining",
            "ResourceProperties": properties,
        }
        if kind != "Create":
            event["PhysicalResourceId"] = self.id
        return event

    def run(
        self,
        kind: str,
        properties: dict[str, Any],
        resource_type: str = resource.START,
        between: Callable[[int], None] = lambda _: None,
    ) -> dict[str, Any]:
        event = self.request(kind, properties, resource_type)
        # the event passes through Step Functions as JSON
        event = json.loads(json.dumps(event | handler.on_event(event, None)))
        self.id = event["PhysicalResourceId"]  # also what FAILED would tell CloudFormation
        for self.polls in range(1, 51):
            answer = json.loads(json.dumps(handler.is_complete(event, None)))
            if answer["IsComplete"]:
                self.data = event.get("Data", {}) | answer.get("Data", {})
                return self.data
            assert "Data" not in answer, "the framework refuses Data from an incomplete answer"
            between(self.polls)
        raise AssertionError("never complete")


@pytest.fixture
def stack(sagemaker: SageMaker) -> Framework:
    return Framework()


def leave_traces(name: str) -> None:
    """What a training leaves outside the job: log streams, a model."""
    logs = client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=LOGS)["logGroups"]:
        logs.create_log_group(logGroupName=LOGS)
    logs.create_log_stream(logGroupName=LOGS, logStreamName=f"{name}/algo-1-1")
    s3 = client("s3")
    s3.put_object(Bucket="movies", Key=f"out/{name}/output/model.tar.gz", Body=b"model")


def traces() -> list[str]:
    """Keys in the bucket and log streams, as moto has them: asked for thousands of times."""
    account, region = "123456789012", "us-east-1"
    bucket = s3_backends[account]["aws"].buckets.get("movies")
    groups = [logs_backends[account][region].groups.get(name) for name in (LOGS, TRANSFORM_LOGS)]
    streams = [name for group in groups if group for name in sorted(group.streams)]
    return [*sorted(bucket.keys if bucket else ()), *streams]


class TestName:
    def test_name_contains_the_digest_of_the_properties(self) -> None:
        assert name_of("TrainingJob", PROPERTIES) == NAME

    def test_name_ignores_order_and_scalar_types(self) -> None:
        request = dict(reversed(REQUEST.items()))
        request["EnableNetworkIsolation"] = True
        request["ResourceConfig"] = REQUEST["ResourceConfig"] | {"InstanceCount": 1}
        assert name_of("TrainingJob", PROPERTIES | {"Request": request}) == NAME

    @pytest.mark.parametrize(
        "change",
        [
            {"Inputs": "abd"},
            {"Request": REQUEST | {"HyperParameters": {"epochs": "21"}}},
            {"NamePrefix": "recommender-other"},
        ],
    )
    def test_name_changes_with_any_property(self, change: dict[str, Any]) -> None:
        assert name_of("TrainingJob", PROPERTIES | change) != NAME


class TestCreate:
    def test_create_starts_the_job_and_returns_at_once(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        assert stack.run("Create", PROPERTIES) == {"Name": NAME, "Arn": ARN}
        assert (stack.id, stack.polls) == (ARN, 1)
        made = sagemaker.jobs[NAME]
        assert made["ResourceConfig"] == {
            "InstanceCount": 1,
            "InstanceType": "ml.m5.xlarge",
            "VolumeSizeInGB": 30,
        }
        assert made["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
        assert made["EnableNetworkIsolation"] is True
        # these are strings in the API too
        assert made["HyperParameters"] == {"epochs": "20", "tied_token_embedding_weight": "False"}

    def test_on_event_makes_no_calls(self, sagemaker: SageMaker, stack: Framework) -> None:
        for kind in ("Create", "Update", "Delete"):
            stack.id = ARN
            handler.on_event(stack.request(kind, PROPERTIES), None)
        assert sagemaker.calls == []

    @pytest.mark.parametrize("status", ["InProgress", "Completed"])
    def test_create_finds_an_existing_job(
        self, sagemaker: SageMaker, stack: Framework, status: str
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME, status)
        again = Framework()
        assert again.run("Create", PROPERTIES) == {"Name": NAME, "Arn": ARN}
        assert sagemaker.created == 1

    @pytest.mark.parametrize("status", ["Failed", "Stopped"])
    def test_create_replaces_a_failed_job(
        self, sagemaker: SageMaker, stack: Framework, status: str
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME, status)
        leave_traces(NAME)
        assert Framework().run("Create", PROPERTIES) == {"Name": NAME, "Arn": ARN}
        assert sagemaker.created == 2
        assert sagemaker.jobs[NAME]["TrainingJobStatus"] == "InProgress"
        assert traces() == []

    def test_create_waits_for_a_stopping_job_and_replaces_it(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.jobs[NAME]["TrainingJobStatus"] = "Stopping"
        sagemaker.lasts = 3
        Framework().run("Create", PROPERTIES)
        assert sagemaker.created == 2

    def test_concurrent_creates_start_one_job(self, sagemaker: SageMaker, stack: Framework) -> None:
        """Another call makes the job between our looking and our creating."""
        other = Framework()

        def race() -> Answer:
            other.run("Create", PROPERTIES)
            return refusal("ResourceInUse", "Training job names must be unique")

        sagemaker.faults["CreateTrainingJob"] = [race]
        assert stack.run("Create", PROPERTIES) == other.data == {"Name": NAME, "Arn": ARN}
        assert sagemaker.created == 1

    def test_new_role_is_retried(self, sagemaker: SageMaker, stack: Framework) -> None:
        text = f"Could not assume role {ROLE}. Please ensure that the role exists"
        sagemaker.faults["CreateTrainingJob"] = [lambda: refusal("ValidationException", text)] * 2
        stack.run("Create", PROPERTIES)
        assert (sagemaker.created, stack.polls) == (1, 3)

    def test_new_role_is_not_retried_forever(
        self, sagemaker: SageMaker, stack: Framework, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = f"Could not assume role {ROLE}"
        sagemaker.faults["CreateTrainingJob"] = [lambda: refusal("ValidationException", text)] * 9
        monkeypatch.setattr("common.custom_resource.SETTLING", 0)
        with pytest.raises(TrainedResourceError, match="Could not assume role"):
            stack.run("Create", PROPERTIES)

    def test_quota_error_is_reported(self, sagemaker: SageMaker, stack: Framework) -> None:
        text = "The account-level service limit 'ml.p3 for training job usage' is 0 Instances"
        sagemaker.faults["CreateTrainingJob"] = [lambda: refusal("ResourceLimitExceeded", text)]
        with pytest.raises(TrainedResourceError, match=re.escape(text)):
            stack.run("Create", PROPERTIES)

    @pytest.mark.parametrize(
        "quota",
        ["ml.m5.xlarge for training job usage", "Number of instances across all training jobs"],
    )
    def test_quota_that_other_jobs_use_up_is_waited_for(
        self, sagemaker: SageMaker, stack: Framework, quota: str
    ) -> None:
        sagemaker.faults["CreateTrainingJob"] = [lambda: used_up(quota, 2, 2)] * 3
        stack.run("Create", PROPERTIES)
        assert sagemaker.created == 1
        assert sagemaker.calls.count("CreateTrainingJob") == 4

    def test_quota_of_zero_fails_at_once_and_says_what_to_ask_for(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        quota = "ml.m5.xlarge for training job usage"
        sagemaker.faults["CreateTrainingJob"] = [lambda: used_up(quota, 0, 0)]
        with pytest.raises(TrainedResourceError, match="request-service-quota-increase") as error:
            stack.run("Create", PROPERTIES)
        assert f"The account's quota '{quota}' is 0, and no job uses it" in str(error.value)
        assert f"Quotas[?QuotaName=='{quota}'].QuotaCode" in str(error.value)
        assert sagemaker.calls.count("CreateTrainingJob") == 1


def used_up(quota: str, limit: int, used: int) -> Answer:
    """SageMaker's refusal of one more instance."""
    return refusal(
        "ResourceLimitExceeded",
        f"The account-level service limit '{quota}' is {limit} Instances, with current "
        f"utilization of {used} Instances and a request delta of 1 Instances. Please use AWS "
        "Service Quotas to request an increase for this quota.",
    )


class TestUpdate:
    CHANGED: dict[str, Any] = PROPERTIES | {
        "Request": REQUEST | {"HyperParameters": {"epochs": "2"}}
    }

    def test_update_with_a_change_creates_a_new_job(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        stack.run("Update", self.CHANGED)
        assert stack.id != ARN
        assert len(sagemaker.jobs) == 2

    def test_update_without_a_change_keeps_the_id(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        stack.run("Create", PROPERTIES)
        stack.run("Update", PROPERTIES)
        assert stack.id == ARN
        assert sagemaker.created == 1

    def test_rollback_finds_the_old_job_and_deletes_the_new_one(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        stack.run("Update", self.CHANGED)
        new = stack.id
        stack.run("Update", PROPERTIES)  # CloudFormation swaps old and new
        assert stack.id == ARN
        stack.id = new
        stack.run("Delete", self.CHANGED)
        assert list(sagemaker.jobs) == [NAME]
        assert sagemaker.created == 2


class TestDelete:
    def test_delete_of_a_finished_job_leaves_nothing(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        leave_traces(NAME)
        stack.run("Delete", PROPERTIES)
        assert (sagemaker.jobs, traces(), stack.polls) == ({}, [], 1)

    def test_delete_of_a_running_job_stops_it_first(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.lasts = 3
        leave_traces(NAME)
        stack.run("Delete", PROPERTIES)
        assert (sagemaker.jobs, traces()) == ({}, [])
        assert sagemaker.calls.count("StopTrainingJob") == 1

    def test_delete_keeps_other_jobs_files(self, sagemaker: SageMaker, stack: Framework) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        leave_traces(NAME)
        leave_traces(NAME + "0")
        stack.run("Delete", PROPERTIES)
        assert traces() == [f"out/{NAME}0/output/model.tar.gz", f"{NAME}0/algo-1-1"]

    def test_delete_of_many_files_takes_several_calls(
        self, sagemaker: SageMaker, stack: Framework, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        leave_traces(NAME)
        monkeypatch.setattr(kinds, "_STREAMS", 2)
        logs = client("logs")
        for number in range(5):
            logs.create_log_stream(logGroupName=LOGS, logStreamName=f"{NAME}/algo-1-x{number}")
        stack.run("Delete", PROPERTIES)
        assert (sagemaker.jobs, traces(), stack.polls) == ({}, [], 3)

    def test_delete_of_a_missing_job_succeeds(self, sagemaker: SageMaker, stack: Framework) -> None:
        stack.id = ARN
        stack.run("Delete", PROPERTIES)
        stack.run("Delete", PROPERTIES)
        assert stack.polls == 1

    def test_delete_without_job_and_bucket_succeeds(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        client("s3").delete_bucket(Bucket="movies")
        stack.id = ARN
        stack.run("Delete", PROPERTIES)

    def test_delete_of_a_missing_job_cleans_up(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        leave_traces(NAME)
        stack.id = ARN
        stack.run("Delete", PROPERTIES)
        assert traces() == []

    @pytest.mark.parametrize(
        "properties", [{}, {"Kind": "Gone"}, PROPERTIES | {"Request": "x", "NamePrefix": ["y"]}]
    )
    def test_delete_needs_no_properties(
        self, sagemaker: SageMaker, stack: Framework, properties: dict[str, Any]
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        leave_traces(NAME)
        stack.run("Delete", properties)
        assert (sagemaker.jobs, traces()) == ({}, [])

    def test_delete_with_an_unknown_id_uses_the_properties(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        """The answer to Create was lost, so CloudFormation made an id up."""
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        stack.id = "recommender-Object2Vec-RatingTraining-1ABCDEF"
        stack.run("Delete", PROPERTIES)
        assert sagemaker.jobs == {}

    def test_delete_with_unknown_id_and_properties_succeeds(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        stack.id = "unknown"
        stack.run("Delete", {"Kind": "Unknown"})
        assert sagemaker.calls == []

    def test_delete_of_a_job_that_ends_meanwhile_succeeds(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        def ends() -> Answer:
            sagemaker.finish(NAME)
            return sagemaker.StopTrainingJob({"TrainingJobName": NAME})

        stack.run("Create", PROPERTIES)
        sagemaker.faults["StopTrainingJob"] = [ends]
        stack.run("Delete", PROPERTIES)
        assert sagemaker.jobs == {}


def created(sagemaker: SageMaker, stack: Framework) -> None:
    stack.run("Create", PROPERTIES)


def created_anew(sagemaker: SageMaker, stack: Framework) -> None:
    stack.run("Create", PROPERTIES)
    sagemaker.finish(NAME, "Failed")
    leave_traces(NAME)
    stack.run("Create", PROPERTIES)


def deleted(sagemaker: SageMaker, stack: Framework) -> None:
    if NAME not in sagemaker.jobs:
        stack.id = ARN
    if not traces():
        leave_traces(NAME)
    stack.run("Delete", PROPERTIES)


OPERATIONS = ["CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "DeleteTrainingJob"]
FAULTS = [throttled, broken, unreachable]


class TestFaults:
    """Each request succeeds, or fails with a message and succeeds when repeated."""

    def life(self, sagemaker: SageMaker, stack: Framework) -> None:
        """Create, fail, create again, delete while running."""
        created_anew(sagemaker, stack)
        deleted(sagemaker, stack)

    def test_lifecycle_makes_every_call(self, sagemaker: SageMaker, stack: Framework) -> None:
        self.life(sagemaker, stack)
        assert set(sagemaker.calls) == set(OPERATIONS)
        assert (sagemaker.created, sagemaker.jobs, traces()) == (2, {}, [])

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("operation", OPERATIONS)
    @pytest.mark.parametrize("times", [1, 7])
    def test_transient_fault_is_retried(
        self,
        sagemaker: SageMaker,
        stack: Framework,
        operation: str,
        fault: Callable[[], Answer],
        times: int,
    ) -> None:
        """More often than the client retries, so polling has to retry."""
        sagemaker.faults[operation] = [fault] * times
        self.life(sagemaker, stack)
        assert sagemaker.faults[operation] == []
        assert (sagemaker.created, sagemaker.jobs, traces()) == (2, {}, [])

    @pytest.mark.parametrize("operation", OPERATIONS)
    @pytest.mark.parametrize("times", [1, 3, 7])
    def test_lost_responses_are_tolerated(
        self, sagemaker: SageMaker, stack: Framework, operation: str, times: int
    ) -> None:
        sagemaker.lost[operation] = times
        self.life(sagemaker, stack)
        assert (sagemaker.created, sagemaker.jobs, traces()) == (2, {}, [])

    @pytest.mark.parametrize("operation", ["CreateTrainingJob", "DescribeTrainingJob"])
    def test_create_denied_while_iam_settles_is_retried(
        self, sagemaker: SageMaker, stack: Framework, operation: str
    ) -> None:
        sagemaker.faults[operation] = [denied] * 5
        stack.run("Create", PROPERTIES)
        assert sagemaker.created == 1

    def test_delete_denied_while_iam_settles_is_retried(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        sagemaker.faults["DeleteTrainingJob"] = [denied] * 5
        stack.run("Delete", PROPERTIES)
        assert (sagemaker.jobs, traces()) == ({}, [])

    @pytest.mark.parametrize("operation", ["CreateTrainingJob", "DescribeTrainingJob"])
    def test_denied_create_is_reported_and_deleted(
        self,
        sagemaker: SageMaker,
        stack: Framework,
        monkeypatch: pytest.MonkeyPatch,
        operation: str,
    ) -> None:
        monkeypatch.setattr("common.custom_resource.SETTLING", 0)
        sagemaker.faults[operation] = [denied]
        with pytest.raises(TrainedResourceError, match=r"RatingTraining: .*not authorized"):
            stack.run("Create", PROPERTIES)
        assert stack.id == ARN, "the framework must be able to forward the Delete"
        stack.run("Delete", PROPERTIES)
        assert (sagemaker.jobs, traces()) == ({}, [])

    @pytest.mark.parametrize(
        "operation", ["DescribeTrainingJob", "StopTrainingJob", "DeleteTrainingJob"]
    )
    def test_denied_delete_is_reported_and_repeatable(
        self,
        sagemaker: SageMaker,
        stack: Framework,
        monkeypatch: pytest.MonkeyPatch,
        operation: str,
    ) -> None:
        monkeypatch.setattr("common.custom_resource.SETTLING", 0)
        stack.run("Create", PROPERTIES)
        sagemaker.faults[operation] = [denied]
        with pytest.raises(TrainedResourceError, match="not authorized"):
            deleted(sagemaker, stack)
        deleted(sagemaker, stack)
        assert (sagemaker.jobs, traces()) == ({}, [])

    @pytest.mark.parametrize("crash", range(1, 9))
    def test_crash_at_any_call_of_a_delete_is_recoverable(
        self, sagemaker: SageMaker, stack: Framework, crash: int
    ) -> None:
        """The function is killed after its n-th call had its effect: a repeated Delete ends it."""
        stack.run("Create", PROPERTIES)
        leave_traces(NAME)
        self.crash_at(sagemaker, crash)
        with pytest.raises(Killed):
            deleted(sagemaker, stack)
        self.crash_at(sagemaker, None)
        deleted(sagemaker, stack)
        assert (sagemaker.jobs, traces()) == ({}, [])

    @pytest.mark.parametrize("crash", [1, 2])
    def test_crash_at_any_call_of_a_create_is_recoverable(
        self, sagemaker: SageMaker, stack: Framework, crash: int
    ) -> None:
        self.crash_at(sagemaker, crash)
        with pytest.raises(Killed):
            stack.run("Create", PROPERTIES)
        self.crash_at(sagemaker, None)
        assert stack.id == ARN
        deleted(sagemaker, stack)
        assert sagemaker.jobs == {}
        stack.run("Create", PROPERTIES)
        assert list(sagemaker.jobs) == [NAME]

    def crash_at(self, sagemaker: SageMaker, call: int | None) -> None:
        left = [call]

        def killed(**_: Any) -> None:
            if left[0] is not None:
                left[0] -= 1
                if left[0] == 0:
                    raise Killed

        for service in ("sagemaker", "s3", "logs"):
            events = client(service).meta.events
            events.unregister("after-call", unique_id="crash")
            if call is not None:
                events.register_last("after-call", killed, unique_id="crash")

    @pytest.mark.parametrize("kind", ["Create", "Delete"])
    def test_duplicate_events_create_one_job(
        self, sagemaker: SageMaker, stack: Framework, kind: str
    ) -> None:
        """Two executions of one request, interleaved step by step."""
        if kind == "Delete":
            stack.run("Create", PROPERTIES)
            leave_traces(NAME)
        event = stack.request(kind, PROPERTIES)
        first = event | handler.on_event(event, None)
        second = event | handler.on_event(event, None)
        assert first["PhysicalResourceId"] == second["PhysicalResourceId"] == ARN
        done = [False, False]
        for _ in range(20):
            for number, one in enumerate((first, second)):
                done[number] = done[number] or handler.is_complete(one, None)["IsComplete"]
        assert done == [True, True]
        assert sagemaker.created == 1
        if kind == "Delete":
            assert (sagemaker.jobs, traces()) == ({}, [])

    @pytest.mark.parametrize("service", ["s3", "logs"])
    def test_denied_clean_up_keeps_the_job(
        self,
        sagemaker: SageMaker,
        stack: Framework,
        monkeypatch: pytest.MonkeyPatch,
        service: str,
    ) -> None:
        monkeypatch.setattr("common.custom_resource.SETTLING", 0)
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        leave_traces(NAME)
        events = client(service).meta.events
        answers = [http(403, {"__type": "AccessDeniedException", "message": "not authorized"})]
        refuse = lambda **_: answers.pop() if answers else None  # noqa: E731
        events.register_first(f"before-send.{service}", refuse)
        with pytest.raises(TrainedResourceError):
            stack.run("Delete", PROPERTIES)
        assert NAME in sagemaker.jobs
        events.unregister(f"before-send.{service}", refuse)
        stack.run("Delete", PROPERTIES)
        assert (sagemaker.jobs, traces()) == ({}, [])


class Killed(BaseException):
    """The process ends here; no code may catch it."""


def wait(final: str = "true", seconds: str = "3000", **more: Any) -> dict[str, Any]:
    return {"Kind": "TrainingJob", "Arn": ARN, "Seconds": seconds, "Final": final} | more


class TestWait:
    @pytest.mark.parametrize("final", ["true", "false"])
    def test_waiter_polls_until_training_ends(
        self, sagemaker: SageMaker, stack: Framework, final: str
    ) -> None:
        stack.run("Create", PROPERTIES)

        def work(poll: int) -> None:
            if poll == 3:
                sagemaker.finish(NAME)

        waiter = Framework()
        data = waiter.run("Create", wait(final), resource.WAIT, work)
        assert waiter.polls == 4
        assert data == {
            "Name": NAME,
            "Arn": ARN,
            "Done": "true",
            "ModelDataUrl": f"s3://movies/out/{NAME}/output/model.tar.gz",
            "Metrics": '{"validation:mean_squared_error": 0.8777, "train:mean_squared_error": 0.8}',
            "Epochs": "20",
        }
        assert waiter.id == "recommender-Object2Vec-RatingTraining"

    @pytest.mark.parametrize("first", [0, 1])
    def test_waiter_tells_the_epoch_of_the_least_held_out_loss(
        self, sagemaker: SageMaker, stack: Framework, first: int
    ) -> None:
        """As logs have it: training losses between, the kept epoch repeated, two streams' names."""
        losses = [0.9, 0.8, 0.85, 0.81]
        lines = [
            f"#quality_metric: host=algo-1, epoch={first + k}, {part} mean_squared_error <loss>={x}"
            for k, loss in enumerate(losses)
            for part, x in (("train", 0.7 - k / 10), ("validation", loss))
        ]
        again = f"epoch={first + 1}, validation mean_squared_error <loss>=0.8"
        told = self.finished(sagemaker, stack, [*lines, f"#quality_metric: host=algo-1, {again}"])
        assert told["Epochs"] == "2"

    def test_waiter_without_held_out_data_tells_all_epochs(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        assert self.finished(sagemaker, stack, [], channels=("train",))["Epochs"] == "20"

    def test_log_without_held_out_loss_fails_only_a_waiter_that_needs_it(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        assert self.finished(sagemaker, stack, ["epoch=1"])["Epochs"] == ""
        with pytest.raises(TrainedResourceError, match="-c refit=false"):
            stack.run("Create", wait(Needs="Epochs"), resource_type=resource.WAIT)

    def finished(
        self,
        sagemaker: SageMaker,
        stack: Framework,
        log: list[str],
        channels: tuple[str, ...] = ("train", "validation"),
    ) -> dict[str, str]:
        """What a waiter tells of a job with this log."""
        stack.run("Create", PROPERTIES)
        given = [{"ChannelName": name} for name in channels]
        sagemaker.finish(NAME, InputDataConfig=given)
        logs = client("logs")
        leave_traces(NAME)
        stream = {"logGroupName": LOGS, "logStreamName": f"{NAME}/algo-2"}
        logs.create_log_stream(**stream)
        now = int(1000 * time.time())
        events = [{"timestamp": now, "message": line} for line in log]
        if events:
            logs.put_log_events(**stream, logEvents=events)
        return stack.run("Create", wait(), resource_type=resource.WAIT)

    def test_waiter_ends_before_its_timeout(self, sagemaker: SageMaker, stack: Framework) -> None:
        stack.run("Create", PROPERTIES)
        assert Framework().run("Create", wait("false", "0"), resource.WAIT) == {
            "Name": NAME,
            "Arn": ARN,
            "Done": "false",
            "ModelDataUrl": "",
            "Metrics": "{}",
            "Epochs": "20",
        }

    def test_last_waiter_fails_at_its_timeout(self, sagemaker: SageMaker, stack: Framework) -> None:
        stack.run("Create", PROPERTIES)
        with pytest.raises(TrainedResourceError, match=r"still InProgress.*Configure more waiters"):
            Framework().run("Create", wait("true", "0"), resource.WAIT)

    def test_waiter_time_starts_at_on_event(
        self, sagemaker: SageMaker, stack: Framework, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack.run("Create", PROPERTIES)
        now = [1000.0]
        monkeypatch.setattr(resource, "time", SimpleNamespace(time=lambda: now[0]))

        def pass_ten_seconds(_: int) -> None:
            now[0] += 10

        waiter = Framework()
        data = waiter.run("Create", wait("false", "45"), resource.WAIT, pass_ten_seconds)
        assert (data["Done"], waiter.polls) == ("false", 6)

    @pytest.mark.parametrize("status", ["Failed", "Stopped"])
    def test_waiter_reports_a_failed_job(
        self, sagemaker: SageMaker, stack: Framework, status: str
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME, status, FailureReason="ClientError: epochs must be at most 100")
        with pytest.raises(TrainedResourceError) as caught:
            Framework().run("Create", wait("false"), resource.WAIT)
        assert str(caught.value) == (
            f"RatingTraining: TrainingJob {NAME} ended as {status}: "
            "ClientError: epochs must be at most 100 (log stream unknown)"
        )

    def test_waiter_reports_a_deleted_job(self, sagemaker: SageMaker, stack: Framework) -> None:
        with pytest.raises(TrainedResourceError, match="was deleted while the stack waited"):
            stack.run("Create", wait(), resource.WAIT)

    @pytest.mark.parametrize("fault", FAULTS)
    def test_waiter_retries_transient_faults(
        self, sagemaker: SageMaker, stack: Framework, fault: Callable[[], Answer]
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        sagemaker.faults["DescribeTrainingJob"] = [fault] * 7
        assert Framework().run("Create", wait(), resource.WAIT)["Done"] == "true"

    def test_waiter_delete_does_nothing(self, sagemaker: SageMaker, stack: Framework) -> None:
        stack.id = "recommender-Object2Vec-RatingTraining"
        stack.run("Delete", {}, resource.WAIT)
        assert sagemaker.calls == []

    def test_response_fits_cloudformations_limit(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME)
        sagemaker.jobs[NAME]["FinalMetricDataList"] += [
            {"MetricName": f"train:{'m' * 200}{n}", "Value": 1.0, "Timestamp": 1.0}
            for n in range(40)
        ]
        data = Framework().run("Create", wait(), resource.WAIT)
        assert len(json.dumps(data)) < 2500
        assert json.loads(data["Metrics"])["validation:mean_squared_error"] == 0.8777

    def test_reason_fits_cloudformations_limit(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        stack.run("Create", PROPERTIES)
        sagemaker.finish(NAME, "Failed", FailureReason="ü" * 1024)
        with pytest.raises(TrainedResourceError) as caught:
            Framework().run("Create", wait(), resource.WAIT)
        assert len(str(caught.value).encode()) < 1600


class TestBadProperties:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (
                {"Kind": "Oven"},
                "Kind must be one of TrainingJob, TransformJob, DatasetImportJob, Solution",
            ),
            ({"Kind": None}, "not None"),
            ({"NamePrefix": None}, "NamePrefix must be a string"),
            ({"NamePrefix": "x" * 60}, "at most 63 characters"),
            ({"NamePrefix": "under_score"}, "it must match"),
            ({"Request": "text"}, "Request must contain the create call's parameters"),
            ({"Request": {}}, 'Missing required parameter in input: "RoleArn"'),
            ({"Request": REQUEST | {"Spot": "true"}}, "Request.Spot is unknown; known are Traini"),
            ({"Request": REQUEST | {"TrainingJobName": "x"}}, "TrainingJobName must be omitted"),
            (
                {"Request": REQUEST | {"EnableNetworkIsolation": "yes"}},
                "Request.EnableNetworkIsolation must be a boolean, not 'yes'",
            ),
            (
                {"Request": REQUEST | {"ResourceConfig": {"InstanceCount": "one"}}},
                "Request.ResourceConfig.InstanceCount must be a integer, not 'one'",
            ),
            (
                {"Request": REQUEST | {"InputDataConfig": {"ChannelName": "train"}}},
                "Request.InputDataConfig must be a list",
            ),
            (
                {"Request": REQUEST | {"InputDataConfig": ["train"]}},
                "Request.InputDataConfig[0] must be an object",
            ),
            ({"Request": REQUEST | {"HyperParameters": "x"}}, "HyperParameters must be an object"),
            ({"Request": REQUEST | {"RoleArn": ["x"]}}, "RoleArn must be a string, not a list"),
        ],
    )
    def test_invalid_properties_are_reported_before_creation(
        self, sagemaker: SageMaker, stack: Framework, change: dict[str, Any], told: str
    ) -> None:
        event = stack.request("Create", PROPERTIES | change)
        with pytest.raises(TrainedResourceError) as caught:
            handler.on_event(event, None)
        assert told in str(caught.value)
        assert str(caught.value).startswith("RatingTraining: ")
        assert sagemaker.calls == []

    def test_invalid_properties_are_all_reported(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        request = REQUEST | {"EnableNetworkIsolation": "yes", "Spot": "x", "HyperParameters": "y"}
        with pytest.raises(TrainedResourceError) as caught:
            handler.on_event(stack.request("Create", PROPERTIES | {"Request": request}), None)
        for told in ("EnableNetworkIsolation", "Spot", "HyperParameters must"):
            assert told in str(caught.value)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"Kind": "Oven"}, "Kind must be TrainingJob, as Arn says, not 'Oven'"),
            ({"Arn": "arn:aws:s3:::x"}, "Arn must be that of a trained resource"),
            ({"Arn": None}, "Arn must be that of a trained resource, not None"),
            ({"Seconds": "3001"}, "Seconds must be a whole number up to 3000, not '3001'"),
            ({"Seconds": "-1"}, "not '-1'"),
            ({"Seconds": "soon"}, "not 'soon'"),
            ({"Final": "True"}, 'Final must be "true" or "false", not \'True\''),
        ],
    )
    def test_invalid_waiter_properties_are_reported(
        self, sagemaker: SageMaker, stack: Framework, change: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(TrainedResourceError) as caught:
            handler.on_event(stack.request("Create", wait(**change), resource.WAIT), None)
        assert told in str(caught.value)

    def test_unknown_resource_type_is_reported(
        self, sagemaker: SageMaker, stack: Framework
    ) -> None:
        with pytest.raises(TrainedResourceError, match="Custom::Oven is unknown"):
            handler.on_event(stack.request("Create", PROPERTIES, "Custom::Oven"), None)


def test_signed_url_is_not_logged(
    sagemaker: SageMaker, stack: Framework, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "trained_resource")
    stack.run("Create", PROPERTIES)
    sagemaker.finish(NAME, "Failed")
    with pytest.raises(TrainedResourceError):
        Framework().run("Create", wait(), resource.WAIT)
    stack.run("Delete", PROPERTIES)
    said = str([vars(record) for record in caplog.records])
    assert NAME in said
    assert "signed.example" not in said
