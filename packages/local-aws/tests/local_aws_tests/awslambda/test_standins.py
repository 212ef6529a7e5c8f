"""CDK's own functions, recognised by their real code and honoured by their contracts."""

import importlib.util
import json
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.reliability import Tally

STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/S/1"
FRAMEWORK = "provider-framework/runtime"
EMPTIER = "aws-s3/auto-delete-objects-handler"
DEPLOYMENT = "aws-s3-deployment/bucket-deployment-handler"


@pytest.fixture(scope="module")
def cdk_code() -> dict[str, dict[str, bytes]]:
    """The files of CDK's functions as the installed aws-cdk-lib ships them, by folder."""
    found: dict[str, dict[str, bytes]] = {FRAMEWORK: {}, EMPTIER: {}, DEPLOYMENT: {}}
    spec = importlib.util.find_spec("aws_cdk")
    if spec is None:
        pytest.skip("needs aws-cdk-lib, which carries the functions")
    assert spec.origin is not None
    (archive,) = (Path(spec.origin).parent / "_jsii").glob("*.tgz")
    with tarfile.open(archive, "r|gz") as packed:
        for member in packed:
            for folder, files in found.items():
                if f"{folder}/" in member.name and member.name.endswith((".js", ".py")):
                    content = packed.extractfile(member)
                    assert content is not None
                    files[Path(member.name).name] = content.read()
            if "index.py" in found[DEPLOYMENT] and found[EMPTIER] and found[FRAMEWORK]:
                break
    return found


class CloudFormation:
    """Sends a custom resource's request and waits for its answer, as CloudFormation does."""

    def __init__(self, aws: Any) -> None:
        self.aws = aws
        self.s3 = aws.client("s3")
        self.made = 0
        self.bucket = self.new_bucket()

    def new_bucket(self, versioned: bool = False, tagged: bool = False) -> str:
        self.made += 1
        name = f"bucket-{self.made}"
        self.s3.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        if versioned:
            self.s3.put_bucket_versioning(
                Bucket=name, VersioningConfiguration={"Status": "Enabled"}
            )
        tags = [{"Key": "aws-cdk:auto-delete-objects", "Value": "true"}] if tagged else []
        tags.append({"Key": "team", "Value": "x"})
        self.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
        return name

    def keys(self, bucket: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return [one["Key"] for one in listed]

    def request(self, function: str, kind: str, **more: Any) -> dict[str, Any]:
        self.made += 1
        key = f"answers/{self.made}"
        url = self.s3.generate_presigned_url(
            "put_object", Params={"Bucket": self.bucket, "Key": key}
        )
        event = {
            "RequestType": kind,
            "ResponseURL": url,
            "StackId": STACK,
            "RequestId": f"request-{self.made}",
            "ResourceType": "Custom::Thing",
            "LogicalResourceId": "Thing",
            "ResourceProperties": {},
            **more,
        }
        self.aws.client("lambda").invoke(
            FunctionName=function, InvocationType="Event", Payload=json.dumps(event)
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if key in self.keys(self.bucket):
                body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
                answer: dict[str, Any] = json.loads(body)
                assert answer.pop("RequestId") == event["RequestId"]
                assert answer.pop("StackId") == STACK
                assert answer.pop("LogicalResourceId") == "Thing"
                return answer
            time.sleep(0.05)
        raise AssertionError("no answer from the custom resource")


@pytest.fixture(scope="module")
def cloudformation(aws: Any) -> CloudFormation:
    return CloudFormation(aws)


# a user's functions that do as their properties say
USER = """
import json, boto3

s3 = boto3.client("s3")

def on_event(event, context):
    props = event["ResourceProperties"]
    assert event["ResponseURL"].startswith("http")
    if "Raise" in props:
        raise ValueError(props["Raise"])
    return json.loads(props.get("OnEvent", "null"))

def is_complete(event, context):
    props = event["ResourceProperties"]
    assert event["PhysicalResourceId"] == "mine", event
    if "RaiseLater" in props:
        raise ValueError(props["RaiseLater"])
    if "Bucket" in props:  # complete when it has been asked for the third time
        seen = s3.list_objects_v2(Bucket=props["Bucket"], Prefix="seen/")["KeyCount"]
        s3.put_object(Bucket=props["Bucket"], Key=f"seen/{seen}")
        if seen < 2:
            return {"IsComplete": False}
    return json.loads(props["IsComplete"])
"""


class Provider:
    """CDK's Provider construct around `USER`, as its template has it."""

    def __init__(self, aws: Any, code: Any) -> None:
        self.aws, self.code = aws, code
        self.variables = {"USER_ON_EVENT_FUNCTION_ARN": self.arn(self.user("on_event"))}
        self.plain = self.framework("onEvent")
        self.variables["USER_IS_COMPLETE_FUNCTION_ARN"] = self.arn(self.user("is_complete"))
        asking = {
            "Type": "Task",
            "End": True,
            "Resource": self.arn(self.framework("isComplete")),
            "Retry": [
                {
                    "ErrorEquals": ["States.ALL"],
                    "IntervalSeconds": 1,
                    "MaxAttempts": 3,
                    "BackoffRate": 1,
                }
            ],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "late"}],
        }
        late = {"Type": "Task", "End": True, "Resource": self.arn(self.framework("onTimeout"))}
        machine = aws.client("stepfunctions").create_state_machine(
            name="waiter",
            definition=json.dumps(
                {"StartAt": "asking", "States": {"asking": asking, "late": late}}
            ),
            roleArn=aws.role,
        )
        self.variables["WAITER_STATE_MACHINE_ARN"] = machine["stateMachineArn"]
        self.waiting = self.framework("onEvent")

    def user(self, handler: str) -> str:
        name: str = self.aws.deploy(USER, Handler=f"index.{handler}")
        return name

    def framework(self, handler: str) -> str:
        name: str = self.aws.deploy(
            self.code[FRAMEWORK],
            Runtime="nodejs24.x",
            Handler=f"framework.{handler}",
            Timeout=900,
            Environment={"Variables": self.variables},
        )
        return name

    def arn(self, name: str) -> str:
        function = self.aws.client("lambda").get_function(FunctionName=name)
        arn: str = function["Configuration"]["FunctionArn"]
        return arn


