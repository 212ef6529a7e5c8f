"""Applications of EMR Serverless: their life, what is refused, and their CloudFormation type."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from local_aws import clients
from local_aws.emrserverless import applications, spark
from local_aws.server import LocalAws
from local_aws_tests.cloudformation.conftest import Stacks
from local_aws_tests.emrserverless.account import refused

REGION = "us-east-1"
TERMINAL = ("CREATED", "STARTED", "STOPPED", "TERMINATED")


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        yield running


@pytest.fixture(scope="module")
def api(aws: LocalAws) -> Any:
    return clients.client("emr-serverless", REGION)


def application(api: Any, **settings: Any) -> str:
    request = {"type": "SPARK", "releaseLabel": spark.RELEASE, **settings}
    name: str = api.create_application(**request)["applicationId"]
    assert settled(api, name) == "CREATED"
    return name


def state(api: Any, name: str) -> str:
    found: str = api.get_application(applicationId=name)["application"]["state"]
    return found


def settled(api: Any, name: str) -> str:
    while (found := state(api, name)) not in TERMINAL:
        pass
    return found


def test_application_from_its_creation_to_its_deletion_has_awss_states(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applications, "_PASSING", 60)
    made = api.create_application(
        type="SPARK",
        releaseLabel=spark.RELEASE,
        name="life",
        architecture="ARM64",
        maximumCapacity={"cpu": "8 vCPU", "memory": "32 GB"},
        tags={"a": "1"},
    )
    name = made["applicationId"]
    assert made["arn"] == f"arn:aws:emr-serverless:{REGION}:123456789012:/applications/{name}"
    assert state(api, name) == "CREATING"

    monkeypatch.setattr(applications, "_PASSING", 0.2)
    name = application(api, name="life", architecture="ARM64", tags={"a": "1"})
    shown = api.get_application(applicationId=name)["application"]
    assert shown["type"] == "Spark"
    assert shown["autoStopConfiguration"] == {"enabled": True, "idleTimeoutMinutes": 15}
    api.start_application(applicationId=name)
    assert settled(api, name) == "STARTED"
    told = f"Application {name} must be in one of the following statuses [CREATED, STOPPED]. "
    started = ("ValidationException", f"{told}Current status: STARTED")
    assert refused(api.delete_application, applicationId=name) == started
    assert refused(api.update_application, applicationId=name) == started
    api.stop_application(applicationId=name)
    assert settled(api, name) == "STOPPED"
    code, message = refused(api.stop_application, applicationId=name)
    assert code == "ValidationException" and "[STARTING, STARTED]" in message
    api.update_application(applicationId=name, architecture="X86_64")
    assert api.get_application(applicationId=name)["application"]["architecture"] == "X86_64"
    api.delete_application(applicationId=name)
    assert state(api, name) == "TERMINATED"
    assert name not in [one["id"] for one in api.list_applications()["applications"]]
    ended = api.list_applications(states=["TERMINATED"])["applications"]
    assert [one["id"] for one in ended] == [name]


def test_client_token_makes_one_application_and_refuses_another_request(api: Any) -> None:
    request = {"type": "SPARK", "releaseLabel": spark.RELEASE, "clientToken": "once"}
    name = api.create_application(**request)["applicationId"]
    assert api.create_application(**request)["applicationId"] == name
    assert refused(api.create_application, **request, name="other")[0] == "ConflictException"


def test_idle_application_stops_after_its_time(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = application(api, autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 1})
    kept = application(api, autoStopConfiguration={"enabled": False})
    for one in (name, kept):
        api.start_application(applicationId=one)
        assert settled(api, one) == "STARTED"
    assert state(api, name) == "STARTED"
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600)
    monkeypatch.setattr(applications, "time", later)
    assert (state(api, name), state(api, kept)) == ("STOPPED", "STARTED")


@pytest.mark.parametrize(
    ("settings", "code", "told"),
    [
        ({"releaseLabel": "emr-7.8.0"}, "NotImplementedByLocalAws", "the release emr-7.8.0"),
        ({"releaseLabel": "spark-3"}, "ValidationException", "release label 'spark-3'"),
        ({"type": "HIVE"}, "NotImplementedByLocalAws", "of the type HIVE"),
        (
            {
                "imageConfiguration": {
                    "imageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/a:b"
                }
            },
            "NotImplementedByLocalAws",
            "imageConfiguration",
        ),
        (
            {"runtimeConfiguration": [{"classification": "hive-site", "properties": {}}]},
            "NotImplementedByLocalAws",
            "classification hive-site",
        ),
        (
            {
                "runtimeConfiguration": [
                    {
                        "classification": "spark-defaults",
                        "properties": {"spark.driver.cores": "3"},
                    }
                ]
            },
            "ValidationException",
            "spark.driver.cores must be one of [1, 2, 4, 8, 16], not 3",
        ),
        ({"architecture": "RISC"}, "ValidationException", "enum value set"),
    ],
)
def test_application_that_cannot_be_as_asked_is_refused(
    api: Any, settings: dict[str, Any], code: str, told: str
) -> None:
    request = {"type": "SPARK", "releaseLabel": spark.RELEASE, **settings}
    found = refused(api.create_application, **request)
    assert found[0] == code and told in found[1]


def test_tags_of_an_application_change(api: Any) -> None:
    name = application(api, tags={"a": "1", "b": "2"})
    arn = api.get_application(applicationId=name)["application"]["arn"]
    api.tag_resource(resourceArn=arn, tags={"a": "3"})
    api.untag_resource(resourceArn=arn, tagKeys=["b"])
    assert api.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "3"}
    missing = refused(api.list_tags_for_resource, resourceArn=f"{arn}0")
    assert missing[0] == "ResourceNotFoundException"


def test_application_of_a_stack_must_be_stopped_before_its_deletion(
    aws: LocalAws, api: Any
) -> None:
    def resources(**more: Any) -> dict[str, Any]:
        properties = {
            "Type": "SPARK",
            "ReleaseLabel": spark.RELEASE,
            "Architecture": "ARM64",
            "MaximumCapacity": {"Cpu": "16 vCPU", "Memory": "64 GB"},
            "RuntimeConfiguration": [
                {"Classification": "spark-defaults", "Properties": {"spark.executor.cores": "2"}}
            ],
            "MonitoringConfiguration": {
                "CloudWatchLoggingConfiguration": {
                    "Enabled": True,
                    "LogTypeMap": [{"Key": "SPARK_DRIVER", "Value": ["STDERR"]}],
                }
            },
            **more,
        }
        return {"A": {"Type": "AWS::EMRServerless::Application", "Properties": properties}}

    stacks = Stacks(aws.url)
    outputs = {
        "Arn": {"Value": {"Fn::GetAtt": ["A", "Arn"]}},
        "Id": {"Value": {"Fn::GetAtt": ["A", "ApplicationId"]}},
        "Ref": {"Value": {"Ref": "A"}},
    }
    stack = stacks.create(resources(), Outputs=outputs)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    found = stacks.outputs(stack)
    name = found["Ref"]
    shown = api.get_application(applicationId=name)["application"]
    assert found == {"Arn": shown["arn"], "Id": name, "Ref": name}
    assert shown["state"] == "CREATED"
    assert shown["runtimeConfiguration"][0]["properties"] == {"spark.executor.cores": "2"}
    watch = shown["monitoringConfiguration"]["cloudWatchLoggingConfiguration"]
    assert watch == {"enabled": True, "logTypes": {"SPARK_DRIVER": ["STDERR"]}}

    tags = [{"Key": "a", "Value": "1"}]
    larger = {"Cpu": "32 vCPU", "Memory": "128 GB"}
    stack = stacks.update(stack["StackId"], resources(MaximumCapacity=larger, Tags=tags))
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(stack)
    shown = api.get_application(applicationId=name)["application"]
    assert shown["maximumCapacity"] == {"cpu": "32 vCPU", "memory": "128 GB"}
    assert shown["tags"] == {"a": "1"}

    api.start_application(applicationId=name)
    assert settled(api, name) == "STARTED"
    stack = stacks.delete(stack)
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert "Current status: STARTED" in stacks.reason(stack, "A", "DELETE_FAILED")
    api.stop_application(applicationId=name)
    assert settled(api, name) == "STOPPED"
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    assert state(api, name) == "TERMINATED"
