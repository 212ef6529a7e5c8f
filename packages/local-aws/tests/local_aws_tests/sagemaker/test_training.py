"""Training jobs: what a container sees, what SageMaker reports, and what it refuses."""

import io
import json
import tarfile
import time
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.reliability import Tally

LOG_GROUP = "/aws/sagemaker/TrainingJobs"


def lines(aws: Any, job: str) -> list[str]:
    streams = aws.logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job}/")
    [stream] = streams["logStreams"]
    assert stream["logStreamName"].startswith(f"{job}/algo-1-")
    events = aws.logs.get_log_events(
        logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"], startFromHead=True
    )
    return [event["message"] for event in events["events"]]


def refusal(aws: Any, name: str, **changes: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        aws.train(name, **changes)
    found = error.value.response["Error"]
    return found["Code"], found["Message"]


def channel(**changes: Any) -> list[dict[str, Any]]:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/input/train"}
    source.update(changes.pop("source", {}))
    return [{"ChannelName": "train", "DataSource": {"S3DataSource": source}, **changes}]


def test_a_job_trains_and_leaves_its_artifact(aws: Any) -> None:
    job = aws.trained("complete", HyperParameters={"answer": "42", "losses": "[1.5, 0.9078]"})

    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed"
    uri = "s3://data-bucket/output/complete/output/model.tar.gz"
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": uri}
    body = aws.s3.get_object(Bucket="data-bucket", Key="output/complete/output/model.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(body["Body"].read())) as tar:
        assert tar.getnames() == ["model.json"]
        assert json.load(tar.extractfile("model.json")) == {"answer": "42"}  # type: ignore[arg-type]
    [metric] = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("validation:mean_squared_error", 0.9078)
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    ends = [each["EndTime"] for each in job["SecondaryStatusTransitions"]]
    assert ends == sorted(ends)
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1
    assert job["HyperParameters"]["answer"] == "42"


def test_description_of_a_job_has_what_sagemaker_fills_in(aws: Any) -> None:
    """As recorded answers have it; SDK v2's Estimator.attach reads KmsKeyId at once."""
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/input/train"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    job = aws.trained("filled-in", InputDataConfig=[channel])
    assert job["OutputDataConfig"] == {
        "KmsKeyId": "",
        "S3OutputPath": "s3://data-bucket/output",
        "CompressionType": "GZIP",
    }
    assert job["InputDataConfig"] == [
        {
            "ChannelName": "train",
            "DataSource": {"S3DataSource": {**source, "S3DataDistributionType": "FullyReplicated"}},
            "CompressionType": "None",
            "RecordWrapperType": "None",
        }
    ]
    told = aws.trained("not-filled-in", OutputDataConfig={"S3OutputPath": "s3://data-bucket/o"})
    assert told["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3DataDistributionType"] == (
        "ShardedByS3Key"
    )


def test_channel_of_a_manifest_has_the_files_that_it_lists(aws: Any, tally: Tally) -> None:
    def put(manifest: Any) -> None:
        body = json.dumps(manifest).encode()
        aws.s3.put_object(Bucket="data-bucket", Key="lists/train.manifest", Body=body)

    source = {"S3DataType": "ManifestFile", "S3Uri": "s3://data-bucket/lists/train.manifest"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    put([{"prefix": "s3://data-bucket/input/train/"}, "deep/b.jsonl"])
    assert aws.trained("manifest", InputDataConfig=[channel])["TrainingJobStatus"] == "Completed"
    events = aws.logs.filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="manifest/"
    )["events"]
    [files] = [event["message"] for event in events if event["message"].startswith("files ")]
    assert "input/data/train/deep/b.jsonl" in files
    assert "a.jsonl" not in files
    prefix = {"prefix": "s3://data-bucket/"}
    wrongs: list[Any] = [{}, [], ["a"], [{"prefix": 1}], [prefix, 2], [prefix, "a", []]]
    wrongs += [[prefix, "a", {}], [{**prefix, "more": [[]]}, "a"], [prefix, "a"] * 2]
    must = "must be"
    bounds: list[tuple[Any, str]] = [
        ([prefix, *["a"] * 100_001], "has more than 100000 names"),
        ([prefix, "a", "b" * 1020], "names an S3 URI of 1037 characters; 1024 are allowed"),
        ([{"prefix": "films/"}, "a"], "must be s3://bucket/folder/"),
        ([prefix, "a" * (16 << 20)], "is larger than 16777216 bytes"),
    ]
    for wrong, words in (*((one, must) for one in wrongs), *bounds):
        put(wrong)
        code, message = refusal(aws, "manifest-2", InputDataConfig=[channel])
        assert code == "ValidationException"
        assert "the manifest s3://data-bucket/lists/train.manifest" in message or "films" in message
        assert words in message
        tally("inputs tried", "manifests of a channel")
    put([prefix, 'Wörter "\\n/'])
    told = aws.trained("manifest-3", InputDataConfig=[channel])["FailureReason"]
    assert 's3://data-bucket/Wörter "\\n/' in told


def test_every_value_of_a_metric_is_in_cloudwatch(aws: Any) -> None:
    job = aws.trained("series", HyperParameters={"losses": "[1.5, 0.75, 1.0]"})
    assert [metric["Value"] for metric in job["FinalMetricDataList"]] == [1.0]
    [found] = aws.client("cloudwatch").get_metric_statistics(
        Namespace=LOG_GROUP,
        MetricName="validation:mean_squared_error",
        Dimensions=[{"Name": "Host", "Value": "series/algo-1"}],
        StartTime=job["CreationTime"] - timedelta(hours=1),
        EndTime=job["TrainingEndTime"] + timedelta(hours=1),
        Period=86_400,
        Statistics=["SampleCount", "Minimum", "Maximum"],
    )["Datapoints"]
    assert (found["SampleCount"], found["Minimum"], found["Maximum"]) == (3, 0.75, 1.5)


def test_the_container_gets_what_sagemaker_promises(aws: Any) -> None:
    aws.trained("contract", Environment={"COLOUR": "blue"}, EnableNetworkIsolation=True)
    said = dict(line.split(" ", 1) for line in lines(aws, "contract"))

    assert said["files"] == str(
        [
            "input/config/hyperparameters.json",
            "input/config/inputdataconfig.json",
            "input/config/resourceconfig.json",
            "input/data/train/a.jsonl",
            "input/data/train/deep/b.jsonl",
            "input/data/validation/v.jsonl",
        ]
    )
    assert json.loads(said["channels"])["train"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "ShardedByS3Key",
        "RecordWrapperType": "None",
        "ContentType": "application/jsonlines",
    }
    variables = json.loads(said["environment"])
    assert {"COLOUR", "TRAINING_JOB_NAME", "OMP_NUM_THREADS", "NPROC"} <= set(variables)
    # no credentials reach an isolated container; the endpoint is one where nothing listens
    assert {name for name in variables if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_SHARED_CREDENTIALS_FILE",
    }


def test_the_same_training_gives_the_same_bytes(aws: Any) -> None:
    for name in ("twin-1", "twin-2"):
        aws.trained(name)
    one, two = (
        aws.s3.get_object(Bucket="data-bucket", Key=f"output/{name}/output/model.tar.gz")
        for name in ("twin-1", "twin-2")
    )
    assert one["Body"].read() == two["Body"].read()


def test_a_failure_file_is_the_reason(aws: Any) -> None:
    text = "ClientError: hyperparameter enc_dim: 3 is below 4"
    job = aws.trained("user-fault", HyperParameters={"failure": text, "status": "1"})
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == text
    assert "ModelArtifacts" not in job

    job = aws.trained("own-fault", HyperParameters={"failure": "a bug", "status": "7"})
    assert job["FailureReason"] == "AlgorithmError: a bug, exit code: 7"


def test_a_killed_process_is_reported_as_out_of_memory(aws: Any) -> None:
    job = aws.trained("killed", HyperParameters={"kill": "yes"})
    assert job["FailureReason"].startswith("AlgorithmError: Please use an instance type with more")
    assert job["FailureReason"].endswith("exit code: 137")


def test_a_stopped_job_keeps_its_model(aws: Any) -> None:
    aws.train("stopped", HyperParameters={"seconds": "60"})
    wait_for(aws, "stopped", "Training")
    wait_until(lambda: any("quality_metric" in line for line in lines(aws, "stopped")))
    aws.sagemaker.stop_training_job(TrainingJobName="stopped")
    job = aws.ended("stopped")

    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert "Stopping" in [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert "ModelArtifacts" in job
    assert "asked to stop" in lines(aws, "stopped")
    with pytest.raises(ClientError, match="the training job is in status Stopped"):
        aws.sagemaker.stop_training_job(TrainingJobName="stopped")


def test_a_job_over_its_time_is_stopped(aws: Any) -> None:
    job = aws.trained(
        "slow",
        HyperParameters={"seconds": "60"},
        StoppingCondition={"MaxRuntimeInSeconds": 1},
    )
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_two_jobs_run_side_by_side(aws: Any) -> None:
    for name in ("side-1", "side-2"):
        aws.train(name, HyperParameters={"seconds": "2"})
    for name in ("side-1", "side-2"):
        wait_for(aws, name, "Training")
    jobs = [aws.ended(name) for name in ("side-1", "side-2")]
    spans = [(job["TrainingStartTime"], job["TrainingEndTime"]) for job in jobs]
    assert max(start for start, _ in spans) < min(end for _, end in spans)


def test_names_are_unique_and_free_again_after_deletion(aws: Any) -> None:
    aws.train("again", HyperParameters={"seconds": "60"})
    code, text = refusal(aws, "again")
    assert code == "ResourceInUse"
    assert "a training job with this name already exists (arn:aws:sagemaker:us-east-1" in text
    with pytest.raises(ClientError, match="InProgress") as error:
        aws.sagemaker.delete_training_job(TrainingJobName="again")
    assert error.value.response["Error"]["Code"] == "ResourceInUse"

    wait_for(aws, "again", "Training")
    aws.sagemaker.stop_training_job(TrainingJobName="again")
    aws.ended("again")
    aws.sagemaker.delete_training_job(TrainingJobName="again")
    with pytest.raises(ClientError, match="Requested resource not found") as error:
        aws.sagemaker.describe_training_job(TrainingJobName="again")
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert aws.trained("again")["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        (
            {"RoleArn": "arn:aws:iam::123456789012:role/missing"},
            "ValidationException",
            "Could not assume role arn:aws:iam::123456789012:role/missing",
        ),
        (
            {"RoleArn": "arn:aws:iam::123456789012:role/lambda"},
            "ValidationException",
            "allows principal 'sagemaker.amazonaws.com' to assume the role",
        ),
        (
            {"InputDataConfig": channel(source={"S3Uri": "s3://data-bucket/nothing"})},
            "ValidationException",
            'No S3 objects found under S3 URL "s3://data-bucket/nothing"',
        ),
        (
            {"InputDataConfig": channel(source={"S3Uri": "s3://no-such-bucket/x"})},
            "ValidationException",
            "The specified bucket does not exist",
        ),
        (
            {"InputDataConfig": channel(source={"S3Uri": "elsewhere"})},
            "ValidationException",
            "s3DataSource.s3Uri",
        ),
        ({"InputDataConfig": channel() * 2}, "ValidationException", "Duplicate channel name"),
        (
            {"InputDataConfig": [{**channel()[0], "ChannelName": ".."}]},
            "ValidationException",
            "Invalid channel name in InputDataConfig: '..' is not a path inside its folder",
        ),
        (
            {"InputDataConfig": channel(source={"S3DataType": "AugmentedManifestFile"})},
            "NotImplementedByLocalAws",
            "AugmentedManifestFile",
        ),
        (
            {"InputDataConfig": channel(InputMode="Pipe")},
            "NotImplementedByLocalAws",
            "TrainingInputMode Pipe",
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.huge", "VolumeSizeInGB": 1}},
            "ValidationException",
            "'resourceConfig.instanceType' failed to satisfy constraint",
        ),
        (
            {
                "ResourceConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 2,
                    "VolumeSizeInGB": 1,
                }
            },
            "NotImplementedByLocalAws",
            "more than one instance",
        ),
        (
            {"EnableManagedSpotTraining": True},
            "ValidationException",
            "Invalid MaxWaitTimeInSeconds",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 28 * 86_400 + 1}},
            "ValidationException",
            "at most 2419200",
        ),
        ({"ResourceConfig": None}, "ValidationException", "needs an InstanceType"),
        (
            {"InputDataConfig": [{"ChannelName": "train", "DataSource": {}}]},
            "ValidationException",
            "needs an S3DataSource",
        ),
        (
            {"CheckpointConfig": {"S3Uri": "s3://data-bucket/x"}},
            "NotImplementedByLocalAws",
            "CreateTrainingJob.CheckpointConfig",
        ),
    ],
)
def test_a_request_that_cannot_be_honoured_is_refused(
    aws: Any, changes: dict[str, Any], code: str, text: str
) -> None:
    principal = {"Service": "lambda.amazonaws.com"}
    trust = {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}
    iam = aws.client("iam")
    if not any(role["RoleName"] == "lambda" for role in iam.list_roles()["Roles"]):
        iam.create_role(RoleName="lambda", AssumeRolePolicyDocument=json.dumps(trust))
    found = refusal(aws, "refused", **changes)
    assert found[0] == code
    assert text in found[1]
    assert not aws.sagemaker.list_training_jobs(NameContains="refused")["TrainingJobSummaries"]


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("382416733822.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1", "object2vec:1"),
        ("382416733822.dkr.ecr.us-east-1.amazonaws.com/object2vec:9", "object2vec:1"),
        ("174872318107.dkr.ecr.us-west-2.amazonaws.com/object2vec:1", "account 382416733822"),
        ("111111111111.dkr.ecr.us-east-1.amazonaws.com/object2vec:1", "account 382416733822"),
        ("object2vec", "object2vec:1"),
    ],
)
def test_an_image_that_cannot_run_here_is_named(aws: Any, image: str, text: str) -> None:
    algorithm = {"TrainingImage": image, "TrainingInputMode": "File"}
    code, message = refusal(aws, "image", AlgorithmSpecification=algorithm)
    assert code == "ValidationException"
    assert image in message
    assert text in message


