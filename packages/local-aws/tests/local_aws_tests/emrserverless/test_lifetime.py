"""A job run and the end of its server; and an environment without Spark."""

import time
from importlib.metadata import PackageNotFoundError

import psutil
import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.emrserverless import spark
from local_aws.server import LocalAws
from local_aws_tests.emrserverless.test_job_runs import (
    BUCKET,
    REGION,
    SLEEPING,
    application_of,
    of_bucket,
    put,
    request,
    role,
    until_running,
)


@pytest.mark.spark
def test_running_job_ends_with_the_server() -> None:
    before = {*psutil.Process().children(recursive=True)}
    with LocalAws():
        api = clients.client("emr-serverless", REGION)
        clients.client("s3", REGION).create_bucket(Bucket=BUCKET)
        entry, arn = put("jobs/sleeping.py", SLEEPING), role(*of_bucket("jobs/"))
        run = api.start_job_run(**request(application_of(api), entry, arn, "sign"))
        until_running(api, run, "jobs/sign")
        java = [one for one in psutil.Process().children(recursive=True) if "java" in one.name()]
        assert java
    deadline = time.monotonic() + 60
    while any(one.is_running() for one in java) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert {*psutil.Process().children(recursive=True)} - before == set()


def test_job_without_spark_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(spark, "version", missing)
    spark.installation.cache_clear()
    with LocalAws():
        api = clients.client("emr-serverless", REGION)
        asked = request(application_of(api), "s3://b/a.py", "arn:aws:iam::123456789012:role/any")
        with pytest.raises(ClientError, match="`make setup-spark` installs it") as refused:
            api.start_job_run(**asked)
    assert refused.value.response["Error"]["Code"] == "NotImplementedByLocalAws"
