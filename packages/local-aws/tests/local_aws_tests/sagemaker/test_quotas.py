"""A new account's quotas are enforced, with AWS's codes and messages."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.sagemaker import images
from local_aws.server import LocalAws
from local_aws_tests.sagemaker.conftest import ROLE, Aws

REGION = "us-east-1"
MESSAGE = (
    "The account-level service limit '{}' is {} {unit}, with current utilization of {} {unit} and "
    "a request delta of {} {unit}. Please use AWS Service Quotas to request an increase for this "
    "quota. If AWS Service Quotas is not available, contact AWS support to request an increase "
    "for this quota."
)
LONG = {"HyperParameters": {"seconds": "60"}}
pytestmark = pytest.mark.slow


@pytest.fixture
def aws(fake_program: images.Program) -> Iterator[Aws]:
    """A new account."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(images.PROGRAMS, "object2vec", fake_program)
        with LocalAws(quotas="new-account") as server:
            ready = Aws(server.url)
            ready.prepare()
            yield ready


def grant(name: str, value: float) -> None:
    api = clients.client("service-quotas", REGION)
    for page in api.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"):
        for one in page["Quotas"]:
            if one["QuotaName"] == name:
                wanted = {"ServiceCode": "sagemaker", "QuotaCode": one["QuotaCode"]}
                api.request_service_quota_increase(**wanted, DesiredValue=value)
                return
    raise AssertionError(name)


def refused(call: Any, *arguments: Any, **named: Any) -> str:
    """The message of a ResourceLimitExceeded."""
    with pytest.raises(ClientError) as error:
        call(*arguments, **named)
    told = error.value.response["Error"]
    assert told["Code"] == "ResourceLimitExceeded"
    return str(told["Message"])


def serverless(aws: Aws, name: str, concurrency: int) -> None:
    aws.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "All",
                "ModelName": "m",
                "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": concurrency},
            }
        ],
    )


def test_training_job_of_a_new_account_is_refused_in_aws_words(aws: Aws) -> None:
    name = "ml.m5.xlarge for training job usage"
    assert refused(aws.train, "first") == MESSAGE.format(name, 0, 0, 1, unit="Instances")
    assert aws.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    # a type that the table does not have is one for which nothing was granted
    machine = {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    assert "'ml.p4d.24xlarge for training job usage' is 0" in refused(
        aws.train, "first", ResourceConfig=machine
    )


def test_training_jobs_count_while_they_run_and_no_longer(aws: Aws) -> None:
    grant("ml.m5.xlarge for training job usage", 1)
    aws.train("running", **LONG)
    message = refused(aws.train, "second")
    assert "is 1 Instances, with current utilization of 1 Instances" in message
    aws.sagemaker.stop_training_job(TrainingJobName="running")
    aws.ended("running")
    aws.train("second")
    assert aws.ended("second")["TrainingJobStatus"] == "Completed"


def test_processing_jobs_have_quotas_of_their_own(aws: Aws) -> None:
    name = "ml.m5.large for processing job usage"
    machine = {"InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"

    def create(job: str, **machines: Any) -> None:
        aws.sagemaker.create_processing_job(
            ProcessingJobName=job,
            RoleArn=ROLE,
            ProcessingResources={"ClusterConfig": {**machine, **machines}},
            AppSpecification={"ImageUri": image, "ContainerEntrypoint": ["sleep", "60"]},
        )

    # one instance, where no count is told
    assert refused(create, "first") == MESSAGE.format(name, 0, 0, 1, unit="Instances")
    create("small", InstanceType="ml.t3.xlarge")
    create("small-2", InstanceType="ml.t3.xlarge")
    assert "with current utilization of 2 Instances" in refused(
        create, "small-3", InstanceType="ml.t3.xlarge"
    )
    for job in ("small", "small-2"):
        aws.sagemaker.stop_processing_job(ProcessingJobName=job)


def test_spot_training_has_quotas_of_its_own(aws: Aws) -> None:
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
        **LONG,
    }
    for number in range(4):
        aws.train(f"spot-{number}", **spot)
    message = refused(aws.train, "spot-4", **spot)
    assert "'ml.m5.xlarge for spot training job usage' is 4 Instances" in message
    other = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    message = refused(aws.train, "spot-4", ResourceConfig=other, **spot)
    assert "'Number of instances across all spot training jobs' is 4 Instances" in message


def test_no_more_run_than_the_quota_allows_however_many_ask_at_once(aws: Aws) -> None:
    grant("ml.m5.xlarge for training job usage", 2)
    made, refusals = [], []

    def ask(number: int) -> None:
        try:
            aws.train(f"at-once-{number}", **LONG)
            made.append(number)
        except ClientError as error:
            refusals.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), refusals) == (2, ["ResourceLimitExceeded"] * 6)