@pytest.fixture(scope="module")
def provider(aws: Any, cdk_code: Any) -> Provider:
    return Provider(aws, cdk_code)


def test_provider_responds_with_the_users_id_and_data(
    cloudformation: CloudFormation, provider: Provider
) -> None:
    props = {"OnEvent": json.dumps({"PhysicalResourceId": "mine", "Data": {"Size": "3"}})}
    answer = cloudformation.request(provider.plain, "Create", ResourceProperties=props)
    assert answer == {
        "Status": "SUCCESS",
        "Reason": "SUCCESS",
        "PhysicalResourceId": "mine",
        "Data": {"Size": "3"},
    }


def test_provider_has_a_default_physical_id(
    cloudformation: CloudFormation, provider: Provider
) -> None:
    created = cloudformation.request(provider.plain, "Create")
    assert created["PhysicalResourceId"].startswith("request-")
    updated = cloudformation.request(provider.plain, "Update", PhysicalResourceId="kept")
    assert updated["PhysicalResourceId"] == "kept"


def test_provider_marks_a_failed_create_and_ignores_its_delete(
    cloudformation: CloudFormation, provider: Provider
) -> None:
    props = {"Raise": "no quota"}
    failed = cloudformation.request(provider.plain, "Create", ResourceProperties=props)
    assert failed["Status"] == "FAILED"
    assert failed["Reason"].startswith("Error: no quota\n\nLogs: /aws/lambda/function-")
    marker = "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"
    assert failed["PhysicalResourceId"] == marker
    deleted = cloudformation.request(
        provider.plain, "Delete", PhysicalResourceId=marker, ResourceProperties=props
    )
    assert deleted["Status"] == "SUCCESS"