def test_listing_filters_sorts_and_pages(aws: Any) -> None:
    for name in ("list-b", "list-a", "list-c"):
        aws.trained(name)
    client = aws.sagemaker

    def names(**query: Any) -> list[str]:
        found = client.list_training_jobs(NameContains="LIST-", **query)["TrainingJobSummaries"]
        return [job["TrainingJobName"] for job in found]

    assert names() == ["list-b", "list-a", "list-c"]
    assert names(SortBy="Name") == ["list-a", "list-b", "list-c"]
    assert names(SortBy="CreationTime", SortOrder="Descending") == ["list-c", "list-a", "list-b"]
    assert names(StatusEquals="Failed") == []
    assert names(WarmPoolStatusEquals="Available") == []  # no job has a pool
    created = client.describe_training_job(TrainingJobName="list-a")["CreationTime"]
    assert names(CreationTimeAfter=created) == ["list-c"]
    assert names(CreationTimeBefore=created) == ["list-b"]
    pages = client.get_paginator("list_training_jobs").paginate(
        NameContains="list-", PaginationConfig={"PageSize": 2}
    )
    assert [len(page["TrainingJobSummaries"]) for page in pages] == [2, 1]


def test_tags_can_be_set_and_taken_off(aws: Any) -> None:
    aws.trained("tagged", Tags=[{"Key": "team", "Value": "films"}])
    arn = aws.sagemaker.describe_training_job(TrainingJobName="tagged")["TrainingJobArn"]
    aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "test"}])
    assert aws.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "team", "Value": "films"},
        {"Key": "stage", "Value": "test"},
    ]
    aws.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert aws.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "stage", "Value": "test"}]


