"""Job runs of EMR Serverless: the real Spark reads and writes S3 as the execution role.

A start of Spark costs seconds, so each job does several things, and those that only tell how a
driver ends do not start it.
"""

import gzip
import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from local_aws import clients
from local_aws.server import LocalAws
from local_aws.sts.models import assume
from local_aws_tests.emrserverless.account import (
    ACCOUNT,
    BUCKET,
    ENDED,
    REGION,
    allow,
    application_of,
    ended,
    keys,
    of_bucket,
    put,
    refused,
    request,
    role,
    shown,
)

pytestmark = pytest.mark.spark

JOB = """
import json, os, sys
import boto3
from pyspark.sql import SparkSession, functions as f
from rules import least  # of --py-files

source, target, unreadable, fixed = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
ratings = spark.read.csv(source, header=True, schema="user INT, item INT, rating DOUBLE")
kept = ratings.where(f.col("rating") >= least)
kept.groupBy("user").agg(f.count("item").alias("items")).write.mode("overwrite").parquet(target)
told = {
    "caller": boto3.client("sts").get_caller_identity()["Arn"],
    "rows": ratings.count(),
    "settings": [spark.conf.get(f"spark.example.{name}") for name in ("app", "job", "both")],
    "variable": os.environ["GREETING"],
    "users": sorted(map(list, spark.read.parquet(target).collect())),
}
for name, act in {
    "read": lambda: spark.read.text(f"{unreadable}/secret.txt").collect(),
    "write": lambda: kept.write.parquet(f"{fixed}/new"),
}.items():
    try:
        act()
    except Exception as error:
        lines = str(error).splitlines()
        told[name] = next(line for line in lines if "Access Denied" in line)
print(json.dumps(told), flush=True)
print("to standard error", file=sys.stderr, flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        clients.client("s3", REGION).create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture(scope="module")
def api(aws: LocalAws) -> Any:
    return clients.client("emr-serverless", REGION)


@pytest.fixture(scope="module")
def application(api: Any) -> str:
    return application_of(api)


def until_running(api: Any, run: dict[str, Any], sign: str) -> None:
    """Wait for the object that the script writes as its first action."""
    while not keys(sign):
        assert shown(api, run)["state"] not in ENDED, shown(api, run)
        time.sleep(0.1)


def test_job_reads_and_writes_s3_as_its_role_and_logs_its_output(api: Any) -> None:
    both = {"spark.example.app": "app", "spark.example.both": "app"}
    name = application_of(
        api, runtimeConfiguration=[{"classification": "spark-defaults", "properties": both}]
    )
    arn = role(
        *of_bucket("jobs/", "in", "out ü", "logs/"),
        allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/fixed/*"),
        allow("logs:*", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/jobs*"),
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("rules.py", "least = 3\n")
    modules = put("jobs/rules.zip", packed.getvalue())
    put("in/part-1 é.csv", "user,item,rating\n1,10,4.5\n1,11,2.0\n2,10,3.0\n")
    put("in/part-2.csv", "user,item,rating\n1,12,3.5\n")
    put("out ü/old.parquet", "replaced by the job")
    put("private/secret.txt", "not for the job")
    asked = request(
        name,
        put("jobs/job.py", JOB),
        arn,
        f"s3://{BUCKET}/in/",
        f"s3://{BUCKET}/out ü",
        f"s3://{BUCKET}/private",
        f"s3://{BUCKET}/fixed",
        name="read and write",
        clientToken="once",
        parameters=f"--py-files {modules} --conf spark.example.both=submitted "
        "--conf spark.emr-serverless.driverEnv.GREETING=hello",
        configurationOverrides={
            "applicationConfiguration": [
                {"classification": "spark-defaults", "properties": {"spark.example.job": "job"}}
            ],
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {"logUri": f"s3://{BUCKET}/logs/"},
                "cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": "/jobs"},
            },
        },
    )
    run = api.start_job_run(**asked)
    states: list[str] = []
    while (found := shown(api, run))["state"] not in ENDED:
        states += [found["state"]] if found["state"] not in states else []
        time.sleep(0.01)
    place = f"applications/{name}/jobs/{run['jobRunId']}/SPARK_DRIVER"
    output = {
        one: gzip.decompress(
            clients.client("s3", REGION)
            .get_object(Bucket=BUCKET, Key=f"logs/{place}/{one}.gz")["Body"]
            .read()
        ).decode()
        for one in ("stdout", "stderr")
    }
    assert (found["state"], found["stateDetails"]) == ("SUCCESS", ""), output["stderr"][-4000:]
    order = ["SUBMITTED", "PENDING", "SCHEDULED", "RUNNING"]
    assert "RUNNING" in states and states == [one for one in order if one in states]

    first, second = output["stdout"].splitlines()
    told = json.loads(first)
    session = f"{arn.rpartition('/')[2]}/{run['jobRunId']}"
    assert told["caller"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{session}"
    assert told["rows"] == 4
    assert told["settings"] == ["app", "job", "submitted"]
    assert told["variable"] == "hello"
    assert told["users"] == [[1, 2], [2, 1]]  # ratings of at least 3
    for action, denied in (("read", "s3:GetObject"), ("write", "s3:PutObject")):
        refusal = "(Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; User: arn:aws:"
        assert f"Access Denied {refusal}" in told[action]
        assert f"is not authorized to perform: {denied} on resource" in told[action]
    written = keys("out ü/")
    assert len(written) == 2 and "out ü/_SUCCESS" in written
    assert not any("old" in key or "_temporary" in key for key in written)
    assert keys("private/") + keys("fixed/") == ["private/secret.txt"]

    # spark-submit joins a script's streams; its own log is on standard error
    assert second == "to standard error"
    assert "SparkContext: Running Spark version 3.5.5" in output["stderr"]
    logs = clients.client("logs", REGION)
    streams = logs.describe_log_streams(logGroupName="/jobs")["logStreams"]
    assert sorted(one["logStreamName"] for one in streams) == [
        f"/{place}/stderr",
        f"/{place}/stdout",
    ]
    events = logs.get_log_events(logGroupName="/jobs", logStreamName=f"/{place}/stdout")["events"]
    assert [one["message"] for one in events] == [first, second]

    # a driver of 1 vCPU and 1 GiB, with 384 MiB of overhead, and two executors of 2 vCPU and 2 GiB
    # with as much: 2 GB, and the least of 4 GB each
    hours = found["totalExecutionDurationSeconds"] / 3600
    total = found["totalResourceUtilization"]
    assert total["vCPUHour"] == pytest.approx(5 * hours, abs=0.001)
    assert total["memoryGBHour"] == pytest.approx(10 * hours, abs=0.001)
    assert total["storageGBHour"] == pytest.approx(60 * hours, abs=0.001)
    billed = max(60, found["totalExecutionDurationSeconds"]) / 3600
    assert found["billedResourceUtilization"] == pytest.approx(
        {"vCPUHour": 5 * billed, "memoryGBHour": 10 * billed, "storageGBHour": 0}, abs=0.001
    )

    # the same token answers the same run, even when it has ended
    assert api.start_job_run(**asked)["jobRunId"] == run["jobRunId"]
    assert refused(api.start_job_run, **{**asked, "name": "other"})[0] == "ConflictException"
    (one,) = api.list_job_runs(applicationId=name, states=["SUCCESS"])["jobRuns"]
    assert (one["id"], one["name"], one["type"]) == (run["jobRunId"], "read and write", "Spark")
    told_again = refused(api.cancel_job_run, applicationId=name, jobRunId=run["jobRunId"])
    assert told_again[0] == "ValidationException" and "SUCCESS" in told_again[1]


def test_job_whose_script_may_not_be_read_fails_with_that_reason(
    api: Any, application: str
) -> None:
    entry = put("hidden/job.py", "print('never')")
    run = api.start_job_run(**request(application, entry, role(*of_bucket("jobs/"))))
    found = ended(api, run)
    assert found["state"] == "FAILED"
    assert found["stateDetails"].startswith(
        "Job failed, please check complete logs in configured logging destination. ExitCode: 1. "
        "Last few exceptions: "
    )
    told = "AccessControlException: Access Denied (Service: Amazon S3; Status Code: 403; Error Code"
    assert told in found["stateDetails"]


def test_job_that_raises_or_is_killed_fails_with_that_reason(api: Any, application: str) -> None:
    arn = role(*of_bucket("jobs/"))
    raising = put("jobs/raising.py", "raise ValueError('no ratings in the file')")
    killed = put("jobs/killed.py", "import os\nos.kill(os.getppid(), 9)")
    runs = [api.start_job_run(**request(application, one, arn)) for one in (raising, killed)]
    first, second = (ended(api, run) for run in runs)
    assert first["state"] == second["state"] == "FAILED"
    assert "ExitCode: 1. Last few exceptions: " in first["stateDetails"]
    assert "ValueError: no ratings in the file" in first["stateDetails"]
    assert "ExitCode: 137." in second["stateDetails"]


def test_cancelled_job_ends_with_all_its_processes(api: Any, application: str) -> None:
    before = {*psutil.Process().children(recursive=True)}
    entry = put("jobs/sleeping.py", SLEEPING)
    run = api.start_job_run(**request(application, entry, role(*of_bucket("jobs/")), "cancelled"))
    until_running(api, run, "jobs/cancelled")
    code, message = refused(api.stop_application, applicationId=application)
    assert code == "ValidationException" and "running jobs must be completed" in message
    api.cancel_job_run(
        applicationId=application, jobRunId=run["jobRunId"], shutdownGracePeriodInSeconds=15
    )
    assert shown(api, run)["state"] in ("CANCELLING", "CANCELLED")
    assert ended(api, run)["state"] == "CANCELLED"
    assert {*psutil.Process().children(recursive=True)} - before == set()


SLEEPING = f"""
import sys, time
import boto3
boto3.client("s3").put_object(Bucket="{BUCKET}", Key=f"jobs/{{sys.argv[1]}}", Body=b"")
time.sleep(3600)
"""


def test_role_that_does_not_trust_the_service_fails_the_job(api: Any, application: str) -> None:
    entry = put("jobs/raising.py", "raise ValueError")
    run = api.start_job_run(**request(application, entry, role(service="lambda")))
    found = ended(api, run)
    assert found["state"] == "FAILED"
    assert found["stateDetails"].startswith("Could not assume execution role arn:aws:iam::")


def test_job_larger_than_the_maximum_capacity_fails(api: Any) -> None:
    name = application_of(api, maximumCapacity={"cpu": "2 vCPU", "memory": "100 GB"})
    found = ended(api, api.start_job_run(**request(name, put("jobs/a.py", ""), role())))
    assert found["state"] == "FAILED"
    assert "exceeded maximumCapacity settings: [cpu: 2]" in found["stateDetails"]


def test_caller_needs_the_application_and_the_role(api: Any, application: str) -> None:
    allowed = role(service="emr-serverless")
    arn = api.get_application(applicationId=application)["application"]["arn"]
    caller = role(
        allow("emr-serverless:StartJobRun", arn),
        {
            **allow("iam:PassRole", allowed),
            "Condition": {"StringEquals": {"iam:PassedToService": "emr-serverless.amazonaws.com"}},
        },
        service="lambda",
    )
    theirs = clients.client(
        "emr-serverless",
        REGION,
        assume(caller, service="lambda", session_name="caller", region=REGION),
    )
    entry = put("jobs/a.py", "")
    code, message = refused(theirs.start_job_run, **request(application, entry, role()))
    assert code == "AccessDeniedException" and "iam:PassRole" in message
    other = application_of(api)
    code, message = refused(theirs.start_job_run, **request(other, entry, allowed))
    assert code == "AccessDeniedException" and f"{other}" in message
    run = theirs.start_job_run(**request(application, entry, allowed))
    assert refused(theirs.get_job_run, applicationId=application, jobRunId=run["jobRunId"])[0] == (
        "AccessDeniedException"
    )
    api.cancel_job_run(applicationId=application, jobRunId=run["jobRunId"])
    assert shown(api, run)["createdBy"].endswith("/caller")


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        ({"mode": "STREAMING"}, "NotImplementedByLocalAws", "mode STREAMING"),
        ({"retryPolicy": {"maxAttempts": 2}}, "NotImplementedByLocalAws", "retryPolicy"),
        ({"executionTimeoutMinutes": 4}, "ValidationException", "at least 5 minutes"),
        (
            {"parameters": "--packages a:b:1"},
            "NotImplementedByLocalAws",
            "--packages in sparkSubmitParameters",
        ),
        (
            {"parameters": "--conf spark.master=yarn"},
            "NotImplementedByLocalAws",
            "the Spark property spark.master",
        ),
        ({"parameters": "--conf spark.x"}, "ValidationException", "not of the form KEY=VALUE"),
        (
            {"parameters": "--conf spark.driver.memory=9g"},
            "ValidationException",
            "A driver of 1 vCPU may have at most 8 GB of memory",
        ),
    ],
)
def test_job_that_cannot_run_as_asked_is_refused(
    api: Any, application: str, more: dict[str, Any], code: str, told: str
) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/any"
    asked = request(application, f"s3://{BUCKET}/a.py", arn, **more)
    found = refused(api.start_job_run, **asked)
    assert found[0] == code and told in found[1]


def test_application_without_auto_start_takes_jobs_only_when_started(api: Any) -> None:
    name = application_of(api, autoStartConfiguration={"enabled": False})
    asked = request(name, f"s3://{BUCKET}/a.py", f"arn:aws:iam::{ACCOUNT}:role/any")
    code, message = refused(api.start_job_run, **asked)
    assert code == "ValidationException" and "[STARTING, STARTED]" in message


def test_dashboard_is_refused_by_name(api: Any, application: str) -> None:
    code, message = refused(
        api.get_dashboard_for_job_run, applicationId=application, jobRunId="00abc"
    )
    assert code == "NotImplementedByLocalAws" and "GetDashboardForJobRun" in message