def test_provider_refuses_another_id_on_delete(
    cloudformation: CloudFormation, provider: Provider
) -> None:
    props = {"OnEvent": json.dumps({"PhysicalResourceId": "new"})}
    answer = cloudformation.request(
        provider.plain, "Delete", PhysicalResourceId="old", ResourceProperties=props
    )
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == (
        'Error: DELETE: cannot change the physical resource ID from "old" to "new" during deletion'
    )


def test_provider_waits_until_complete_and_merges_the_data(
    cloudformation: CloudFormation, provider: Provider
) -> None:
    bucket = cloudformation.new_bucket()
    props = {
        "Bucket": bucket,
        "OnEvent": json.dumps({"PhysicalResourceId": "mine", "Data": {"a": "1", "b": "1"}}),
        "IsComplete": json.dumps({"IsComplete": True, "Data": {"b": "2"}}),
    }
    answer = cloudformation.request(provider.waiting, "Create", ResourceProperties=props)
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"] == {"a": "1", "b": "2"}
    assert cloudformation.keys(bucket) == ["seen/0", "seen/1", "seen/2"]


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (
            {"RaiseLater": "training failed"},
            "Error: training failed\n\nLogs: /aws/lambda/function-",
        ),
        (
            {"IsComplete": json.dumps({"IsComplete": False, "Data": {"a": "1"}})},
            'Error: "Data" is not allowed if "IsComplete" is "False"',
        ),
        ({"IsComplete": json.dumps({"IsComplete": False})}, "Operation timed out"),
    ],
    ids=["raises", "data-too-early", "never-complete"],
)
def test_provider_fails_when_completion_does(
    cloudformation: CloudFormation, provider: Provider, later: dict[str, str], reason: str
) -> None:
    props = {"OnEvent": json.dumps({"PhysicalResourceId": "mine"}), **later}
    answer = cloudformation.request(provider.waiting, "Create", ResourceProperties=props)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(reason)
    assert answer["PhysicalResourceId"] == "mine"


def test_provider_log_does_not_contain_the_response_url(
    aws: Any, cloudformation: CloudFormation, provider: Provider
) -> None:
    cloudformation.request(provider.plain, "Create")
    text = "\n".join(aws.log(f"/aws/lambda/{provider.plain}"))
    assert "[provider-framework] onEventHandler" in text
    assert "Signature" not in text


@pytest.fixture(scope="module")
def emptier(aws: Any, cdk_code: Any) -> str:
    name: str = aws.deploy(cdk_code[EMPTIER], Runtime="nodejs24.x", Timeout=900)
    return name


def test_tagged_bucket_is_emptied_of_all_versions(
    cloudformation: CloudFormation, emptier: str
) -> None:
    bucket = cloudformation.new_bucket(versioned=True, tagged=True)
    for _ in range(2):
        cloudformation.s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    cloudformation.s3.delete_object(Bucket=bucket, Key="a")
    cloudformation.s3.put_object(Bucket=bucket, Key="b", Body=b"x")
    answer = cloudformation.request(
        emptier, "Delete", PhysicalResourceId="p", ResourceProperties={"BucketName": bucket}
    )
    assert answer["Status"] == "SUCCESS"
    left = cloudformation.s3.list_object_versions(Bucket=bucket)
    assert "Versions" not in left and "DeleteMarkers" not in left


def test_untagged_bucket_is_not_emptied(cloudformation: CloudFormation, emptier: str) -> None:
    bucket = cloudformation.new_bucket()
    cloudformation.s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    answer = cloudformation.request(
        emptier, "Delete", PhysicalResourceId="p", ResourceProperties={"BucketName": bucket}
    )
    assert answer["Status"] == "SUCCESS"
    assert cloudformation.keys(bucket) == ["a"]


def test_missing_bucket_is_ignored(cloudformation: CloudFormation, emptier: str) -> None:
    answer = cloudformation.request(
        emptier, "Delete", PhysicalResourceId="p", ResourceProperties={"BucketName": "long-gone"}
    )
    assert answer["Status"] == "SUCCESS"