def test_endpoint_counts_its_instances_until_it_is_gone(aws: Aws) -> None:
    aws.model("m")
    aws.config("none", "m")
    name = "ml.m5.large for endpoint usage"
    create = aws.sagemaker.create_endpoint
    expected = MESSAGE.format(name, 0, 0, 1, unit="Instances")
    assert refused(create, EndpointName="e", EndpointConfigName="none") == expected
    assert aws.sagemaker.list_endpoints()["Endpoints"] == []
    aws.config("two", "m", InstanceType="ml.t2.medium", InitialInstanceCount=2)
    assert aws.endpoint("e", "two")["EndpointStatus"] == "InService"
    message = refused(create, EndpointName="f", EndpointConfigName="two")
    assert "utilization of 2 Instances and a request delta of 2 Instances" in message
    message = refused(
        aws.sagemaker.update_endpoint_weights_and_capacities,
        EndpointName="e",
        DesiredWeightsAndCapacities=[{"VariantName": "Variant-m", "DesiredInstanceCount": 3}],
    )
    assert "utilization of 2 Instances and a request delta of 1 Instances" in message
    aws.sagemaker.delete_endpoint(EndpointName="e")
    aws.sagemaker.get_waiter("endpoint_deleted").wait(
        EndpointName="e", WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    assert aws.endpoint("f", "two")["EndpointStatus"] == "InService"


def test_update_needs_instances_beside_those_that_answer(aws: Aws) -> None:
    aws.model("m")
    aws.config("one", "m", InstanceType="ml.m6g.xlarge")
    aws.endpoint("e", "one")
    message = refused(aws.sagemaker.update_endpoint, EndpointName="e", EndpointConfigName="one")
    assert "'ml.m6g.xlarge for endpoint usage' is 1 Instances" in message
    assert aws.settled("e")["EndpointStatus"] == "InService"
    grant("ml.m6g.xlarge for endpoint usage", 2)
    aws.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="one")
    assert aws.settled("e")["EndpointStatus"] == "InService"


def test_serverless_endpoints_share_ten_calls_at_once(aws: Aws) -> None:
    aws.model("m")
    for name, concurrency in (("five", 5), ("one", 1)):
        serverless(aws, name, concurrency)
    for endpoint in ("a", "b"):
        assert aws.endpoint(endpoint, "five")["EndpointStatus"] == "InService"
    message = refused(aws.sagemaker.create_endpoint, EndpointName="c", EndpointConfigName="one")
    assert "across all serverless endpoints' is 10" in message
    aws.sagemaker.update_endpoint(EndpointName="a", EndpointConfigName="one")
    assert aws.settled("a")["EndpointStatus"] == "InService"
    assert aws.endpoint("c", "one")["EndpointStatus"] == "InService"


def test_stopped_notebook_instance_gives_its_machine_back(aws: Aws) -> None:
    create = aws.sagemaker.create_notebook_instance
    settings = {"InstanceType": "ml.m5.xlarge", "RoleArn": ROLE}
    create(NotebookInstanceName="first", **settings)
    assert "'ml.m5.xlarge for notebook instance usage' is 1" in refused(
        create, NotebookInstanceName="second", **settings
    )
    wait = {"WaiterConfig": {"Delay": 1, "MaxAttempts": 60}, "NotebookInstanceName": "first"}
    aws.sagemaker.get_waiter("notebook_instance_in_service").wait(**wait)
    aws.sagemaker.stop_notebook_instance(NotebookInstanceName="first")
    aws.sagemaker.get_waiter("notebook_instance_stopped").wait(**wait)
    create(NotebookInstanceName="second", **settings)
    start = aws.sagemaker.start_notebook_instance
    assert "utilization of 1 Instances" in refused(start, NotebookInstanceName="first")


def test_transform_job_of_a_new_account_is_refused(aws: Aws) -> None:
    aws.model("m")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data-bucket/input/train"}}
    message = refused(
        aws.sagemaker.create_transform_job,
        TransformJobName="t",
        ModelName="m",
        TransformInput={"DataSource": source, "ContentType": "application/json"},
        TransformOutput={"S3OutputPath": "s3://data-bucket/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    assert "'ml.m5.large for transform job usage' is 0 Instances" in message


def test_sixth_dataset_group_is_refused_with_personalizes_code(aws: Aws) -> None:
    personalize = aws.client("personalize")
    for number in range(5):
        personalize.create_dataset_group(name=f"group-{number}")
    with pytest.raises(ClientError, match="'Active dataset groups' of 5") as error:
        personalize.create_dataset_group(name="group-5")
    assert error.value.response["Error"]["Code"] == "LimitExceededException"
    clients.client("service-quotas", REGION).request_service_quota_increase(
        ServiceCode="personalize", QuotaCode="L-14011066", DesiredValue=6
    )
    personalize.create_dataset_group(name="group-5")


def test_role_needs_permission_to_read_quotas(aws: Aws) -> None:
    iam = aws.client("iam")
    iam.create_user(UserName="reader")
    keys = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = clients.client(
        "service-quotas", REGION, clients.Credentials(keys["AccessKeyId"], keys["SecretAccessKey"])
    )
    wanted = {"ServiceCode": "sagemaker", "QuotaCode": "L-CCE2AFA6"}
    with pytest.raises(ClientError) as error:
        reader.get_service_quota(**wanted)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    statement = {"Effect": "Allow", "Action": "servicequotas:GetServiceQuota", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": statement}
    iam.put_user_policy(UserName="reader", PolicyName="r", PolicyDocument=json.dumps(policy))
    assert reader.get_service_quota(**wanted)["Quota"]["Value"] == 0