def test_what_moto_would_pretend_is_refused(aws: Any) -> None:
    with pytest.raises(ClientError) as error:
        aws.sagemaker.create_pipeline(
            PipelineName="p",
            PipelineDefinition="{}",
            ClientRequestToken="0" * 32,
            RoleArn="arn:aws:iam::123456789012:role/sagemaker",
        )
    assert error.value.response["Error"]["Code"] == "NotImplementedByLocalAws"
    assert "CreatePipeline" in error.value.response["Error"]["Message"]


def test_bookkeeping_stays_motos(aws: Any) -> None:
    created = aws.sagemaker.create_experiment(ExperimentName="workshop")
    aws.sagemaker.add_tags(ResourceArn=created["ExperimentArn"], Tags=[{"Key": "k", "Value": "v"}])
    described = aws.sagemaker.describe_experiment(ExperimentName="workshop")
    assert described["ExperimentArn"] == created["ExperimentArn"]
    tags = aws.sagemaker.list_tags(ResourceArn=created["ExperimentArn"])["Tags"]
    assert tags == [{"Key": "k", "Value": "v"}]


def wait_for(aws: Any, job: str, status: str) -> None:
    def reached() -> bool:
        found = aws.sagemaker.describe_training_job(TrainingJobName=job)
        return bool(found["SecondaryStatus"] == status)

    wait_until(reached)


def wait_until(reached: Any) -> None:
    for _ in range(300):
        try:
            if reached():
                return
        except (ClientError, ValueError):  # no log stream yet
            pass
        time.sleep(0.1)
    raise AssertionError("it did not happen in 30 s")