def test_changed_bucket_is_a_replacement(cloudformation: CloudFormation, emptier: str) -> None:
    answer = cloudformation.request(
        emptier,
        "Update",
        PhysicalResourceId="old-bucket",
        ResourceProperties={"BucketName": "new-bucket"},
        OldResourceProperties={"BucketName": "old-bucket"},
    )
    assert answer["PhysicalResourceId"] == "new-bucket"


class Deployment:
    """The bucket deployment's function, a bucket with sources, and one to deploy into."""

    def __init__(self, aws: Any, cloudformation: CloudFormation, code: Any) -> None:
        self.aws, self.cloudformation, self.s3 = aws, cloudformation, cloudformation.s3
        self.name = aws.deploy(
            code[DEPLOYMENT],
            Runtime="python3.13",
            Timeout=900,
            MemorySize=1024,
            Environment={"Variables": {"AWS_CA_BUNDLE": "/etc/pki/ca-trust/no-such-bundle.pem"}},
        )
        self.assets = cloudformation.new_bucket()

    def properties(
        self, files: dict[str, str | bytes], destination: str, **more: Any
    ) -> dict[str, Any]:
        key = f"asset-{len(self.cloudformation.keys(self.assets))}.zip"
        self.s3.put_object(Bucket=self.assets, Key=key, Body=self.aws.zipped(files))
        return {
            "SourceBucketNames": [self.assets],
            "SourceObjectKeys": [key],
            "DestinationBucketName": destination,
            "DestinationBucketArn": f"arn:aws:s3:::{destination}",
            **more,
        }

    def text(self, bucket: str, key: str) -> str:
        content: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content.decode()


@pytest.fixture(scope="module")
def deployment(aws: Any, cloudformation: CloudFormation, cdk_code: Any) -> Deployment:
    return Deployment(aws, cloudformation, cdk_code)


def test_deployment_copies_types_and_prunes(
    cloudformation: CloudFormation, deployment: Deployment
) -> None:
    bucket = cloudformation.new_bucket()
    cloudformation.s3.put_object(Bucket=bucket, Key="data/stale", Body=b"x")
    cloudformation.s3.put_object(Bucket=bucket, Key="elsewhere", Body=b"x")
    props = deployment.properties(
        {"page.html": "<p>", "deep/a.csv": "1"}, bucket, DestinationBucketKeyPrefix="data"
    )
    answer = cloudformation.request(deployment.name, "Create", ResourceProperties=props)
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"].startswith("aws.cdk.s3deployment.")
    assert answer["Data"] == {
        "DestinationBucketArn": f"arn:aws:s3:::{bucket}",
        "SourceObjectKeys": props["SourceObjectKeys"],
    }
    assert cloudformation.keys(bucket) == ["data/deep/a.csv", "data/page.html", "elsewhere"]
    assert deployment.text(bucket, "data/deep/a.csv") == "1"
    head = cloudformation.s3.head_object(Bucket=bucket, Key="data/page.html")
    assert head["ContentType"] == "text/html"


def test_deployment_applies_markers_filters_and_metadata(
    cloudformation: CloudFormation, deployment: Deployment
) -> None:
    bucket = cloudformation.new_bucket()
    cloudformation.s3.put_object(Bucket=bucket, Key="kept.log", Body=b"x")
    props = deployment.properties(
        {"config.json": '{"arn": "<<1>>"}', "a.log": "x", "b.log": "x"},
        bucket,
        SourceMarkers=[{"<<1>>": 'a"b'}],
        SourceMarkersConfig=[{"jsonEscape": "true"}],
        Exclude=["*.log"],
        Include=["b.log"],
        SystemMetadata={"cache-control": "no-cache"},
        UserMetadata={"Stage": "test"},
        OutputObjectKeys="false",
    )
    answer = cloudformation.request(deployment.name, "Create", ResourceProperties=props)
    assert answer["Data"]["SourceObjectKeys"] == []
    assert cloudformation.keys(bucket) == ["b.log", "config.json", "kept.log"]
    assert json.loads(deployment.text(bucket, "config.json")) == {"arn": 'a"b'}
    head = cloudformation.s3.head_object(Bucket=bucket, Key="config.json")
    assert (head["CacheControl"], head["Metadata"]) == ("no-cache", {"stage": "test"})


