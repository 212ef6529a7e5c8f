"""Unmodified boto3 code, written from AWS's documentation, against the local AWS."""

import time
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from local_aws import plugins
from local_aws.server import LocalAws
from local_aws_tests.personalize import documented
from local_aws_tests.personalize.conftest import interactions

pytestmark = pytest.mark.slow

ARN = "arn:aws:personalize:us-east-1:123456789012"


@pytest.mark.skipif(
    not plugins.personalize_models(),
    reason="needs a distribution that provides Personalize models, such as recsys",
)
def test_documented_program_runs_and_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # its minutes pass in a blink
    quick: Any = SimpleNamespace(time=time.time, sleep=lambda seconds: time.sleep(seconds / 1000))
    monkeypatch.setattr(documented, "time", quick)
    with LocalAws() as aws:
        for name, value in aws.environment("us-east-1").items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="documented")
        s3.put_object(Bucket="documented", Key="interactions.csv", Body=interactions())
        documented.create_or_reuse_schema(boto3.client("personalize"))  # so that it is there
        made = documented.recommend("documented", "interactions.csv", "u1")
        assert made["schemaArn"] == f"{ARN}:schema/documented-schema"
        assert made["campaignArn"] == f"{ARN}:campaign/documented-campaign"
        assert 0 < made["metrics"]["precision_at_10"] <= 1
        assert len(set(made["before"])) == 10
        assert made["before"][0] not in made["after"]
        assert made["campaignArn"] in made["in use"]
        assert len(documented.clean_up()) == 7
        assert documented.clean_up() == []
        assert boto3.client("personalize").list_dataset_import_jobs()["datasetImportJobs"] == []
