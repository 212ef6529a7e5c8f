"""A deployment into an account that has just been opened, from the refusal to the first answer."""

import itertools
import json
import re
import shlex
from dataclasses import replace
from datetime import datetime

import boto3
import pytest

from local_aws.api import AwsError
from local_aws.sagemaker.responses import SageMakerResponse
from outputs import Outputs, by_stack
from preflight.__main__ import main
from rehearsal.cdk import CdkError
from rehearsal.inventory import inventory
from tests.e2e.conftest import Workbench
from tests.reliability import Tally
from tests.synthesis import bootstrap

QUOTAS = "new-account"
STACKS = ("recommender-Data", "recommender-Object2Vec", "recommender-Functions")
SERVERLESS = ("-c", "endpoint.kind=serverless")
SPOT = (*SERVERLESS, "-c", "training.spot=true")
DEPLOY = ("deploy", *STACKS, "--require-approval=never")


@pytest.fixture(scope="module")
def bootstrapped(workbench: Workbench) -> set[str]:
    """What the account holds before the first deployment."""
    bootstrap()
    return inventory()


def _begun() -> dict[str, datetime]:
    """When each training job was created."""
    jobs = boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    return {job["TrainingJobName"]: job["CreationTime"] for job in jobs}


def test_deployment_without_quota_says_what_to_ask_for(
    workbench: Workbench, bootstrapped: set[str], tally: Tally
) -> None:
    tally("faults injected", "an account's quotas are those of a new one")
    with pytest.raises(CdkError):
        workbench.cdk(*DEPLOY, *SERVERLESS)
    told = " ".join(workbench.log.read_text("utf-8").split())
    assert "The account's quota 'ml.m5.xlarge for training job usage' is 0" in told
    assert "request-service-quota-increase --service-code sagemaker" in told
    assert boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_jobs_wait_for_the_only_instance_and_are_all_trained(
    workbench: Workbench,
    bootstrapped: set[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tally: Tally,
) -> None:
    """Those that a failed first deployment has trained are not trained again."""
    workbench.cdk("synth", "--quiet", *SERVERLESS)
    assert main(["--app", str(workbench.assembly("synth", *SERVERLESS))]) == 1
    lines = capsys.readouterr().out.splitlines()
    (command,) = [
        lines[number + 1]
        for number, line in enumerate(lines)
        if line.startswith("MISSING") and "training job" in line
    ]
    words = shlex.split(command)
    wanted = dict(zip(words[3::2], words[4::2], strict=True))
    assert wanted["--desired-value"] == "3"
    boto3.client("service-quotas").request_service_quota_increase(
        ServiceCode=wanted["--service-code"], QuotaCode=wanted["--quota-code"], DesiredValue=1
    )

    def refuse(_: object) -> None:
        raise AwsError("ResourceLimitExceeded", "no endpoint today")

    with monkeypatch.context() as patch:
        patch.setattr(SageMakerResponse, "create_endpoint", refuse)
        with pytest.raises(CdkError, match="no endpoint today"):
            workbench.cdk(*DEPLOY, "--no-rollback", *SERVERLESS)
    tally("faults injected", "endpoints refused in a first deployment")
    first = _begun()
    assert first
    workbench.cdk(*DEPLOY, "--no-rollback", *SERVERLESS)
    assert first.items() <= _begun().items(), "the second attempt trained again"
    jobs = boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert [job["TrainingJobStatus"] for job in jobs] == ["Completed"] * 3
    periods = sorted((job["CreationTime"], job["TrainingEndTime"]) for job in jobs)
    # none was made before the one before it had ended
    assert all(later[0] >= earlier[1] for earlier, later in itertools.pairwise(periods))


def _said(job: str) -> str:
    """What a training job has logged."""
    pages = boto3.client("logs").get_paginator("filter_log_events")
    found = pages.paginate(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job}/"
    )
    return "\n".join(event["message"] for page in found for event in page["events"])


def test_spot_training_and_serverless_endpoints_need_no_request(
    workbench: Workbench, bootstrapped: set[str]
) -> None:
    """The models are trained again, under the quotas of spot training."""
    again = tuple(word.replace("refit=false", "refit=true") for word in workbench.quick)
    replace(workbench, quick=again).cdk(*DEPLOY, *SPOT)
    outputs = Outputs.of(by_stack())
    names = [outputs[f"Rating{part}JobName"] for part in ("Training", "Refit")]
    sagemaker = boto3.client("sagemaker")
    jobs = [sagemaker.describe_training_job(TrainingJobName=name) for name in names]
    assert [job["EnableManagedSpotTraining"] for job in jobs] == [True, True]
    # trained again on all ratings, and served
    rows = [re.search(r"([\d,]+) train pairs", _said(name))[1].replace(",", "") for name in names]  # type: ignore[index]
    prepared = json.loads((workbench.data / "manifest.json").read_text("utf-8"))
    assert list(map(int, rows)) == [prepared["train"], prepared["ratings"]]
    assert jobs[1]["HyperParameters"]["epochs"] in ("1", "2")
    endpoint = sagemaker.describe_endpoint(EndpointName=outputs["RatingEndpointName"])
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    assert (
        model["PrimaryContainer"]["ModelDataUrl"] == jobs[1]["ModelArtifacts"]["S3ModelArtifacts"]
    )
    answer = boto3.client("lambda").invoke(
        FunctionName=outputs["RecommendationEngineFunctionName"],
        Payload=json.dumps(
            {"type": "rating", "data": json.dumps({"instances": [{"in0": [1], "in1": [1]}]})}
        ),
    )
    assert "likely rate this movie" in answer["Payload"].read().decode()
    workbench.cdk("destroy", *STACKS, "--force", *SERVERLESS)
    assert inventory() - bootstrapped == set()