def test_deployment_replaces_markers_only_in_extracted_files(
    cloudformation: CloudFormation, deployment: Deployment, tmp_path: Path, tally: Tally
) -> None:
    tally("inputs tried", "archives that lead out of a folder")
    outside = tmp_path / "outside"
    outside.write_text("<<1>>")
    bucket = cloudformation.new_bucket()
    props = deployment.properties(
        {str(outside): "<<1>>"}, bucket, SourceMarkers=[{"<<1>>": "replaced"}]
    )
    cloudformation.request(deployment.name, "Create", ResourceProperties=props)
    assert outside.read_text() == "<<1>>"
    assert deployment.text(bucket, str(outside).lstrip("/")) == "replaced"


def test_deployment_without_extraction_copies_the_archive(
    cloudformation: CloudFormation, deployment: Deployment
) -> None:
    bucket = cloudformation.new_bucket()
    props = deployment.properties({"a": "1"}, bucket, Extract="false", Prune="false")
    cloudformation.request(deployment.name, "Create", ResourceProperties=props)
    assert cloudformation.keys(bucket) == props["SourceObjectKeys"]


@pytest.mark.parametrize(("retain", "left"), [("true", ["a"]), ("false", [])])
def test_deployment_is_deleted_unless_retained(
    cloudformation: CloudFormation, deployment: Deployment, retain: str, left: list[str]
) -> None:
    bucket = cloudformation.new_bucket()
    props = deployment.properties({"a": "1"}, bucket, RetainOnDelete=retain)
    made = cloudformation.request(deployment.name, "Create", ResourceProperties=props)
    gone = cloudformation.request(
        deployment.name,
        "Delete",
        PhysicalResourceId=made["PhysicalResourceId"],
        ResourceProperties=props,
    )
    assert gone["PhysicalResourceId"] == made["PhysicalResourceId"]
    assert cloudformation.keys(bucket) == left


def test_deployment_keeps_objects_of_another_deployment(
    cloudformation: CloudFormation, deployment: Deployment
) -> None:
    bucket = cloudformation.new_bucket()
    cloudformation.s3.put_bucket_tagging(
        Bucket=bucket, Tagging={"TagSet": [{"Key": "aws-cdk:cr-owned:12ab", "Value": "true"}]}
    )
    cloudformation.s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    props = deployment.properties({"a": "1"}, bucket, RetainOnDelete="false")
    answer = cloudformation.request(
        deployment.name, "Delete", PhysicalResourceId="p", ResourceProperties=props
    )
    assert answer["Status"] == "SUCCESS"
    assert cloudformation.keys(bucket) == ["a"]


def test_deployment_moves_on_update(cloudformation: CloudFormation, deployment: Deployment) -> None:
    bucket = cloudformation.new_bucket()
    old = deployment.properties(
        {"a": "1"}, bucket, RetainOnDelete="false", DestinationBucketKeyPrefix="old"
    )
    made = cloudformation.request(deployment.name, "Create", ResourceProperties=old)
    new = {**old, "DestinationBucketKeyPrefix": "new"}
    cloudformation.request(
        deployment.name,
        "Update",
        PhysicalResourceId=made["PhysicalResourceId"],
        ResourceProperties=new,
        OldResourceProperties=old,
    )
    assert cloudformation.keys(bucket) == ["new/a"]


def test_deployment_names_missing_properties(
    cloudformation: CloudFormation, deployment: Deployment
) -> None:
    answer = cloudformation.request(deployment.name, "Create", ResourceProperties={})
    assert answer["Status"] == "FAILED"
    assert "missing request resource property 'SourceBucketNames'" in answer["Reason"]


def test_other_node_functions_are_refused(aws: Any) -> None:
    name = aws.deploy({"index.js": "exports.handler = async () => 1"}, Runtime="nodejs24.x")
    client = aws.client("lambda")
    with pytest.raises(client.exceptions.InvalidRuntimeException, match="is a nodejs24"):
        aws.invoke(name)
