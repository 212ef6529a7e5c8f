"""The ends of a job run, with a stand-in for spark-submit that only waits; and no Spark at all."""

import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.emrserverless import job_runs, spark
from local_aws.server import LocalAws
from local_aws_tests.emrserverless.account import (
    REGION,
    application_of,
    ended,
    refused,
    request,
    role,
    shown,
)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A spark-submit that ignores SIGTERM, and leaves a process of its own session behind."""
    script = tmp_path / "bin" / "spark-submit"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\ntrap '' TERM\nsetsid sleep 3600 &\nsleep 3600\n")
    script.chmod(stat.S_IRWXU)
    monkeypatch.setattr(spark, "installation", lambda: spark.Installation(tmp_path, tmp_path))


@pytest.fixture
def api() -> Iterator[Any]:
    with LocalAws():
        yield clients.client("emr-serverless", REGION)


def started(api: Any, *, application: str = "", **more: Any) -> dict[str, Any]:
    """A run whose script waits."""
    name = application or application_of(api)
    run: dict[str, Any] = api.start_job_run(**request(name, "s3://b/a.py", role(), **more))
    return run


def sleeping() -> list[psutil.Process]:
    return [
        one
        for one in psutil.Process().children(recursive=True)
        if one.name() == "sleep" and one.status() != psutil.STATUS_ZOMBIE
    ]


def until_sleeping() -> None:
    deadline = time.monotonic() + 120
    while len(sleeping()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(sleeping()) == 2


@pytest.mark.usefixtures("waiting")
def test_running_job_ends_with_the_server() -> None:
    with LocalAws():
        started(clients.client("emr-serverless", REGION))
        until_sleeping()
        begun = time.monotonic()
    assert time.monotonic() - begun < 100  # the grace of a cancelled job is not waited for
    assert sleeping() == []


@pytest.mark.usefixtures("waiting")
def test_job_past_its_time_is_cancelled(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runs, "_GRACE", 0)
    run = started(api, executionTimeoutMinutes=5)
    until_sleeping()
    hours = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600)
    monkeypatch.setattr(job_runs, "time", hours)
    found = ended(api, run)
    assert found["state"] == "CANCELLED"
    assert found["stateDetails"] == "Job run timed out after 5 minutes."
    assert sleeping() == []


@pytest.mark.usefixtures("waiting")
def test_jobs_beyond_the_accounts_quota_of_vcpus_fail(api: Any) -> None:
    name = application_of(api)
    more = "--conf spark.executor.cores=4 --conf spark.executor.instances=3"  # 13 vCPUs of 16
    first = started(api, application=name, parameters=more)
    until_sleeping()
    found = ended(api, started(api, application=name, parameters=more))
    assert found["state"] == "FAILED"
    assert found["stateDetails"].startswith(
        "Job failed as account has reached the service limit on the maximum vCPU it can use "
        "concurrently"
    )
    api.cancel_job_run(
        applicationId=name, jobRunId=first["jobRunId"], shutdownGracePeriodInSeconds=0
    )
    assert ended(api, first)["state"] == "CANCELLED"
    again = started(api, application=name, parameters=more)
    until_sleeping()
    assert shown(api, again)["state"] in ("SCHEDULED", "RUNNING")


@pytest.mark.usefixtures("waiting")
def test_jobs_wait_for_room_on_this_machine_and_can_be_cancelled_meanwhile(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        full = True

        def submit(self, _: Any) -> Any:
            return lambda: True  # still in the queue

    monkeypatch.setattr(job_runs, "JOBS", Full())
    run = started(api)
    assert shown(api, run)["state"] == "PENDING"
    api.cancel_job_run(applicationId=run["applicationId"], jobRunId=run["jobRunId"])
    assert shown(api, run)["state"] == "CANCELLED"
    told = refused(api.cancel_job_run, applicationId=run["applicationId"], jobRunId=run["jobRunId"])
    assert told[0] == "ValidationException" and "CANCELLED" in told[1]


@pytest.mark.usefixtures("waiting")
def test_job_runs_are_listed_by_state_and_page_the_latest_first(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_runs.JobRun, "start", lambda _: None)
    name = application_of(api)
    made = [started(api, application=name)["jobRunId"] for _ in range(3)]
    first = api.list_job_runs(applicationId=name, maxResults=2)
    second = api.list_job_runs(applicationId=name, nextToken=first["nextToken"])
    assert "nextToken" not in second
    found = [one["id"] for one in (*first["jobRuns"], *second["jobRuns"])]
    assert found == made[::-1]
    assert api.list_job_runs(applicationId=name, states=["RUNNING"])["jobRuns"] == []
    begun = shown(api, {"applicationId": name, "jobRunId": made[0]})["createdAt"]
    for moment, expected in ((begun - timedelta(seconds=1), 3), (begun + timedelta(hours=1), 0)):
        after = api.list_job_runs(applicationId=name, createdAtAfter=moment)["jobRuns"]
        before = api.list_job_runs(applicationId=name, createdAtBefore=moment)["jobRuns"]
        assert (len(after), len(before)) == (expected, 3 - expected)


def test_job_without_spark_is_refused_with_what_to_install(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(spark, "version", missing)
    spark.installation.cache_clear()
    with pytest.raises(ClientError, match="`make setup-spark` installs it") as told:
        started(api)
    assert told.value.response["Error"]["Code"] == "NotImplementedByLocalAws"
